//! The period of a look-up by reference. Adyen lists the transfers that were created in a period of six months at most.

use std::time::Duration;

use chrono::SecondsFormat;
use payout_core::Timestamp;
use payout_core::provider::LookUpAnswer;

/// The room for a clock that differs from Adyen's.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest period: less than six months, whichever months they are.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);
/// The time after which a transfer is certainly listed. Adyen does not document how soon it is.
const LISTED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The period in which a transfer was created, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    since: Timestamp,
    until: Timestamp,
    /// Absent if an empty list proves nothing.
    absent_since: Option<Timestamp>,
    now: Timestamp,
}

impl Window {
    /// Builds the period from the first submission. A key is sent again only within a month of it, so that a transfer is
    /// never created after the period. Without a first submission, the period is the latest one.
    pub(super) fn new(first_sent_at: Option<Timestamp>, now: Timestamp) -> Self {
        let since = match first_sent_at {
            Some(first) => first - MARGIN,
            None => now + MARGIN - LONGEST,
        };
        Self {
            since,
            until: (now + MARGIN).min(since + LONGEST).max(since),
            absent_since: first_sent_at.map(|first| first + LISTED_WITHIN),
            now,
        }
    }

    /// Returns the beginning of the period.
    pub(super) fn since(&self) -> String {
        self.since.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Returns the end of the period.
    pub(super) fn until(&self) -> String {
        self.until.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Returns the meaning of a list without the transfer.
    pub(super) fn without_transfer(&self) -> LookUpAnswer {
        let why = match self.absent_since {
            Some(then) if then <= self.now => return LookUpAnswer::Absent,
            Some(_) => "Adyen lists no transfer with this key, and may list a new one late",
            None => "Adyen lists no transfer with this key in the last six months",
        };
        LookUpAnswer::CannotTell { why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_period_begins_a_day_before_the_first_submission_and_ends_a_day_from_now() {
        let window = Window::new(Some(at("2026-11-02T09:00:00Z")), at("2026-11-02T10:00:00Z"));
        assert_eq!(window.since(), "2026-11-01T09:00:00Z");
        assert_eq!(window.until(), "2026-11-03T10:00:00Z");
    }

    #[test]
    fn no_period_is_longer_than_adyen_allows() {
        let now = at("2026-11-02T10:00:00Z");
        for first in [
            None,
            Some(at("2024-01-01T00:00:00Z")),
            Some(at("2027-01-01T00:00:00Z")),
        ] {
            let window = Window::new(first, now);
            let length = window.until - window.since;
            assert!((0..=180).contains(&length.num_days()), "{window:?}");
        }
        let old = Window::new(Some(at("2024-01-02T00:00:00Z")), now);
        assert_eq!(
            old.since(),
            "2024-01-01T00:00:00Z",
            "it begins with the first submission"
        );
    }

    #[test]
    fn an_empty_list_proves_nothing_soon_after_the_submission_or_without_one() {
        let now = at("2026-11-02T10:00:00Z");
        let without = |first: Option<&str>| Window::new(first.map(at), now).without_transfer();
        assert_eq!(without(Some("2026-11-02T09:45:00Z")), LookUpAnswer::Absent);
        for first in [None, Some("2026-11-02T09:45:01Z"), Some("2026-11-02T11:00:00Z")] {
            let answer = without(first);
            assert!(matches!(answer, LookUpAnswer::CannotTell { .. }), "{first:?}");
        }
    }
}
