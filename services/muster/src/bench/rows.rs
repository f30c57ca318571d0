//! How long a file takes, by what is known of its users, beside psql.

use super::files::{self, SEED};
use super::report::Report;
use super::site::{Expected, Site, import};
use super::{progress, site};
use crate::cli::BenchArgs;
use std::path::PathBuf;

/// A file, and what becomes of its users.
struct Case {
    name: &'static str,
    file: PathBuf,
    expected: Expected,
}

/// New users, the same file again, half of each, every row changed: in this order on one table.
pub(super) async fn measure(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let (folder, rows) = (site.folder.path(), args.rows);
    let users = files::users(folder, rows, SEED)?;
    let cases = [
        Case { name: "new", file: users.clone(), expected: [rows, 0, 0] },
        Case { name: "again", file: users, expected: [0, 0, rows] },
        Case { name: "half", file: files::half(folder, rows)?, expected: [rows / 2, 0, rows / 2] },
        Case { name: "changed", file: files::changed(folder, rows)?, expected: [0, rows, 0] },
    ];
    for round in 1..=args.rounds {
        site.empty().await?;
        site.psql.on_two_connections(&cases[0].file).await.map(|seconds| {
            report.yardstick("new, two connections", rows, seconds);
        })?;
        site.empty().await?;
        for case in &cases {
            progress(&format!("round {round}: {}", case.name));
            measure_case(site, case, rows, round.is_multiple_of(2), report).await?;
        }
    }
    report.copy_muster("new", "new, two connections");
    Ok(())
}

/// In turn, so that neither always runs on a colder or a warmer server.
async fn measure_case(
    site: &Site,
    case: &Case,
    rows: u64,
    muster_first: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    for is_muster in [muster_first, !muster_first] {
        if is_muster {
            report.muster(case.name, rows, import(&site.clients[0], &case.file, case.expected).await?);
        } else {
            report.yardstick(case.name, rows, site.psql.stage_and_merge(&case.file).await?);
        }
    }
    Ok(())
}

/// What repeated keys cost: each ends an epoch, which waits until all that is on its way is applied.
pub(super) async fn measure_repeats(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = args.rows;
    let file = files::repeats(site.folder.path(), rows)?;
    let repeated = (rows + 1).div_ceil(files::REPEAT_EVERY) - 1;
    for round in 1..=args.rounds {
        progress(&format!("round {round}: repeats"));
        site.empty().await?;
        let seconds = site::import(&site.clients[0], &file, [rows - repeated, 0, repeated]).await?;
        report.muster("one row in a hundred repeats", rows, seconds);
    }
    Ok(())
}
