//! The results: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::io::Write;

use muster_client::group_thousands;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Setting};
use crate::usage::cpu::{CpuSeconds, Part};
use crate::usage::memory::Series;

/// The durations of one case in seconds, in the order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    rows: u64,
    yardstick: Vec<f64>,
    muster: Vec<f64>,
    /// The CPU time during each run of Muster.
    cpu: Vec<CpuSeconds>,
}

/// A single number.
#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

/// All results.
pub(crate) struct Report {
    environment: BTreeMap<&'static str, Value>,
    pub(crate) comparisons: Vec<Comparison>,
    figures: Vec<Figure>,
    pub(crate) memory: Vec<Series>,
}

impl Comparison {
    /// The medians of the yardstick and of Muster, in seconds.
    pub(crate) fn medians(&self) -> (Option<f64>, Option<f64>) {
        (median(&self.yardstick), median(&self.muster))
    }

    /// The median CPU seconds of a part.
    fn cpu_median(&self, part: Part) -> Option<f64> {
        median(&self.cpu.iter().filter_map(|cpu| cpu.get(part)).collect::<Vec<_>>())
    }

    fn ratio(&self) -> Option<f64> {
        let (yardstick, muster) = self.medians();
        Some(muster? / yardstick?)
    }
}

impl Report {
    pub(crate) fn new(args: &Arguments, postgres: &str) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let settings: Vec<String> = args.set.iter().map(|Setting { name, value }| format!("{name}={value}")).collect();
        let environment = [
            ("muster", json!(env!("CARGO_PKG_VERSION"))),
            ("set", json!(if settings.is_empty() { "none".to_owned() } else { settings.join(" ") })),
            ("cores", json!(cores)),
            ("workers", json!(args.workers)),
            ("rounds", json!(args.rounds)),
            ("postgres", json!(postgres)),
        ];
        Self { environment: environment.into(), comparisons: Vec::new(), figures: Vec::new(), memory: Vec::new() }
    }

    pub(crate) fn add_yardstick(&mut self, name: &str, rows: u64, seconds: f64) {
        self.comparison(name, rows).yardstick.push(seconds);
    }

    pub(crate) fn add_muster(&mut self, name: &str, rows: u64, seconds: f64) {
        self.comparison(name, rows).muster.push(seconds);
    }

    /// Adds a run of Muster with its CPU time.
    pub(crate) fn add_muster_with_cpu(&mut self, name: &str, rows: u64, seconds: f64, cpu: CpuSeconds) {
        let comparison = self.comparison(name, rows);
        comparison.muster.push(seconds);
        comparison.cpu.push(cpu);
    }

    /// Copies the durations of Muster from one case to another, to compare them with a second yardstick.
    pub(crate) fn copy_muster(&mut self, from: &str, to: &str) {
        let found = self.comparisons.iter().find(|comparison| comparison.name == from);
        let (rows, seconds) = found.map(|found| (found.rows, found.muster.clone())).unwrap_or_default();
        self.comparison(to, rows).muster = seconds;
    }

    pub(crate) fn add_figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit });
    }

    /// Adds the median, the 95th and 99th percentile and the maximum of latencies in seconds.
    pub(crate) fn add_latencies(&mut self, name: &str, seconds: &mut [f64]) {
        seconds.sort_unstable_by(f64::total_cmp);
        for (label, percent) in [("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)] {
            let index = (seconds.len() * percent).div_ceil(100).saturating_sub(1);
            if let Some(value) = seconds.get(index) {
                self.add_figure(&format!("{name}, {label} of {}", seconds.len()), value * 1000.0, "ms");
            }
        }
    }

    /// Returns the comparison with this name, after creating it if it does not exist.
    fn comparison(&mut self, name: &str, rows: u64) -> &mut Comparison {
        let index = self.comparisons.iter().position(|comparison| comparison.name == name);
        let index = index.unwrap_or_else(|| {
            self.comparisons.push(Comparison { name: name.to_owned(), rows, ..Comparison::default() });
            self.comparisons.len() - 1
        });
        &mut self.comparisons[index]
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for (name, value) in &self.environment {
            writeln!(out, "{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))?;
        }
        let titles = ("", "yardstick s", "muster s", "min–max", "rows/s", "ratio");
        writeln!(
            out,
            "\n{:<30} {:>11} {:>9} {:>13} {:>9} {:>6}",
            titles.0, titles.1, titles.2, titles.3, titles.4, titles.5
        )?;
        for comparison in &self.comparisons {
            let (yardstick, muster) = comparison.medians();
            writeln!(
                out,
                "{:<30} {:>11} {:>9} {:>13} {:>9} {:>6}",
                comparison.name,
                two_decimals(yardstick),
                two_decimals(muster),
                range(&comparison.muster),
                rate(comparison.rows, muster),
                two_decimals(comparison.ratio())
            )?;
        }
        self.print_cpu(&mut out)?;
        writeln!(out)?;
        for Figure { name, value, unit } in &self.figures {
            writeln!(out, "{name:<52} {value:>9.2} {unit}")?;
        }
        for series in &self.memory {
            writeln!(out, "{:<52} {:>9.1} MiB", format!("peak memory of {}", series.name), series.peak_mib)?;
        }
        Ok(out.flush()?)
    }

    fn print_cpu(&self, out: &mut impl Write) -> std::io::Result<()> {
        let measured = || self.comparisons.iter().filter(|comparison| !comparison.cpu.is_empty());
        if measured().next().is_none() {
            return Ok(());
        }
        let cells = |cell: &dyn Fn(Part) -> String| Part::ALL.map(|part| format!(" {:>8}", cell(part))).concat();
        writeln!(out, "\n{:<30}{}", "CPU seconds", cells(&|part| part.title().to_owned()))?;
        for comparison in measured() {
            writeln!(out, "{:<30}{}", comparison.name, cells(&|part| two_decimals(comparison.cpu_median(part))))?;
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        let comparisons = self.comparisons.iter().map(|comparison| {
            let (yardstick, muster) = comparison.medians();
            let cpu = Part::ALL
                .into_iter()
                .filter_map(|part| Some((part.title().to_owned(), json!(comparison.cpu_median(part)?))));
            json!({
                "name": comparison.name,
                "rows": comparison.rows,
                "yardstick_seconds": comparison.yardstick,
                "muster_seconds": comparison.muster,
                "yardstick_median": yardstick,
                "muster_median": muster,
                "ratio": comparison.ratio(),
                "cpu_median": cpu.collect::<serde_json::Map<_, _>>(),
            })
        });
        let figures = self
            .figures
            .iter()
            .map(|figure| json!({ "name": figure.name, "value": figure.value, "unit": figure.unit }));
        let memory = self.memory.iter().map(
            |series| json!({ "name": series.name, "peak_mib": series.peak_mib, "mib_over_seconds": series.points }),
        );
        json!({
            "environment": self.environment,
            "comparisons": comparisons.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
            "memory": memory.collect::<Vec<_>>(),
        })
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], upper) } else { upper })
}

fn two_decimals(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.2}")).unwrap_or_default()
}

fn range(values: &[f64]) -> String {
    let min = values.iter().copied().reduce(f64::min);
    let max = values.iter().copied().reduce(f64::max);
    min.zip(max).map(|(min, max)| format!("{min:.2}–{max:.2}")).unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people to read"
)]
fn rate(rows: u64, seconds: Option<f64>) -> String {
    seconds.map(|seconds| group_thousands((rows as f64 / seconds) as u64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
