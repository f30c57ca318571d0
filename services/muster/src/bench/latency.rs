//! How long small jobs take beside big ones, and the status while a job runs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::files::{self, SEED};
use super::progress;
use super::report::Report;
use super::site::{Site, import, until_final};
use crate::cli::BenchArgs;
use crate::client::Client;
use crate::generate;

const SMALL_ROWS: u64 = 10;
/// Far from the seeds of big files.
const SMALL_SEED: u64 = 10_000;
const POLLERS: usize = 64;
/// Between two questions of a poller.
const POLL: Duration = Duration::from_millis(100);

/// Ten rows of the first tenant, again and again, while one other tenant imports a big file, and three.
pub(super) async fn measure_dwell(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = if args.big { args.rows * 5 } else { args.rows };
    let file = files::users(site.folder.path(), rows, SEED)?;
    let mut seed = SMALL_SEED;
    for others in [1, 3] {
        progress(&format!("small jobs beside {others} big"));
        site.empty().await?;
        let big = site.clients[1..=others].iter().map(|client| import(client, &file, [rows, 0, 0]));
        let mut big = std::pin::pin!(futures_util::future::try_join_all(big));
        let mut dwell = Vec::new();
        loop {
            seed += 1;
            let small = small_job(site, seed);
            tokio::select! {
                done = &mut big => { done?; break }
                seconds = small => dwell.push(seconds?),
            }
        }
        report.latencies(&format!("ten rows beside {others} big"), &mut dwell);
    }
    Ok(())
}

/// From accepted to final.
async fn small_job(site: &Site, seed: u64) -> anyhow::Result<f64> {
    let file = small_file(site, seed)?;
    let status_url = site.clients[0].upload(&file).await?;
    let accepted = Instant::now();
    let status = until_final(&site.readers[0], &status_url).await?;
    anyhow::ensure!(status.created == SMALL_ROWS, "a small job has not created its users");
    Ok(accepted.elapsed().as_secs_f64())
}

fn small_file(site: &Site, seed: u64) -> anyhow::Result<PathBuf> {
    let path = site.folder.path().join("small.csv");
    generate::write_spigit(std::fs::File::create(&path)?, SMALL_ROWS, seed)?;
    Ok(path)
}

/// 64 clients, each with its own connection, ask for the status of a running job.
pub(super) async fn measure_polling(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    progress("an import that is polled by 64");
    let file = files::users(site.folder.path(), args.rows, SEED)?;
    site.empty().await?;
    site.measure("new, before polling", &file, [args.rows, 0, 0], report).await?;
    site.empty().await?;
    let (stop, stopped) = watch::channel(false);
    let (before, begun) = (site.usage(), Instant::now());
    let status_url = site.clients[0].upload(&file).await?;
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        let client = Client::new(site.status_address.clone(), &site.token)?;
        pollers.spawn(poll(client, status_url.clone(), stopped.clone()));
    }
    until_final(&site.readers[0], &status_url).await?;
    let (seconds, usage) = (begun.elapsed().as_secs_f64(), site.usage().since(&before));
    report.muster_with_usage("new, polled by 64", args.rows, seconds, usage);
    stop.send(true).context("the pollers have ended before the job")?;
    let mut seconds = Vec::new();
    while let Some(polled) = pollers.join_next().await {
        seconds.extend(polled??);
    }
    report.latencies("status, polled by 64", &mut seconds);
    Ok(())
}

async fn poll(client: Client, status_url: String, stopped: watch::Receiver<bool>) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::new();
    // The first question makes the connection.
    client.status(&status_url).await?;
    while !*stopped.borrow() {
        tokio::time::sleep(POLL.mul_f64(0.5 + rand::random::<f64>())).await;
        let asked = Instant::now();
        client.status(&status_url).await?;
        seconds.push(asked.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
