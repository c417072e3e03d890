//! Charges of writes to daily limits.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::access::ApiKeyId;
use crate::money::{Currency, Money};

/// A calendar day in UTC, by the repository's clock.
pub type Day = chrono::NaiveDate;

/// The limit that a payout exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// The limit of one payout.
    #[error("One payout may be at most {0}.")]
    PerPayout(Money),
    /// The limit of one day and one API key.
    #[error(
        "The payouts that one API key makes in a day (UTC) may come to at most {0}; with this one they would be more."
    )]
    PerDay(Money),
}

/// The owner and the currency of a daily total. An API key and the keys that succeed it share one total for each
/// currency, and so do all callers without an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpendingBucket {
    /// The API key; absent for callers without one.
    pub api_key: Option<ApiKeyId>,
    /// The currency.
    pub currency: Currency,
}

/// An amount that counts towards a daily limit, and the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    api_key: Option<ApiKeyId>,
    amount: Money,
    limit: Money,
}

impl Charge {
    /// Builds a charge of `amount` to a daily total that may reach `limit`. Both are of one currency.
    pub(super) fn new(api_key: Option<ApiKeyId>, amount: Money, limit: Money) -> Self {
        Self {
            api_key,
            amount,
            limit,
        }
    }

    /// Returns the owner and the currency of the daily total that is charged.
    pub fn bucket(&self) -> SpendingBucket {
        SpendingBucket {
            api_key: self.api_key,
            currency: self.amount.currency(),
        }
    }
}

impl Charge {
    /// Returns the amount.
    pub fn amount(&self) -> Money {
        self.amount
    }

    /// Returns the limit of the daily total.
    pub fn limit(&self) -> Money {
        self.limit
    }

    /// Adds another charge of the same bucket: the sum of both amounts, and the lower of their limits.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = self.amount.amount().saturating_add(other.amount.amount());
        let lower = if other.limit.amount() < self.limit.amount() {
            other.limit
        } else {
            self.limit
        };
        Self {
            // A sum beyond every number exceeds every limit, as the limit itself twice does.
            amount: Money::restore(sum, self.amount.currency()).unwrap_or(self.amount),
            limit: lower,
            ..*self
        }
    }
}

/// The total charged on one day: the latest one with a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyTotal {
    /// The day.
    pub day: Day,
    /// The sum of the charges.
    pub total: Decimal,
}

impl DailyTotal {
    /// Builds an empty total for a day.
    pub fn none(day: Day) -> Self {
        Self {
            day,
            total: Decimal::ZERO,
        }
    }

    /// Returns the total as it counts today: the total of an earlier day counts as zero.
    ///
    /// A total of tomorrow still counts, so a clock that was set back over midnight does not start a new day. A total
    /// of a later day was written by a clock that was ahead, and counts as zero. Otherwise the limit would stay used up
    /// for as long as that clock was wrong.
    #[must_use]
    pub fn as_of(self, today: Day) -> Self {
        let tomorrow = today.succ_opt().unwrap_or(today);
        if self.day < today || self.day > tomorrow {
            Self::none(today)
        } else {
            self
        }
    }

    /// Adds a charge.
    ///
    /// # Errors
    /// [`OverLimit`] when the total would exceed the limit of the charge.
    pub fn plus(self, charge: &Charge) -> Result<Self, OverLimit> {
        match self.total.checked_add(charge.amount.amount()) {
            Some(total) if total <= charge.limit.amount() => Ok(Self { total, ..self }),
            Some(_) | None => Err(OverLimit::PerDay(charge.limit)),
        }
    }
}

/// Daily totals of some owners and currencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyTotals(HashMap<SpendingBucket, DailyTotal>);

impl DailyTotals {
    /// Adds a charge to the total of today.
    ///
    /// # Errors
    /// [`OverLimit`] when the charge does not fit; then no total changes.
    pub fn take(&mut self, charge: &Charge, today: Day) -> Result<(), OverLimit> {
        let bucket = charge.bucket();
        let total = self.of(bucket).unwrap_or(DailyTotal::none(today));
        self.0.insert(bucket, total.as_of(today).plus(charge)?);
        Ok(())
    }

    /// Returns the totals as they count today: those of earlier days are zero.
    #[must_use]
    pub fn as_of(self, today: Day) -> Self {
        let totals = self.0.into_iter();
        totals
            .map(|(bucket, total)| (bucket, total.as_of(today)))
            .collect()
    }

    /// Returns the total of one owner and currency, on whichever day it was last charged.
    pub fn of(&self, bucket: SpendingBucket) -> Option<DailyTotal> {
        self.0.get(&bucket).copied()
    }
}

impl FromIterator<(SpendingBucket, DailyTotal)> for DailyTotals {
    fn from_iter<I: IntoIterator<Item = (SpendingBucket, DailyTotal)>>(totals: I) -> Self {
        Self(totals.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(amount: &str) -> Money {
        Money::new(amount.parse().unwrap(), "USD".parse().unwrap()).unwrap()
    }

    fn charge(amount: &str, limit: &str) -> Charge {
        Charge::new(None, usd(amount), usd(limit))
    }

    fn day(day: u32) -> Day {
        Day::from_ymd_opt(2026, 11, day).unwrap()
    }

    #[test]
    fn a_day_is_used_up_to_its_last_cent() {
        let mut totals = DailyTotals::default();
        totals.take(&charge("60", "100"), day(1)).unwrap();
        totals.take(&charge("40.00", "100"), day(1)).unwrap();
        let refused = totals.take(&charge("0.01", "100"), day(1));
        assert_eq!(refused, Err(OverLimit::PerDay(usd("100"))));
        let total = totals.of(charge("1", "1").bucket()).unwrap();
        assert_eq!(total.total, Decimal::from(100), "what is refused is not taken");
    }

    #[test]
    fn another_day_begins_with_nothing_and_none_begins_twice() {
        let mut totals = DailyTotals::default();
        totals.take(&charge("100", "100"), day(1)).unwrap();
        totals.take(&charge("70", "100"), day(2)).unwrap();
        assert!(
            totals.take(&charge("70", "100"), day(1)).is_err(),
            "a clock that went back"
        );
        assert!(totals.take(&charge("70", "100"), day(2)).is_err());
    }

    #[test]
    fn a_day_after_tomorrow_was_written_by_a_clock_that_was_ahead_and_uses_nothing_up() {
        let mut totals = DailyTotals::default();
        totals.take(&charge("100", "100"), day(9)).unwrap();
        assert!(totals.take(&charge("1", "100"), day(8)).is_err());
        totals.take(&charge("70", "100"), day(7)).unwrap();
        assert!(totals.take(&charge("70", "100"), day(7)).is_err());
        totals.take(&charge("70", "100"), day(8)).unwrap();
    }

    #[test]
    fn a_limit_below_the_total_lets_nothing_more_through() {
        let mut totals = DailyTotals::default();
        totals.take(&charge("100", "100"), day(1)).unwrap();
        assert!(totals.take(&charge("0.01", "50"), day(1)).is_err());
        totals.take(&charge("1", "101"), day(1)).unwrap();
    }

    #[test]
    fn the_largest_amounts_overflow_nothing() {
        let largest = "9999999999999999.99";
        let mut totals = DailyTotals::default();
        totals.take(&charge(largest, largest), day(1)).unwrap();
        assert!(totals.take(&charge(largest, largest), day(1)).is_err());
        let most = DailyTotal {
            day: day(1),
            total: Decimal::MAX,
        };
        assert!(most.plus(&charge("1", largest)).is_err());
    }
}
