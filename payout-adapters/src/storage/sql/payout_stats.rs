//! The statistics of payouts, from the counted rows of both dialects.

use payout_core::money::Currency;
use payout_core::ports::{RepositoryError, StatusCount};

use super::error::refused;

/// A status, a currency, the number of payouts, and the number of those under review.
pub(crate) type StatusCountRow = (String, String, i64, i64);

/// Returns each count, multiplied by the number of rows that a row of the sample represents.
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

/// Returns the number of payouts in these rows.
pub(crate) fn total<'r>(rows: impl IntoIterator<Item = &'r StatusCountRow>) -> i64 {
    rows.into_iter().map(|(_, _, count, _)| count).sum()
}

/// Returns the number of payouts under review.
pub(crate) fn in_review(rows: &[StatusCountRow]) -> u64 {
    rows.iter()
        .map(|(_, _, _, in_review)| in_review.unsigned_abs())
        .sum()
}
