//! Draws the results.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use crate::report::Report;

const SIZE_PIXELS: (u32, u32) = (960, 900);
const BARS_HEIGHT_PIXELS: u32 = 480;
const YARDSTICK_COLOR: RGBColor = RGBColor(150, 150, 150);
const MUSTER_COLOR: RGBColor = RGBColor(200, 80, 20);
const LINE_COLORS: [RGBColor; 5] = [
    RGBColor(200, 80, 20),
    RGBColor(30, 110, 180),
    RGBColor(40, 140, 60),
    RGBColor(120, 60, 160),
    RGBColor(160, 130, 0),
];

/// Draws the durations, and memory over time.
pub(crate) fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, SIZE_PIXELS).into_drawing_area();
    let drawn = (|| {
        root.fill(&WHITE)?;
        let (top, bottom) = root.split_vertically(BARS_HEIGHT_PIXELS);
        draw_seconds(report, &top)?;
        draw_memory(report, &bottom)?;
        root.present()
    })();
    drawn.map_err(|error| anyhow!("cannot draw the charts: {error}"))
}

type DrawResult<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws two bars for each comparison that has a yardstick.
fn draw_seconds<'a>(report: &Report, area: &Area<'a>) -> DrawResult<'a> {
    let pairs = report.comparisons.iter().filter_map(|comparison| match comparison.medians() {
        (Some(yardstick), Some(muster)) => Some((comparison.name.as_str(), yardstick, muster)),
        _ => None,
    });
    let pairs: Vec<_> = pairs.collect();
    let max = pairs.iter().map(|(_, yardstick, muster)| yardstick.max(*muster)).fold(1.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "there are only a few comparisons")]
    let count = pairs.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Seconds: yardstick (gray) and Muster (orange)", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(170)
        .build_cartesian_2d(0.0..max * 1.1, count..0.0)?;
    let label = |position: &f64| {
        let found = (0u32..).zip(&pairs).find(|(index, _)| (f64::from(*index) + 0.5 - position).abs() < 0.01);
        found.map(|(_, (name, ..))| (*name).to_owned()).unwrap_or_default()
    };
    chart.configure_mesh().disable_y_mesh().y_labels(pairs.len() * 2 + 1).y_label_formatter(&label).draw()?;
    for (index, (_, yardstick, muster)) in (0u32..).zip(&pairs) {
        let top = f64::from(index);
        let bars = [(top + 0.15, *yardstick, YARDSTICK_COLOR), (top + 0.5, *muster, MUSTER_COLOR)];
        chart.draw_series(
            bars.map(|(from, to, color)| Rectangle::new([(0.0, from), (to, from + 0.33)], color.filled())),
        )?;
    }
    Ok(())
}

fn draw_memory<'a>(report: &Report, area: &Area<'a>) -> DrawResult<'a> {
    let points = || report.memory.iter().flat_map(|series| &series.points);
    let last = points().map(|(second, _)| *second).fold(1.0, f64::max);
    let max = points().map(|(_, mebibytes)| *mebibytes).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Memory in use of each process, MiB over seconds of the whole run", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..last, 0.0..max * 1.1)?;
    chart.configure_mesh().draw()?;
    for (series, color) in report.memory.iter().zip(LINE_COLORS.iter().cycle()) {
        let line = LineSeries::new(series.points.iter().copied(), color);
        chart.draw_series(line)?.label(&series.name).legend(|(x, y)| PathElement::new([(x, y), (x + 14, y)], *color));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()
}
