//! The time from when a payout could be paid to its completion, in classes.
//!
//! Times are counted in classes of growing width, so that those of millions of payouts take a few numbers. A class is a
//! fifth longer than the one before it, so that a time that is read from the classes is at most a tenth off.

use std::collections::BTreeMap;

use crate::Timestamp;

/// The ratio of a class's longest time to its shortest.
const GROWTH: f64 = 1.2;

/// Returns the class of the time to pay of a payout that was created, perhaps scheduled for later, and completed.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the logarithm of any time is a small number"
)]
pub fn time_class(created_at: Timestamp, scheduled_at: Option<Timestamp>, completed_at: Timestamp) -> i16 {
    let begun = scheduled_at.map_or(created_at, |at| at.max(created_at));
    let micros = (completed_at - begun).num_microseconds().unwrap_or(i64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a class is wider than the loss")]
    let millis = micros as f64 / 1000.0;
    (millis.max(1.0).ln() / GROWTH.ln()).floor() as i16
}

/// The times to pay of completed payouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeToPay {
    payouts: BTreeMap<i16, u64>,
}

impl TimeToPay {
    /// Adds payouts of a class.
    pub fn add(&mut self, class: i16, payouts: u64) {
        *self.payouts.entry(class).or_default() += payouts;
    }

    /// Returns the number of payouts.
    pub fn count(&self) -> u64 {
        self.payouts.values().sum()
    }

    /// Returns the time in seconds within which this share of the payouts was paid, at most a tenth off; absent if
    /// nothing was paid.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of a count needs no more precision"
    )]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).max(1.0);
        let mut counted = 0.0;
        for (class, payouts) in &self.payouts {
            counted += *payouts as f64;
            if counted >= wanted {
                // The middle of the class is nowhere further off than its ends.
                return Some(GROWTH.powf(f64::from(*class) + 0.5) / 1000.0);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn class_of(millis: i64) -> i16 {
        let created_at = Timestamp::UNIX_EPOCH;
        time_class(created_at, None, created_at + TimeDelta::milliseconds(millis))
    }

    #[test]
    fn quantiles_are_at_most_a_tenth_off() {
        let mut times = TimeToPay::default();
        for millis in 1..=10_000 {
            times.add(class_of(millis), 1);
        }
        assert_eq!(times.count(), 10_000);
        for (share, seconds) in [(0.5, 5.0), (0.95, 9.5), (0.01, 0.1)] {
            let read = times.quantile(share).unwrap();
            assert!(
                (read / seconds - 1.0).abs() < 0.1,
                "{share}: {read} for {seconds}"
            );
        }
        assert_eq!(TimeToPay::default().quantile(0.5), None);
    }

    #[test]
    fn a_scheduled_payout_is_timed_from_its_schedule() {
        let created_at = Timestamp::UNIX_EPOCH;
        let scheduled_at = created_at + TimeDelta::days(3);
        let completed_at = scheduled_at + TimeDelta::milliseconds(1500);
        assert_eq!(
            time_class(created_at, Some(scheduled_at), completed_at),
            class_of(1500)
        );
        // One that was scheduled for the past was due at once.
        let past = created_at - TimeDelta::days(3);
        assert_eq!(
            time_class(created_at, Some(past), completed_at),
            time_class(created_at, None, completed_at)
        );
    }

    #[test]
    fn no_time_is_below_the_first_class() {
        assert_eq!((class_of(-5), class_of(0), class_of(1)), (0, 0, 0));
        assert!(class_of(2) > 0);
    }
}
