//! How long a file takes, by what is known of its users, beside psql.

use super::files::{self, SEED};
use super::progress;
use super::report::Report;
use super::site::{Expected, Site};
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
            site.measure(case.name, &case.file, case.expected, report).await?;
        } else {
            report.yardstick(case.name, rows, site.psql.stage_and_merge(&case.file).await?);
        }
    }
    Ok(())
}

/// What repeated keys cost: each ends an epoch, which waits until all that is on its way is applied.
pub(super) async fn measure_repeats(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let (folder, rows) = (site.folder.path(), args.rows);
    let cases = [
        ("no row repeats", files::users(folder, rows, SEED)?, u64::MAX),
        ("one row in ten thousand repeats", files::rare_repeats(folder, rows)?, files::RARE_REPEAT_EVERY),
        ("one row in a hundred repeats", files::repeats(folder, rows)?, files::REPEAT_EVERY),
    ];
    for round in 1..=args.rounds {
        for (name, file, every) in &cases {
            progress(&format!("round {round}: {name}"));
            site.empty().await?;
            let repeated = rows / every;
            site.measure(name, file, [rows - repeated, 0, repeated], report).await?;
        }
    }
    Ok(())
}
