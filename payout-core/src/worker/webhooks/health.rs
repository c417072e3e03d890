//! The health of an endpoint, from the outcomes of its attempts.

use std::time::Duration;

use crate::Timestamp;
use crate::webhook::{DisabledWhy, FAILING_LIMIT, SendOutcome};

/// The number of failures in a row after which an endpoint is spared.
const SPARED_AFTER: u32 = 8;

/// The health of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Health {
    /// The time since which it has failed without a success.
    pub(super) failing_since: Option<Timestamp>,
    /// The time before which it wants no further request.
    pub(super) closed_until: Option<Timestamp>,
    failures: u32,
    is_gone: bool,
}

impl Health {
    pub(super) fn new(failing_since: Option<Timestamp>) -> Self {
        Self {
            failing_since,
            closed_until: None,
            failures: if failing_since.is_some() { SPARED_AFTER } else { 0 },
            is_gone: false,
        }
    }

    /// Records the outcome of an attempt that ended at `now`.
    pub(super) fn note(&mut self, outcome: &SendOutcome, now: Timestamp) {
        if outcome.is_success() {
            *self = Self::new(None);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.is_gone |= outcome.is_gone();
        if let Some(wait) = outcome.asked_wait() {
            let until = crate::attempt::later(now, wait);
            self.closed_until = self.closed_until.max(Some(until));
        }
    }

    /// Returns whether the endpoint fails so often that it gets few requests at a time.
    pub(super) fn is_spared(&self) -> bool {
        self.failures >= SPARED_AFTER
    }

    /// Returns the reason why the endpoint must be disabled, if it must.
    pub(super) fn disable(&self, now: Timestamp) -> Option<DisabledWhy> {
        if self.is_gone {
            return Some(DisabledWhy::Gone);
        }
        let failing = self.failing_since.map(|since| now.signed_duration_since(since));
        let failing = failing
            .and_then(|failing| failing.to_std().ok())
            .unwrap_or(Duration::ZERO);
        (failing >= FAILING_LIMIT).then_some(DisabledWhy::Failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::AnswerText;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn answered(status: u16, retry_after: Option<u64>) -> SendOutcome {
        SendOutcome::Answered {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            answer: AnswerText::default(),
        }
    }

    #[test]
    fn after_five_days_of_failures_an_endpoint_is_disabled() {
        let mut health = Health::new(None);
        let days = |days: i64| at(days * 24 * 60 * 60);
        health.note(&answered(500, None), days(0));
        assert_eq!(health.disable(days(4)), None);
        health.note(&answered(500, None), days(5));
        assert_eq!(health.disable(days(5)), Some(DisabledWhy::Failing));
        health.note(&answered(204, None), days(5));
        assert_eq!((health.failing_since, health.disable(days(5))), (None, None));
    }

    #[test]
    fn an_endpoint_that_is_gone_is_disabled_at_once() {
        let mut health = Health::new(None);
        health.note(&answered(410, None), at(1));
        assert_eq!(health.disable(at(1)), Some(DisabledWhy::Gone));
    }

    #[test]
    fn a_wait_that_was_asked_for_closes_the_endpoint_until_a_success() {
        let mut health = Health::new(None);
        health.note(&answered(429, Some(60)), at(100));
        health.note(&answered(503, Some(10)), at(101));
        assert_eq!(health.closed_until, Some(at(160)));
        health.note(&answered(200, None), at(102));
        assert_eq!(health.closed_until, None);
    }

    #[test]
    fn after_some_failures_in_a_row_an_endpoint_is_spared() {
        let mut health = Health::new(None);
        for _ in 0..SPARED_AFTER {
            assert!(!health.is_spared());
            health.note(&answered(500, None), at(1));
        }
        assert!(health.is_spared());
        health.note(&answered(200, None), at(2));
        assert!(!health.is_spared());
        assert!(Health::new(Some(at(1))).is_spared(), "known from before");
    }
}
