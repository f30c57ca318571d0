//! `muster serve` on a new folder, compared with sqlite3.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use muster_client::Client;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::arguments::Arguments;
use crate::files::{self, SEED};
use crate::print_progress;
use crate::report::Report;
use crate::site::{Outcomes, Site, import, unused_address};
use crate::yardsticks::sqlite;

const START_DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn measure(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = args.rows;
    let file = files::users(site.folder.path(), rows, SEED)?;
    for round in 1..=args.rounds {
        print_progress(&format!("round {round}: embedded"));
        let folder = tempfile::Builder::new().prefix("embedded-").tempdir_in(site.folder.path())?;
        let seconds = sqlite::import_and_upsert(&folder.path().join("yardstick.db"), &file).await?;
        report.add_yardstick("embedded, new", rows, seconds);
        let (mut child, client) = serve(&site.muster, &folder.path().join("data")).await?;
        report.add_muster("embedded, new", rows, import(&client, &file, Outcomes::created(rows)).await?);
        report.add_muster("embedded, again", rows, import(&client, &file, Outcomes::unchanged(rows)).await?);
        child.kill().await?;
    }
    Ok(())
}

/// Starts `muster serve` and reads its first token from its output.
async fn serve(muster: &Path, data: &Path) -> anyhow::Result<(Child, Client)> {
    let listen = unused_address()?;
    let mut command = Command::new(muster);
    command.args(["serve", "--listen", &listen, "--log", "error"]).env_clear().kill_on_drop(true);
    command.arg("--data").arg(data).args(["--max-upload-bytes", &u64::MAX.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start muster serve")?;
    let mut lines = BufReader::new(child.stdout.take().context("muster serve has no standard output")?).lines();
    let token = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(token) = line.trim().strip_prefix("token ") {
                return Ok(token.trim().to_owned());
            }
        }
        anyhow::bail!("muster serve printed no token")
    };
    let token = tokio::time::timeout(START_DEADLINE, token).await.context("muster serve did not start in time")??;
    Ok((child, Client::new(format!("http://{listen}"), &token)?))
}
