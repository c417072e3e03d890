//! A chart of bars, drawn as SVG by the server: what was paid of each day, and the rest above it.

use chrono::{Days as Step, NaiveDate};
use payout_core::stats::Days;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;

/// The payouts of a day.
pub(super) struct Bar {
    pub(super) day: NaiveDate,
    pub(super) payouts: u64,
    pub(super) paid: u64,
}

/// A rectangle with its words.
pub(super) struct Rect {
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) words: String,
}

/// A chart.
pub(super) struct Chart {
    pub(super) rects: Vec<Rect>,
    /// Lines across, with their numbers.
    pub(super) lines: Vec<(String, String)>,
    /// Names of days, with their places.
    pub(super) names: Vec<(String, String)>,
    /// A description, for people who cannot see the chart.
    pub(super) about: String,
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

/// Returns the smallest round number that is not smaller.
fn round_up(most: u64) -> u64 {
    let mut scale = 1;
    loop {
        for step in [1, 2, 5] {
            if scale * step >= most {
                return scale * step;
            }
        }
        scale *= 10;
    }
}

impl Chart {
    pub(super) fn of(days: Days, bars: Vec<Bar>) -> Self {
        let count = (days.last() - days.first()).num_days() + 1;
        let most = round_up(bars.iter().map(|bar| bar.payouts).max().unwrap_or(0).max(2));
        let (span, room) = (WIDTH - LEFT, HEIGHT - BOTTOM - TOP);
        let step = span / count as f64;
        let width = (step * 0.8).max(1.0);
        let of = |payouts: u64| payouts as f64 / most as f64 * room;
        let mut rects = Vec::new();
        for bar in &bars {
            let place = (bar.day - days.first()).num_days() as f64;
            let x = LEFT + place * step + (step - width) / 2.0;
            let (paid, rest) = (of(bar.paid), of(bar.payouts.saturating_sub(bar.paid)));
            let words = format!(
                "{}: {} payouts, {} of them paid",
                bar.day.format("%-d %b"),
                bar.payouts,
                bar.paid
            );
            for (class, y, height) in [
                ("paid", HEIGHT - BOTTOM - paid, paid),
                ("other", HEIGHT - BOTTOM - paid - rest, rest),
            ] {
                if height > 0.0 {
                    rects.push(Rect {
                        class,
                        x: number(x),
                        y: number(y),
                        width: number(width),
                        height: number(height),
                        words: words.clone(),
                    });
                }
            }
        }
        let lines = [0, most / 2, most].map(|payouts| {
            let y = HEIGHT - BOTTOM - of(payouts);
            (number(y), super::count(payouts))
        });
        let every = (count / 6).max(1);
        let names = (0..count)
            .step_by(usize::try_from(every).unwrap_or(1))
            .filter_map(|place| {
                let day = days.first().checked_add_days(Step::new(place.unsigned_abs()))?;
                Some((
                    number(LEFT + place as f64 * step + step / 2.0),
                    day.format("%-d %b").to_string(),
                ))
            });
        let (all, paid) = (
            bars.iter().map(|bar| bar.payouts).sum(),
            bars.iter().map(|bar| bar.paid).sum(),
        );
        Self {
            rects,
            lines: lines.into(),
            names: names.collect(),
            about: format!(
                "Payouts by day: {} in {count} days, {} of them paid. The table beneath has every number.",
                super::count(all),
                super::count(paid)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (most, expected) in [
            (1, 1),
            (2, 2),
            (3, 5),
            (6, 10),
            (11, 20),
            (499, 500),
            (501, 1_000),
        ] {
            assert_eq!(round_up(most), expected);
        }
    }

    #[test]
    fn a_day_has_a_bar_for_what_was_paid_and_one_for_the_rest() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 29).unwrap();
        let bar = |payouts, paid| Bar { day, payouts, paid };
        let chart = Chart::of(Days::until(day, 7), vec![bar(10, 4)]);
        let classes: Vec<_> = chart.rects.iter().map(|rect| rect.class).collect();
        assert_eq!(classes, ["paid", "other"]);
        assert_eq!(chart.rects[0].words, "29 Nov: 10 payouts, 4 of them paid");
        assert_eq!(Chart::of(Days::until(day, 7), vec![bar(3, 3)]).rects.len(), 1);
        assert_eq!(Chart::of(Days::until(day, 366), Vec::new()).rects.len(), 0);
    }
}
