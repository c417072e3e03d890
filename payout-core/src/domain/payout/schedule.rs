//! The bounds of a payout's schedule.

use std::time::Duration;

use crate::Timestamp;

/// A time that no payout may be scheduled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSchedule {
    /// The time is too far ahead.
    #[error("Ensure this time is at most {} days ahead.", InvalidSchedule::MAX_DAYS_AHEAD)]
    TooFarAhead,
    /// The time is before 1970.
    #[error("Ensure this time is in 1970 or later.")]
    TooEarly,
}

impl InvalidSchedule {
    /// The number of days ahead for which a payout may be scheduled.
    pub const MAX_DAYS_AHEAD: u32 = 366;

    /// Checks a schedule at `now`. A time in the past is valid: the payout is due at once.
    ///
    /// # Errors
    /// [`InvalidSchedule`].
    pub fn check(at: Timestamp, now: Timestamp) -> Result<(), Self> {
        let longest = Duration::from_secs(u64::from(Self::MAX_DAYS_AHEAD) * 24 * 60 * 60);
        if at < Timestamp::UNIX_EPOCH {
            return Err(Self::TooEarly);
        }
        if (at - now).to_std().is_ok_and(|ahead| ahead > longest) {
            return Err(Self::TooFarAhead);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_payout_is_scheduled_for_at_most_366_days_ahead() {
        let now = Timestamp::from_timestamp(1_764_000_000, 0).unwrap();
        let check = |ahead: TimeDelta| InvalidSchedule::check(now + ahead, now);
        assert_eq!(check(TimeDelta::days(366)), Ok(()));
        assert_eq!(
            check(TimeDelta::days(366) + TimeDelta::microseconds(1)),
            Err(InvalidSchedule::TooFarAhead)
        );
        assert_eq!(check(-TimeDelta::days(366)), Ok(()), "due at once");
        let early = Timestamp::UNIX_EPOCH - TimeDelta::microseconds(1);
        assert_eq!(InvalidSchedule::check(early, now), Err(InvalidSchedule::TooEarly));
    }
}
