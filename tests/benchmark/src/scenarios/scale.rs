//! How the duration grows with the size of the file and shrinks with the number of workers.

use crate::arguments::Arguments;
use crate::files::{self, SEED};
use crate::print_progress;
use crate::report::Report;
use crate::site::{Outcomes, Site};

pub(crate) async fn measure_workers(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let file = files::users(site.folder.path(), args.rows, SEED)?;
    for workers in [1, 2, 4] {
        site.restart_workers(workers).await?;
        for round in 1..=args.rounds {
            print_progress(&format!("round {round}: {workers} workers"));
            site.delete_users().await?;
            site.measure_import(&format!("new, {workers} workers"), &file, Outcomes::created(args.rows), report)
                .await?;
        }
    }
    site.restart_workers(args.workers).await
}

/// Measures each size once, because a long run averages over itself.
pub(crate) async fn measure_sizes(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let factors: &[u64] = if args.big { &[1, 5, 10] } else { &[1, 2] };
    let mut base_rate = None;
    for factor in factors {
        let rows = args.rows * factor;
        print_progress(&format!("a file of {rows} rows"));
        site.delete_users().await?;
        let file = files::users(site.folder.path(), rows, SEED)?;
        let seconds = site
            .measure_import(&format!("new, {factor} times the rows"), &file, Outcomes::created(rows), report)
            .await?;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let rate = rows as f64 / seconds;
        let base = *base_rate.get_or_insert(rate);
        report.add_figure(&format!("rows/s at {factor} times the rows, relative to one"), rate / base, "");
        // Makes room on the disk for the next file.
        std::fs::remove_file(file)?;
    }
    Ok(())
}
