//! Verdicts on claims, and the columns that they write.

use std::time::Duration;

use crate::attempt::ahead::LONGEST_WAIT;
use crate::payout::{EventKind, Failure, ProviderReference, Redaction, Status};
use crate::provider::{ProcessorKey, ProviderName, WaitReason};

/// The verdict on a claim: how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The provider paid.
    Completed {
        /// The provider's reference for the payment.
        reference: ProviderReference,
        /// The wait before a worker checks whether the payment was returned; absent if it cannot be returned.
        recheck_in: Option<Duration>,
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
        /// The reason why the payout waits, where it is not about the payout itself.
        waiting_for: Option<WaitReason>,
    },
    /// Provably nothing of this generation was ever sent: the payout is pending again, and no attempt is used up.
    Released {
        /// The worker's finding.
        why: String,
        /// The wait before the next claim.
        after: Duration,
        /// The reason why the payout waits, where it is not about the payout itself.
        waiting_for: Option<WaitReason>,
        /// The provider that the next claim is for; absent to keep the present one.
        provider: Option<ProviderName>,
    },
    /// The provider refused the payment for now and keeps the refusal under the key. Nothing was paid, and nothing can
    /// be paid under this key any more. The worker writes [`Claim::renew`](crate::attempt::Claim::renew), which begins a
    /// new generation. As a settlement it only postpones the payout.
    KeySpent {
        /// The worker's finding.
        why: String,
        /// The wait before the next claim.
        after: Duration,
        /// The reason why the payout waits.
        waiting_for: WaitReason,
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
    /// The reason why the payout waits.
    pub waiting_for: Option<WaitReason>,
    /// The provider that the next claim is for; absent to keep the present one.
    pub provider: Option<&'a ProviderName>,
    /// The time from now until a completed payment is checked for a return.
    pub recheck_in: Option<Duration>,
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
            | Self::Released { .. }
            | Self::KeySpent { .. }) => definite,
        }
    }

    pub(super) fn redacted(self, redaction: &Redaction) -> Self {
        match self {
            Self::Completed {
                reference,
                recheck_in,
            } => Self::Completed {
                reference: redaction.reference(reference),
                recheck_in,
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
                waiting_for,
            } => Self::Postponed {
                why: redaction.text(&why),
                after,
                uses_attempt,
                waiting_for,
            },
            Self::Released {
                why,
                after,
                waiting_for,
                provider,
            } => Self::Released {
                why: redaction.text(&why),
                after,
                waiting_for,
                provider,
            },
            Self::KeySpent {
                why,
                after,
                waiting_for,
            } => Self::KeySpent {
                why: redaction.text(&why),
                after,
                waiting_for,
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
            waiting_for: None,
            provider: None,
            recheck_in: None,
            event: EventKind::Postponed,
            detail: None,
        };
        match self {
            Self::Completed {
                reference,
                recheck_in,
            } => SettledRow {
                status: Status::Completed,
                recheck_in: *recheck_in,
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
                waiting_for,
            } => SettledRow {
                waiting_for: *waiting_for,
                due_in: Some((*after).min(LONGEST_WAIT)),
                detail: Some(why),
                ..processing
            },
            Self::Released {
                why,
                after,
                waiting_for,
                provider,
            } => SettledRow {
                status: Status::Pending,
                waiting_for: *waiting_for,
                provider: provider.as_ref(),
                due_in: Some((*after).min(LONGEST_WAIT)),
                never_sent: true,
                event: EventKind::Released,
                detail: Some(why),
                ..processing
            },
            Self::KeySpent {
                why,
                after,
                waiting_for,
            } => SettledRow {
                waiting_for: Some(*waiting_for),
                due_in: Some((*after).min(LONGEST_WAIT)),
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
