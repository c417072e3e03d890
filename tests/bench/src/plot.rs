//! Plots of the results.

use std::path::Path;

use plotters::prelude::*;

use crate::Outcome;
use crate::creates::Curve;
use crate::sizes::Latencies;

const SIZE: (u32, u32) = (900, 500);
const FONT: (&str, u32) = ("sans-serif", 15);
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xc0, 0x4f, 0x15),
    RGBColor(0x2e, 0x7d, 0x32),
    RGBColor(0x6a, 0x1b, 0x9a),
    RGBColor(0x5d, 0x40, 0x37),
];

/// A line of a plot: its name, its points, and whether it is the dashed one of a pair.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    is_dashed: bool,
}

/// Plots creates per second by connections.
pub(crate) fn throughput(file: &Path, [ours, theirs]: &[Curve; 2]) -> Outcome<()> {
    let series = [("POST /api/payouts/", ours), ("pgbench, the same rows", theirs)]
        .into_iter()
        .zip(COLOURS)
        .map(|((name, points), colour)| Series {
            name: name.to_owned(),
            points: points.clone(),
            colour,
            is_dashed: false,
        })
        .collect::<Vec<_>>();
    draw(
        file,
        "Creates a second against connections",
        "connections",
        "creates a second",
        &series,
    )
}

/// Plots latency by rows.
pub(crate) fn latency(file: &Path, latencies: &[Latencies]) -> Outcome<()> {
    let mut series = Vec::new();
    for (latencies, colour) in latencies.iter().zip(COLOURS) {
        let read = latencies.read.replace('`', "");
        let of = |quantile: fn(&(f64, f64, f64)) -> f64| {
            latencies
                .points
                .iter()
                .map(|point| (point.0, quantile(point)))
                .collect()
        };
        series.push(Series {
            name: format!("{read}, p50"),
            points: of(|point| point.1),
            colour,
            is_dashed: false,
        });
        series.push(Series {
            name: format!("{read}, p99"),
            points: of(|point| point.2),
            colour,
            is_dashed: true,
        });
    }
    draw(
        file,
        "Latency against rows (p50 whole, p99 dashed)",
        "payouts in the table",
        "milliseconds",
        &series,
    )
}

fn draw(file: &Path, title: &str, across: &str, up: &str, series: &[Series]) -> Outcome<()> {
    let points = || series.iter().flat_map(|series| &series.points);
    let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.0).fold(1.0, f64::max);
    let highest = points().map(|point| point.1).fold(0.0, f64::max) * 1.1;

    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT.0, 20))
        .margin(15)
        .margin_right(50)
        .x_label_area_size(45)
        .y_label_area_size(75)
        .build_cartesian_2d((least..most).log_scale(), 0.0..highest)?;
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(up)
        .label_style(FONT)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|value| {
            if highest < 20.0 {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            }
        })
        .light_line_style(WHITE)
        .draw()?;
    for Series {
        name,
        points,
        colour,
        is_dashed,
    } in series
    {
        let style = colour.stroke_width(2);
        let drawn = if *is_dashed {
            chart.draw_series(DashedLineSeries::new(points.iter().copied(), 6, 4, style))?
        } else {
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?
        };
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(FONT)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
