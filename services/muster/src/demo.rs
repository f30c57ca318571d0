//! `muster demo`: the whole way of a file, in a temporary folder, through HTTP.

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use muster_ingest::IngestConfig;
use muster_telemetry::{LogFormat, Options};

use crate::cli::DemoArgs;
use crate::client::{Client, JobStatus};
use crate::generate;
use crate::roles::embedded;
use crate::settings::HttpArgs;
use crate::wiring::Process;

const SEED: u64 = 1;
/// Users who are read back at the end.
const SAMPLES: u64 = 100;
const POLL: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    muster_telemetry::init(Options {
        filter: "error",
        format: LogFormat::Pretty,
        service: "muster-demo",
        traces: false,
        metrics: false,
    })?;
    let folder = tempfile::Builder::new().prefix("muster-demo-").tempdir().context("a temporary folder is needed")?;
    let process = Process::default();
    let http = HttpArgs { listen: ([127, 0, 0, 1], 0).into(), public_url: None };
    let config = IngestConfig { max_upload_bytes: u64::MAX, ..IngestConfig::default() };
    let running = embedded::start(&process, &folder.path().join("data"), &http, config).await?;
    let token = embedded::first_token(&running.store).await?.context("a new folder has no tenant")?;
    let client = Client::new(running.address.clone(), &token)?;

    let file = folder.path().join("users.csv");
    say(&format!("Generating {} users …", thousands(args.rows)))?;
    let out = BufWriter::with_capacity(1 << 16, std::fs::File::create(&file)?);
    generate::write_spigit(out, args.rows, SEED)?;

    say(&format!("Uploading {} MB to {}/bulk/v1/files …", file.metadata()?.len() / 1_000_000, running.address))?;
    let started = Instant::now();
    let status_url = client.upload(&file).await?;
    let status = watch(&client, &status_url, args.rows).await?;
    let elapsed = started.elapsed();
    print_table(&status, elapsed)?;
    let result = check(&client, &status, args.rows).await;
    process.shutdown.force();
    result?;
    say("Every row is accounted for, and users read back are the ones in the file.")?;
    Ok(ExitCode::SUCCESS)
}

/// Shows progress until the job is final.
async fn watch(client: &Client, status_url: &str, rows: u64) -> anyhow::Result<JobStatus> {
    let bar = ProgressBar::new(rows);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} users  {per_sec}  {elapsed}")?);
    loop {
        let status = client.status(status_url).await?;
        bar.set_position(status.processed);
        if status.is_final() {
            bar.finish_and_clear();
            return Ok(status);
        }
        tokio::time::sleep(POLL).await;
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people to read"
)]
fn print_table(status: &JobStatus, elapsed: Duration) -> anyhow::Result<()> {
    let rate = (status.total as f64 / elapsed.as_secs_f64()) as u64;
    let lines = [
        ("status", status.state.clone()),
        ("rows", thousands(status.total)),
        ("created", thousands(status.created)),
        ("failed", thousands(status.failed)),
        ("seconds", format!("{:.2}", elapsed.as_secs_f64())),
        ("rows/s", thousands(rate)),
    ];
    for (name, value) in lines {
        say(&format!("  {name:<8} {value:>12}"))?;
    }
    Ok(())
}

async fn check(client: &Client, status: &JobStatus, rows: u64) -> anyhow::Result<()> {
    ensure!(status.state == "SUCCESS", "the import ended as {}: {}", status.state, status.error_message);
    ensure!(status.created == rows, "{} users were created, expected {rows}", status.created);
    ensure!(status.failed == 0, "{} rows failed: {}", status.failed, status.error_message);
    let step = (rows / SAMPLES).max(1);
    for number in (1..=rows).step_by(usize::try_from(step)?) {
        let username = generate::username(number, SEED);
        let user = client.user(&username).await?;
        ensure!(user["username"] == username.as_str(), "user {username} was read back as {}", user["username"]);
        ensure!(
            user["email"] == format!("user{number}.{SEED}@example.com").as_str(),
            "user {username} has another e-mail"
        );
        ensure!(user["company_id"] == "SPG", "user {username} has lost a value");
    }
    Ok(())
}

pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::thousands(number), text);
        }
    }
}
