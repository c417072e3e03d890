//! What both dialects tell an operator of how many payouts there are.

use payout_core::money::Currency;
use payout_core::ports::{RepositoryError, StatusCount};

use super::error::refused;

/// Status, currency, how many, and how many of these wait for a person.
pub(crate) type StatusCountRow = (String, String, i64, i64);

/// Each tally, times what each row of the sample stands for.
pub(crate) fn counts(
    rows: &[StatusCountRow],
    each_stands_for: f64,
) -> Result<Vec<StatusCount>, RepositoryError> {
    rows.iter()
        .map(|(status, currency, count, _)| {
            Ok(StatusCount {
                status: status.parse().map_err(refused)?,
                currency: Currency::recorded(currency).map_err(refused)?,
                count: scaled(*count, each_stands_for),
            })
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an estimate of what can be counted"
)]
fn scaled(count: i64, factor: f64) -> u64 {
    (count as f64 * factor).round() as u64
}

/// How many rows these are.
pub(crate) fn total<'r>(rows: impl IntoIterator<Item = &'r StatusCountRow>) -> i64 {
    rows.into_iter().map(|(_, _, count, _)| count).sum()
}

/// How many of them wait for a person.
pub(crate) fn in_review(rows: &[StatusCountRow]) -> u64 {
    rows.iter()
        .map(|(_, _, _, in_review)| in_review.unsigned_abs())
        .sum()
}
