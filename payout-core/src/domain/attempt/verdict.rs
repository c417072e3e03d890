//! The verdict on a claim, and the columns that it writes.

use std::time::Duration;

use crate::attempt::ahead::LONGEST_WAIT;
use crate::payout::{EventKind, Failure, ProviderReference, Redaction, Status};
use crate::provider::ProcessorKey;

/// How a claim ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The provider paid.
    Completed {
        /// Its name for the payment.
        reference: ProviderReference,
    },
    /// The provider declined for good.
    Failed(Failure),
    /// The provider will settle later: look the key up then.
    Accepted {
        /// Its name for the payment.
        reference: ProviderReference,
        /// When to look.
        after: Duration,
    },
    /// Nothing definite was learnt: stays processing.
    Postponed {
        /// What was learnt.
        why: String,
        /// When to look again.
        after: Duration,
        /// Whether an attempt is used up: not where the provider only said *not now*.
        uses_attempt: bool,
    },
    /// Provably nothing of this generation was ever sent: pending again, and no attempt is used up.
    Released {
        /// What was learnt.
        why: String,
        /// When to try again.
        after: Duration,
    },
    /// A person must look.
    Review {
        /// Why.
        why: String,
    },
}

/// A [`Verdict`] as the columns that a repository writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRow<'a> {
    /// The status after it.
    pub status: Status,
    /// Whether a person must look.
    pub needs_review: bool,
    /// Why it failed.
    pub failure: Option<&'a Failure>,
    /// The provider's name for the payment; absent keeps the one that is stored.
    pub reference: Option<&'a ProviderReference>,
    /// When somebody must look again, from now; absent when nobody must.
    pub due_in: Option<Duration>,
    /// Whether the time of the first submission is to be forgotten, since nothing was sent.
    pub never_sent: bool,
    /// What the audit trail calls it.
    pub event: EventKind,
    /// What was learnt.
    pub detail: Option<&'a str>,
}

impl Verdict {
    /// The same; a review says which key the provider is to be asked for.
    #[must_use]
    pub fn naming(self, key: &ProcessorKey) -> Self {
        match self {
            Self::Review { why } => Self::Review {
                why: format!("{why} The provider knows it by the key {key}"),
            },
            definite @ (Self::Completed { .. }
            | Self::Failed(_)
            | Self::Accepted { .. }
            | Self::Postponed { .. }
            | Self::Released { .. }) => definite,
        }
    }

    pub(super) fn redacted(self, redaction: &Redaction) -> Self {
        match self {
            Self::Completed { reference } => Self::Completed {
                reference: redaction.reference(reference),
            },
            Self::Failed(failure) => Self::Failed(redaction.failure(&failure)),
            Self::Accepted { reference, after } => Self::Accepted {
                reference: redaction.reference(reference),
                after,
            },
            Self::Postponed {
                why,
                after,
                uses_attempt,
            } => Self::Postponed {
                why: redaction.text(&why),
                after,
                uses_attempt,
            },
            Self::Released { why, after } => Self::Released {
                why: redaction.text(&why),
                after,
            },
            Self::Review { why } => Self::Review {
                why: redaction.text(&why),
            },
        }
    }

    /// The columns to write.
    pub fn row(&self) -> SettledRow<'_> {
        let processing = SettledRow {
            status: Status::Processing,
            needs_review: false,
            failure: None,
            reference: None,
            due_in: None,
            never_sent: false,
            event: EventKind::Postponed,
            detail: None,
        };
        match self {
            Self::Completed { reference } => SettledRow {
                status: Status::Completed,
                reference: Some(reference),
                event: EventKind::Completed,
                detail: Some(reference.as_str()),
                ..processing
            },
            Self::Failed(failure) => SettledRow {
                status: Status::Failed,
                failure: Some(failure),
                event: EventKind::Failed,
                detail: Some(failure.code()),
                ..processing
            },
            Self::Accepted { reference, after } => SettledRow {
                reference: Some(reference),
                due_in: Some((*after).min(LONGEST_WAIT)),
                event: EventKind::Accepted,
                detail: Some(reference.as_str()),
                ..processing
            },
            Self::Postponed {
                why,
                after,
                uses_attempt: _,
            } => SettledRow {
                due_in: Some((*after).min(LONGEST_WAIT)),
                detail: Some(why),
                ..processing
            },
            Self::Released { why, after } => SettledRow {
                status: Status::Pending,
                due_in: Some((*after).min(LONGEST_WAIT)),
                never_sent: true,
                event: EventKind::Released,
                detail: Some(why),
                ..processing
            },
            Self::Review { why } => SettledRow {
                needs_review: true,
                event: EventKind::ReviewRequested,
                detail: Some(why),
                ..processing
            },
        }
    }
}
