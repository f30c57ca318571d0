//! `muster bench`: Muster beside what an expert would write, on the same servers and in the same run.
//!
//! | part | file |
//! | --- | --- |
//! | the processes of Muster under test | [`site`], their memory in [`memory`], everyone's time in [`cpu`] |
//! | the scripts of an expert | [`psql`], [`sqlite`] |
//! | what is imported | [`files`] |
//! | what is measured | [`rows`], [`scale`], [`collaborator`], [`embedded`], [`latency`] |
//! | what is shown | [`report`], [`plot`] |

mod collaborator;
mod cpu;
mod embedded;
mod files;
mod latency;
mod memory;
mod plot;
mod psql;
mod report;
mod rows;
mod scale;
mod site;
mod sqlite;

use std::io::Write;

use clap::ValueEnum;

use crate::cli::{BenchArgs, Scenario};
use report::Report;
use site::Site;

pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let site = Site::start(&args).await?;
    let measured = tokio::select! {
        measured = measure(&args, &site) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let ended = site.end().await;
    let mut report = measured?;
    report.series = ended?;
    report.print()?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report.to_json())?)?;
    }
    if let Some(path) = &args.plot {
        plot::draw(&report, path)?;
    }
    Ok(())
}

async fn measure(args: &BenchArgs, site: &Site) -> anyhow::Result<Report> {
    let mut report = Report::new(args, &site.psql.settings().await?);
    let is_wanted = |scenario: &&Scenario| args.only.is_empty() || args.only.contains(scenario);
    for scenario in Scenario::value_variants().iter().filter(is_wanted) {
        match scenario {
            Scenario::Rows => rows::measure(args, site, &mut report).await?,
            Scenario::Repeats => rows::measure_repeats(args, site, &mut report).await?,
            Scenario::Collaborator => collaborator::measure(args, site, &mut report).await?,
            Scenario::Embedded => embedded::measure(args, site, &mut report).await?,
            Scenario::Polling => latency::measure_polling(args, site, &mut report).await?,
            Scenario::Dwell => latency::measure_dwell(args, site, &mut report).await?,
            Scenario::Workers => scale::measure_workers(args, site, &mut report).await?,
            Scenario::Sizes => scale::measure_sizes(args, site, &mut report).await?,
        }
    }
    Ok(report)
}

/// Tells whoever waits what is being measured.
fn progress(line: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
