//! `muster serve`.

use std::io::Write;

use crate::adapters;
use crate::cli::ServeArgs;
use crate::process::Process;
use crate::roles::embedded;

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let process = Process::start("serve", &args.process)?;
    let config = adapters::ingest_config(&args.http, &args.import, None);
    let running = embedded::start(&process, &args.data, &args.http, config).await?;
    process.mark_started();
    process.serve_admin(&args.process.metrics, adapters::readiness(running.store.clone(), None))?;
    let token = embedded::create_first_token(&running.store).await?;
    print_welcome(&running.url, &args.data.display().to_string(), token.as_deref())?;
    process.run_until_stopped(None).await;
    Ok(())
}

fn print_welcome(url: &str, data: &str, token: Option<&str>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Muster is listening on {url}")?;
    writeln!(out, "  data    {data}")?;
    if let Some(token) = token {
        writeln!(out, "  token   {token}")?;
        writeln!(out, "          (shown only once; `muster token create --data {data}` creates another)")?;
        writeln!(out, "Upload a file:")?;
        writeln!(out, "  curl -H 'Authorization: Bearer {token}' -F file=@users.csv {url}/bulk/v1/files")?;
    }
    out.flush()
}
