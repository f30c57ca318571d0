//! `muster serve`.

use std::io::Write;

use crate::cli::ServeArgs;
use crate::roles::embedded;
use crate::wiring::{self, Process};

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let process = Process::start("serve", &args.process)?;
    let config = wiring::ingest_config(&args.http, &args.import, None);
    let running = embedded::start(&process, &args.data, &args.http, config).await?;
    process.begun();
    process.serve_apart(&args.process.metrics, wiring::ready(running.store.clone(), None))?;
    let token = embedded::first_token(&running.store).await?;
    welcome(&running.address, &args.data.display().to_string(), token.as_deref())?;
    process.run_to_end(None).await;
    Ok(())
}

fn welcome(address: &str, data: &str, token: Option<&str>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Muster is listening on {address}")?;
    writeln!(out, "  data    {data}")?;
    if let Some(token) = token {
        writeln!(out, "  token   {token}")?;
        writeln!(out, "          (shown this once; `muster token create --data {data}` makes another)")?;
        writeln!(out, "Upload a file:")?;
        writeln!(out, "  curl -H 'Authorization: Bearer {token}' -F file=@users.csv {address}/bulk/v1/files")?;
    }
    out.flush()
}
