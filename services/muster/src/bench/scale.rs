//! How the time grows with the file, and shrinks with workers.

use super::files::{self, SEED};
use super::progress;
use super::report::Report;
use super::site::Site;
use crate::cli::BenchArgs;

pub(super) async fn measure_workers(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let file = files::users(site.folder.path(), args.rows, SEED)?;
    for workers in [1, 2, 4] {
        site.scale(workers).await?;
        for round in 1..=args.rounds {
            progress(&format!("round {round}: {workers} workers"));
            site.empty().await?;
            site.measure(&format!("new, {workers} workers"), &file, [args.rows, 0, 0], report).await?;
        }
    }
    site.scale(args.workers).await
}

/// Once for each size: a long run is its own average.
pub(super) async fn measure_sizes(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let times: &[u64] = if args.big { &[1, 5, 10] } else { &[1, 2] };
    let mut rate_of_one = None;
    for factor in times {
        let rows = args.rows * factor;
        progress(&format!("a file of {rows} rows"));
        site.empty().await?;
        let file = files::users(site.folder.path(), rows, SEED)?;
        let seconds = site.measure(&format!("new, {factor} times the rows"), &file, [rows, 0, 0], report).await?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let rate = rows as f64 / seconds;
        let one = *rate_of_one.get_or_insert(rate);
        report.figure(&format!("rows/s at {factor} times the rows, of those at one"), rate / one, "");
        // Room for the next one.
        std::fs::remove_file(file)?;
    }
    Ok(())
}
