//! The measured rows, and their ratios.

use std::fmt::Write as _;

/// The direction in which a ratio has to be, and its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// A row: the same work on two sides, or one side against a figure.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) against: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    pub(crate) wanted: Wanted,
}

impl Row {
    /// Returns the ratio of the medians.
    pub(crate) fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.theirs)
    }

    pub(crate) fn reached(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.ratio() >= least,
            Wanted::AtMost(most) => self.ratio() <= most,
        }
    }

    fn wanted_text(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(least) => format!("≥ {least}"),
            Wanted::AtMost(most) => format!("≤ {most}"),
        }
    }

    /// Formats the row as one line for a terminal.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:<4}{:>7.2} ({})  {}: {} beside {}: {}",
            if self.reached() { "ok" } else { "--" },
            self.ratio(),
            self.wanted_text(),
            self.work,
            spread(&self.ours, self.unit),
            self.against,
            spread(&self.theirs, self.unit),
        )
    }
}

/// Returns the middle value, or for an even number of values, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.len()) {
        (_, 0) => f64::NAN,
        (1, _) => sorted[middle],
        (_, _) => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// Formats the median and the range of the rounds.
fn spread(values: &[f64], unit: &str) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.len() < 2 || least == most {
        return format!("{} {unit}", figure(median(values)));
    }
    format!(
        "{} {unit} ({}–{})",
        figure(median(values)),
        figure(least),
        figure(most)
    )
}

/// Formats a value with three significant digits, or as an integer with commas between thousands.
fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.*}", if value < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats the rows as a Markdown table.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text =
        String::from("| work | | compared with | | ratio | target | |\n|---|---:|---|---:|---:|---:|---|\n");
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | **{:.2}** | {} | {} |",
            row.work,
            spread(&row.ours, row.unit),
            row.against,
            spread(&row.theirs, row.unit),
            row.ratio(),
            row.wanted_text(),
            if row.reached() { "met" } else { "missed" },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn figures_show_what_counts() {
        assert_eq!(figure(0.876), "0.88");
        assert_eq!(figure(12.34), "12.3");
        assert_eq!(figure(999.6), "1,000");
        assert_eq!(figure(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_row_is_reached_on_the_right_side_of_its_figure() {
        let mut row = Row {
            work: "work".to_owned(),
            against: "other".to_owned(),
            unit: "/s",
            ours: vec![3.0, 1.0, 2.0],
            theirs: vec![1.0],
            wanted: Wanted::AtLeast(2.0),
        };
        assert!(row.reached());
        row.wanted = Wanted::AtMost(1.9);
        assert!(!row.reached());
    }
}
