//! Verdicts on claims, and the columns that they write.

use std::time::Duration;

use crate::attempt::ahead::LONGEST_WAIT;
use crate::payout::{EventKind, Failure, ProviderReference, Redaction, Status};
use crate::provider::ProcessorKey;

/// The verdict on a claim: how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The provider paid.
    Completed {
        /// The provider's reference for the payment.
        reference: ProviderReference,
    },
    /// The provider declined the payment for good.
    Failed(Failure),
    /// The provider accepted the payment and will settle it later.
    Accepted {
        /// The provider's reference for the payment.
        reference: ProviderReference,
        /// The wait before the key is looked up.
        after: Duration,
    },
    /// The worker got no definite answer; the payout stays processing.
    Postponed {
        /// The worker's finding.
        why: String,
        /// The wait before the next claim.
        after: Duration,
        /// False if the provider only said *not now*: then no attempt is used up.
        uses_attempt: bool,
    },
    /// Provably nothing of this generation was ever sent: the payout is pending again, and no attempt is used up.
    Released {
        /// The worker's finding.
        why: String,
        /// The wait before the next claim.
        after: Duration,
    },
    /// The payout goes under review: a person must decide.
    Review {
        /// The reason for the review.
        why: String,
    },
}

/// The columns that a repository writes for a [`Verdict`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRow<'a> {
    /// The status after the settlement.
    pub status: Status,
    /// True if the payout goes under review.
    pub needs_review: bool,
    /// The reason why the payout failed.
    pub failure: Option<&'a Failure>,
    /// The provider's reference for the payment; absent keeps the stored one.
    pub reference: Option<&'a ProviderReference>,
    /// The time from now until a worker must look again; absent when none must.
    pub due_in: Option<Duration>,
    /// True if the time of the first submission is to be cleared, since nothing was sent.
    pub never_sent: bool,
    /// The kind of the event in the audit trail.
    pub event: EventKind,
    /// The detail of the event in the audit trail.
    pub detail: Option<&'a str>,
}

impl Verdict {
    /// Adds to a review the key under which the provider knows the payment.
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

    /// Returns the columns to write.
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
