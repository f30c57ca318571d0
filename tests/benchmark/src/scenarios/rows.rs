//! The duration of an import by the state of its users, compared with psql.

use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::files::{self, SEED};
use crate::print_progress;
use crate::report::Report;
use crate::site::{Outcomes, Site};

/// A file and the expected outcomes of its rows.
struct Case {
    name: &'static str,
    file: PathBuf,
    expected: Outcomes,
}

/// New users, the same file again, half of each, every row changed: in this order on the same table.
pub(crate) async fn measure(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let (folder, rows) = (site.folder.path(), args.rows);
    let users = files::users(folder, rows, SEED)?;
    let half = Outcomes { created: rows / 2, unchanged: rows / 2, ..Outcomes::default() };
    let cases = [
        Case { name: "new", file: users.clone(), expected: Outcomes::created(rows) },
        Case { name: "again", file: users, expected: Outcomes::unchanged(rows) },
        Case { name: "half", file: files::half(folder, rows)?, expected: half },
        Case { name: "changed", file: files::changed(folder, rows)?, expected: Outcomes::updated(rows) },
    ];
    for round in 1..=args.rounds {
        site.delete_users().await?;
        let seconds = site.psql.stage_and_merge_on_two_connections(&cases[0].file).await?;
        report.add_yardstick("new, two connections", rows, seconds);
        site.delete_users().await?;
        for case in &cases {
            print_progress(&format!("round {round}: {}", case.name));
            measure_case(site, case, rows, round.is_multiple_of(2), report).await?;
        }
    }
    report.copy_muster("new", "new, two connections");
    Ok(())
}

/// Measures Muster and psql. The order alternates between rounds, so that neither always finds the warmer server.
async fn measure_case(
    site: &Site,
    case: &Case,
    rows: u64,
    muster_first: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    for measures_muster in [muster_first, !muster_first] {
        if measures_muster {
            site.measure_import(case.name, &case.file, case.expected, report).await?;
        } else {
            report.add_yardstick(case.name, rows, site.psql.stage_and_merge(&case.file).await?);
        }
    }
    Ok(())
}

/// The cost of repeated keys: each ends an epoch, and the next epoch waits until all published batches are applied.
pub(crate) async fn measure_repeats(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let (folder, rows) = (site.folder.path(), args.rows);
    let cases = [
        ("no row repeats", files::users(folder, rows, SEED)?, u64::MAX),
        ("one row in ten thousand repeats", files::rare_repeats(folder, rows)?, files::RARE_REPEAT_EVERY),
        ("one row in a hundred repeats", files::repeats(folder, rows)?, files::REPEAT_EVERY),
    ];
    for round in 1..=args.rounds {
        for (name, file, every) in &cases {
            print_progress(&format!("round {round}: {name}"));
            site.delete_users().await?;
            let repeated = rows / every;
            let expected = Outcomes { created: rows - repeated, unchanged: repeated, ..Outcomes::default() };
            site.measure_import(name, file, expected, report).await?;
        }
    }
    Ok(())
}
