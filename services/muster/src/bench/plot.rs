//! Draws what was measured.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use super::report::Report;

const SIZE: (u32, u32) = (960, 900);
const BARS_HEIGHT: u32 = 480;
const YARDSTICK: RGBColor = RGBColor(150, 150, 150);
const MUSTER: RGBColor = RGBColor(200, 80, 20);
const LINES: [RGBColor; 5] = [
    RGBColor(200, 80, 20),
    RGBColor(30, 110, 180),
    RGBColor(40, 140, 60),
    RGBColor(120, 60, 160),
    RGBColor(160, 130, 0),
];

/// Draws the seconds of each comparison, and memory over time.
pub(super) fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let drawn = (|| {
        root.fill(&WHITE)?;
        let (above, below) = root.split_vertically(BARS_HEIGHT);
        draw_seconds(report, &above)?;
        draw_memory(report, &below)?;
        root.present()
    })();
    drawn.map_err(|error| anyhow!("the picture cannot be drawn: {error}"))
}

type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Two bars for each scenario that has a yardstick.
fn draw_seconds<'a>(report: &Report, area: &Area<'a>) -> Drawn<'a> {
    let both = report.comparisons.iter().filter_map(|comparison| match comparison.medians() {
        (Some(yardstick), Some(muster)) => Some((comparison.name.as_str(), yardstick, muster)),
        _ => None,
    });
    let both: Vec<_> = both.collect();
    let most = both.iter().map(|(_, yardstick, muster)| yardstick.max(*muster)).fold(1.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let count = both.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Seconds: yardstick (grey) and Muster (orange)", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(170)
        .build_cartesian_2d(0.0..most * 1.1, count..0.0)?;
    let label = |place: &f64| {
        let found = (0u32..).zip(&both).find(|(index, _)| (f64::from(*index) + 0.5 - place).abs() < 0.01);
        found.map(|(_, (name, ..))| (*name).to_owned()).unwrap_or_default()
    };
    chart.configure_mesh().disable_y_mesh().y_labels(both.len() * 2 + 1).y_label_formatter(&label).draw()?;
    for (index, (_, yardstick, muster)) in (0u32..).zip(&both) {
        let top = f64::from(index);
        let bars = [(top + 0.15, *yardstick, YARDSTICK), (top + 0.5, *muster, MUSTER)];
        chart.draw_series(
            bars.map(|(from, to, colour)| Rectangle::new([(0.0, from), (to, from + 0.33)], colour.filled())),
        )?;
    }
    Ok(())
}

fn draw_memory<'a>(report: &Report, area: &Area<'a>) -> Drawn<'a> {
    let points = || report.series.iter().flat_map(|series| &series.points);
    let last = points().map(|(second, _)| *second).fold(1.0, f64::max);
    let most = points().map(|(_, mebibytes)| *mebibytes).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Memory in use of each process, MiB over seconds of the whole run", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.1)?;
    chart.configure_mesh().draw()?;
    for (series, colour) in report.series.iter().zip(LINES.iter().cycle()) {
        let line = LineSeries::new(series.points.iter().copied(), colour);
        chart.draw_series(line)?.label(&series.name).legend(|(x, y)| PathElement::new([(x, y), (x + 14, y)], *colour));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()
}
