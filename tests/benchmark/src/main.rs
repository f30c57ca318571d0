//! Compares Muster with the scripts that an expert would write, on the same servers and in the same run.
//!
//! | part | module |
//! | --- | --- |
//! | the processes of Muster under test | [`site`]; their memory and CPU time in [`usage`] |
//! | the yardsticks: scripts of an expert | [`yardsticks`] |
//! | the files to import | [`files`] |
//! | the measurements | [`scenarios`] |
//! | the results | [`report`], [`plot`] |
//!
//! `tests/bench` starts private servers and runs this program on them.

mod arguments;
mod files;
mod plot;
mod report;
mod scenarios;
mod site;
mod usage;
mod yardsticks;

use std::io::Write;

use clap::{Parser, ValueEnum};

use arguments::{Arguments, Scenario};
use report::Report;
use site::Site;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Arguments::parse();
    let site = Site::start(&args).await?;
    let measured = tokio::select! {
        measured = measure(&args, &site) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let stopped = site.stop().await;
    let mut report = measured?;
    report.memory = stopped?;
    report.print()?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report.to_json())?)?;
    }
    if let Some(path) = &args.plot {
        plot::draw(&report, path)?;
    }
    Ok(())
}

async fn measure(args: &Arguments, site: &Site) -> anyhow::Result<Report> {
    let mut report = Report::new(args, &site.psql.server_settings().await?);
    let is_selected = |scenario: &&Scenario| args.only.is_empty() || args.only.contains(scenario);
    for scenario in Scenario::value_variants().iter().filter(is_selected) {
        match scenario {
            Scenario::Rows => scenarios::rows::measure(args, site, &mut report).await?,
            Scenario::Repeats => scenarios::rows::measure_repeats(args, site, &mut report).await?,
            Scenario::Collaborator => scenarios::collaborator::measure(args, site, &mut report).await?,
            Scenario::Embedded => scenarios::embedded::measure(args, site, &mut report).await?,
            Scenario::Polling => scenarios::latency::measure_polling(args, site, &mut report).await?,
            Scenario::Dwell => scenarios::latency::measure_dwell(args, site, &mut report).await?,
            Scenario::Workers => scenarios::scale::measure_workers(args, site, &mut report).await?,
            Scenario::Sizes => scenarios::scale::measure_sizes(args, site, &mut report).await?,
        }
    }
    Ok(report)
}

/// Prints what is being measured, on standard error.
fn print_progress(line: &str) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
