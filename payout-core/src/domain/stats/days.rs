//! A period of whole days.

use chrono::{NaiveDate, TimeDelta};

use crate::Timestamp;

/// The reason why two days are no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DaysError {
    /// The last day is before the first.
    #[error("Ensure that this day is not before the first.")]
    Reversed,
    /// The period has more days than [`Days::MOST`].
    #[error("Ensure that there are no more than 366 days.")]
    TooMany,
}

/// A period of whole days in UTC, with its first and its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days {
    first: NaiveDate,
    last: NaiveDate,
}

impl Days {
    /// The largest number of days.
    pub const MOST: i64 = 366;

    /// Builds a period from its first and its last day.
    ///
    /// # Errors
    /// [`DaysError`].
    pub fn new(first: NaiveDate, last: NaiveDate) -> Result<Self, DaysError> {
        match (last - first).num_days() + 1 {
            ..=0 => Err(DaysError::Reversed),
            1..=Self::MOST => Ok(Self { first, last }),
            _ => Err(DaysError::TooMany),
        }
    }

    /// Returns the period of this many days that ends with this one.
    pub fn until(last: NaiveDate, days: u16) -> Self {
        let before = TimeDelta::days(i64::from(days).clamp(1, Self::MOST) - 1);
        let first = last.checked_sub_signed(before).unwrap_or(last);
        Self { first, last }
    }

    /// Returns the first day.
    pub fn first(self) -> NaiveDate {
        self.first
    }

    /// Returns the last day.
    pub fn last(self) -> NaiveDate {
        self.last
    }

    /// Returns whether a time is in the period.
    pub fn contain(self, at: Timestamp) -> bool {
        (self.first..=self.last).contains(&at.date_naive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_has_its_first_and_its_last_day() {
        let days = Days::new(day("2026-11-01"), day("2026-11-02")).unwrap();
        for (at, within) in [
            ("2026-10-31T23:59:59.999999Z", false),
            ("2026-11-01T00:00:00Z", true),
            ("2026-11-02T23:59:59.999999Z", true),
            ("2026-11-03T00:00:00Z", false),
        ] {
            assert_eq!(days.contain(at.parse().unwrap()), within, "{at}");
        }
        assert_eq!(Days::until(day("2026-11-02"), 2), days);
    }

    #[test]
    fn a_period_has_a_day_and_at_most_a_year() {
        let first = day("2026-01-01");
        assert_eq!(Days::new(first, day("2025-12-31")), Err(DaysError::Reversed));
        assert!(Days::new(first, first).is_ok());
        assert!(Days::new(first, day("2027-01-01")).is_ok());
        assert_eq!(Days::new(first, day("2027-01-02")), Err(DaysError::TooMany));
    }
}
