//! The duration of small jobs during big ones, and the latency of the status while a job runs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use muster_client::{Client, generate};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arguments::Arguments;
use crate::files::{self, SEED};
use crate::print_progress;
use crate::report::Report;
use crate::site::{Outcomes, Site, import, wait_until_final};

const SMALL_ROWS: u64 = 10;
/// Different from the seeds of the big files.
const SMALL_SEED: u64 = 10_000;
const POLLERS: usize = 64;
/// The average pause between two requests of a poller.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The first tenant imports ten rows, repeatedly, while one and then three other tenants import a big file.
pub(crate) async fn measure_dwell(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = if args.big { args.rows * 5 } else { args.rows };
    let file = files::users(site.folder.path(), rows, SEED)?;
    let mut seed = SMALL_SEED;
    for others in [1, 3] {
        print_progress(&format!("small jobs during {others} big"));
        site.delete_users().await?;
        let big = site.clients[1..=others].iter().map(|client| import(client, &file, Outcomes::created(rows)));
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
        report.add_latencies(&format!("ten rows during {others} big"), &mut dwell);
    }
    Ok(())
}

/// Imports ten rows. Returns the seconds from the reply to the upload until the job is final.
async fn small_job(site: &Site, seed: u64) -> anyhow::Result<f64> {
    let file = small_file(site, seed)?;
    let status_url = site.clients[0].upload(&file).await?;
    let accepted = Instant::now();
    let status = wait_until_final(&site.readers[0], &status_url).await?;
    anyhow::ensure!(status.created == SMALL_ROWS, "a small job did not create its users");
    Ok(accepted.elapsed().as_secs_f64())
}

fn small_file(site: &Site, seed: u64) -> anyhow::Result<PathBuf> {
    let path = site.folder.path().join("small.csv");
    generate::write_spigit(std::fs::File::create(&path)?, SMALL_ROWS, seed)?;
    Ok(path)
}

/// 64 clients, each with its own connection, poll the status of a running job.
pub(crate) async fn measure_polling(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    print_progress("an import that 64 clients poll");
    let file = files::users(site.folder.path(), args.rows, SEED)?;
    site.delete_users().await?;
    site.measure_import("new, before polling", &file, Outcomes::created(args.rows), report).await?;
    site.delete_users().await?;
    let (stop, stopped) = watch::channel(false);
    let (before, started) = (site.cpu_seconds(), Instant::now());
    let status_url = site.clients[0].upload(&file).await?;
    let mut pollers = JoinSet::new();
    for _ in 0..POLLERS {
        let client = Client::new(site.status_url.clone(), &site.token)?;
        pollers.spawn(poll(client, status_url.clone(), stopped.clone()));
    }
    wait_until_final(&site.readers[0], &status_url).await?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), site.cpu_seconds().since(&before));
    report.add_muster_with_cpu("new, polled by 64", args.rows, seconds, cpu);
    stop.send(true).context("all pollers ended before the job")?;
    let mut seconds = Vec::new();
    while let Some(polled) = pollers.join_next().await {
        seconds.extend(polled??);
    }
    report.add_latencies("status, polled by 64", &mut seconds);
    Ok(())
}

async fn poll(client: Client, status_url: String, stopped: watch::Receiver<bool>) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::new();
    // The first request opens the connection.
    client.status(&status_url).await?;
    while !*stopped.borrow() {
        tokio::time::sleep(POLL_INTERVAL.mul_f64(0.5 + rand::random::<f64>())).await;
        let started = Instant::now();
        client.status(&status_url).await?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
