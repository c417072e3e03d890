//! Deliveries: an event for an endpoint, and the attempts to post it.

use std::time::Duration;

use super::answer::AnswerText;
use super::id::WebhookId;
use super::retry::{LONGEST_RETRY_AFTER, wait_after};
use crate::Timestamp;
use crate::domain::randomness::Randomness;
use crate::payout::PayoutId;

/// The status of a delivery.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownDeliveryStatus, parse_err_fn = UnknownDeliveryStatus::of)]
pub enum DeliveryStatus {
    /// It waits for its first or its next attempt.
    Pending,
    /// The endpoint accepted it.
    Delivered,
    /// It was given up after the last attempt.
    Failed,
}

/// The text is not the status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown status of a delivery")]
pub struct UnknownDeliveryStatus;

impl UnknownDeliveryStatus {
    fn of(_: &str) -> Self {
        Self
    }
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A delivery before it is stored. The body is made once, so that every attempt sends the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The id of the event, in the header `webhook-id`.
    pub message_id: String,
    /// The name of the event's type.
    pub event_type: String,
    /// The payout; absent for a test.
    pub payout_id: Option<PayoutId>,
    /// The body.
    pub body: String,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint.
    pub webhook_id: WebhookId,
    /// The number among the endpoint's deliveries. A payout's deliveries are sent in the order of their numbers.
    pub number: u64,
    /// The content.
    pub content: NewDelivery,
    /// The status.
    pub status: DeliveryStatus,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The time at which the delivery was stored.
    pub created_at: Timestamp,
    /// The time of the next attempt, if there is one. A delivery of a payout also waits for the payout's earlier ones.
    pub due_at: Option<Timestamp>,
    /// The time at which it was delivered or given up.
    pub finished_at: Option<Timestamp>,
}

/// The outcome of one request to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The endpoint answered.
    Answered {
        /// The status.
        status: u16,
        /// The wait that the endpoint asks for.
        retry_after: Option<Duration>,
        /// The beginning of the answer.
        answer: AnswerText,
    },
    /// There was no answer; the text gives the reason.
    Failed {
        /// The reason.
        why: String,
    },
}

impl SendOutcome {
    /// Returns whether the endpoint accepted the delivery.
    pub fn is_success(&self) -> bool {
        matches!(
            self,
            Self::Answered {
                status: 200..=299,
                ..
            }
        )
    }

    /// Returns whether the endpoint says that it is gone for good.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Answered { status: 410, .. })
    }

    /// Returns the wait that the endpoint asks for, which holds for all its deliveries.
    pub fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Answered {
                status: 429 | 503,
                retry_after: Some(wait),
                ..
            } => Some((*wait).min(LONGEST_RETRY_AFTER)),
            Self::Answered { .. } | Self::Failed { .. } => None,
        }
    }

    /// Decides how the delivery goes on after `attempts` attempts, this one included.
    pub fn next(&self, attempts: u32, randomness: &dyn Randomness) -> Next {
        if self.is_success() {
            return Next::Delivered;
        }
        match wait_after(attempts, randomness) {
            Some(wait) => Next::Again {
                after: wait.max(self.asked_wait().unwrap_or_default()),
            },
            None => Next::GivenUp,
        }
    }

    /// Builds the record of the attempt.
    pub fn record(self, attempt: u32, at: Timestamp, took: Duration) -> AttemptRecord {
        let (status, error, answer) = match self {
            Self::Answered { status, answer, .. } => {
                let error = match status {
                    200..=299 => None,
                    300..=399 => Some("a redirect, which is not followed".to_owned()),
                    410 => Some("gone".to_owned()),
                    _ => Some("not accepted".to_owned()),
                };
                (Some(status), error, answer)
            }
            Self::Failed { why } => (None, Some(why), AnswerText::default()),
        };
        AttemptRecord {
            attempt,
            at,
            took,
            status,
            error,
            answer,
        }
    }
}

/// The next step of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// None: the endpoint accepted it.
    Delivered,
    /// A further attempt after this wait.
    Again {
        /// The wait.
        after: Duration,
    },
    /// None: this was the last attempt.
    GivenUp,
}

/// The record of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The time at which it began, by the store's clock.
    pub at: Timestamp,
    /// The duration.
    pub took: Duration,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// The reason why the attempt failed, if it did.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: AnswerText,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Half;

    impl Randomness for Half {
        fn next_u64(&self) -> u64 {
            u64::MAX / 2
        }
    }

    fn answered(status: u16, retry_after: Option<u64>) -> SendOutcome {
        SendOutcome::Answered {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            answer: AnswerText::default(),
        }
    }

    fn wait(outcome: &SendOutcome, attempts: u32) -> u64 {
        match outcome.next(attempts, &Half) {
            Next::Again { after } => after.as_millis().div_ceil(1000).try_into().unwrap(),
            Next::Delivered | Next::GivenUp => panic!("no wait"),
        }
    }

    #[test]
    fn only_2xx_is_a_success() {
        for status in [200, 201, 204, 299] {
            assert_eq!(answered(status, None).next(1, &Half), Next::Delivered);
        }
        for status in [100, 199, 300, 301, 307, 400, 404, 410, 429, 500, 503] {
            assert_eq!(wait(&answered(status, None), 1), 5, "{status}");
        }
        let silent = SendOutcome::Failed { why: String::new() };
        assert_eq!(wait(&silent, 2), 300);
        assert_eq!(silent.next(10, &Half), Next::GivenUp);
    }

    #[test]
    fn a_wait_that_the_endpoint_asks_for_is_honoured_if_it_is_longer() {
        assert_eq!(wait(&answered(429, Some(90)), 1), 90);
        assert_eq!(wait(&answered(503, Some(90)), 1), 90);
        assert_eq!(wait(&answered(503, Some(90)), 2), 300);
        assert_eq!(wait(&answered(500, Some(90)), 1), 5);
        let day = 24 * 60 * 60;
        assert_eq!(wait(&answered(429, Some(30 * day)), 1), day);
    }
}
