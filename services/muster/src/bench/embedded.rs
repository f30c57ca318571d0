//! `muster serve` on a new folder, beside sqlite3.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::files::{self, SEED};
use super::report::Report;
use super::site::{Site, free_port, import};
use super::{progress, sqlite};
use crate::cli::BenchArgs;
use crate::client::Client;

const START_DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn measure(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = args.rows;
    let file = files::users(site.folder.path(), rows, SEED)?;
    for round in 1..=args.rounds {
        progress(&format!("round {round}: embedded"));
        let folder = tempfile::Builder::new().prefix("embedded-").tempdir_in(site.folder.path())?;
        let seconds = sqlite::import_and_upsert(&folder.path().join("yardstick.db"), &file).await?;
        report.yardstick("embedded, new", rows, seconds);
        let (mut child, client) = serve(&folder.path().join("data")).await?;
        report.muster("embedded, new", rows, import(&client, &file, [rows, 0, 0]).await?);
        report.muster("embedded, again", rows, import(&client, &file, [0, 0, rows]).await?);
        child.kill().await?;
    }
    Ok(())
}

/// Starts the service and reads its first token from what it prints.
async fn serve(data: &Path) -> anyhow::Result<(Child, Client)> {
    let listen = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--listen", &listen, "--log", "error"]).env_clear().kill_on_drop(true);
    command.arg("--data").arg(data).args(["--max-upload-bytes", &u64::MAX.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("muster serve cannot be started")?;
    let mut lines = BufReader::new(child.stdout.take().context("muster serve prints")?).lines();
    let token = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(token) = line.trim().strip_prefix("token ") {
                return Ok(token.trim().to_owned());
            }
        }
        anyhow::bail!("muster serve printed no token")
    };
    let token = tokio::time::timeout(START_DEADLINE, token).await.context("muster serve does not start")??;
    Ok((child, Client::new(format!("http://{listen}"), &token)?))
}
