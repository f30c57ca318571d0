//! `muster demo`: imports a generated file over HTTP into a temporary folder.

use std::io::BufWriter;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use muster_client::{Client, JobStatus, generate, group_thousands};
use muster_ingest::IngestConfig;
use muster_telemetry::{LogFormat, Options};

use crate::cli::DemoArgs;
use crate::output::print_line;
use crate::process::Process;
use crate::roles::embedded;
use crate::settings::HttpArgs;

const SEED: u64 = 1;
/// Number of users that are read back and compared at the end.
const SAMPLE_USERS: u64 = 100;
const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    muster_telemetry::init(Options {
        filter: "error",
        format: LogFormat::Pretty,
        service: "muster-demo",
        traces: false,
        metrics: false,
    })?;
    let folder =
        tempfile::Builder::new().prefix("muster-demo-").tempdir().context("cannot create a temporary folder")?;
    let process = Process::default();
    let http = HttpArgs { listen: ([127, 0, 0, 1], 0).into(), public_url: None, trusted_proxies: Vec::new() };
    let config = IngestConfig { max_upload_bytes: u64::MAX, ..IngestConfig::default() };
    let running = embedded::start(&process, &folder.path().join("data"), &http, config).await?;
    let token =
        embedded::create_first_token(&running.store).await?.context("a new data folder already has a tenant")?;
    let client = Client::new(running.url.clone(), &token)?;

    let file = folder.path().join("users.csv");
    print_line(&format!("Generating {} users …", group_thousands(args.rows)))?;
    let out = BufWriter::with_capacity(1 << 16, std::fs::File::create(&file)?);
    generate::write_spigit(out, args.rows, SEED)?;

    print_line(&format!("Uploading {} MB to {}/bulk/v1/files …", file.metadata()?.len() / 1_000_000, running.url))?;
    let started = Instant::now();
    let status_url = client.upload(&file).await?;
    let status = watch(&client, &status_url, args.rows).await?;
    let elapsed = started.elapsed();
    print_table(&status, elapsed)?;
    let result = check(&client, &status, args.rows).await;
    process.shutdown.force();
    result?;
    print_line("Every row is accounted for, and the users that were read back match the file.")
}

/// Shows a progress bar until the job is final.
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
        tokio::time::sleep(POLL_INTERVAL).await;
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
        ("rows", group_thousands(status.total)),
        ("created", group_thousands(status.created)),
        ("failed", group_thousands(status.failed)),
        ("seconds", format!("{:.2}", elapsed.as_secs_f64())),
        ("rows/s", group_thousands(rate)),
    ];
    for (name, value) in lines {
        print_line(&format!("  {name:<8} {value:>12}"))?;
    }
    Ok(())
}

/// Compares the counts, and a sample of the users, with the file.
async fn check(client: &Client, status: &JobStatus, rows: u64) -> anyhow::Result<()> {
    ensure!(status.state == "SUCCESS", "the import ended as {}: {}", status.state, status.error_message);
    ensure!(status.created == rows, "{} users were created, expected {rows}", status.created);
    ensure!(status.failed == 0, "{} rows failed: {}", status.failed, status.error_message);
    let step = (rows / SAMPLE_USERS).max(1);
    for number in (1..=rows).step_by(usize::try_from(step)?) {
        let username = generate::username(number, SEED);
        let user = client.user(&username).await?;
        ensure!(user["username"] == username.as_str(), "user {username} was read back as {}", user["username"]);
        ensure!(
            user["email"] == format!("user{number}.{SEED}@example.com").as_str(),
            "user {username} has the wrong e-mail"
        );
        ensure!(user["company_id"] == "SPG", "user {username} has the wrong company");
    }
    Ok(())
}
