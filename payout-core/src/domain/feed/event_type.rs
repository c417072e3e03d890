//! The types of public events.

use crate::Timestamp;
use crate::feed::Before;
use crate::payout::{EventKind, Status};

/// The type of a public event, with the name that clients read and subscribe to.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(parse_err_ty = UnknownEventType, parse_err_fn = UnknownEventType::of)]
pub enum EventType {
    /// A client created the payout.
    #[strum(serialize = "payout.created")]
    Created,
    /// The payout was imported from another service, in the state that it had there.
    #[strum(serialize = "payout.imported")]
    Imported,
    /// A client changed the details of the payout while it was pending.
    #[strum(serialize = "payout.edited")]
    Edited,
    /// The payout awaits approval. The event follows that of the creation, the edit or the retry which requires it.
    #[strum(serialize = "payout.awaiting_approval")]
    AwaitingApproval,
    /// A person approved the payout, which awaits further approvals or is pending.
    #[strum(serialize = "payout.approved")]
    Approved,
    /// A person rejected the payout that awaited approval: it is cancelled.
    #[strum(serialize = "payout.rejected")]
    Rejected,
    /// The pending payout waits for the date that it is scheduled at. The event follows that of the creation, the edit,
    /// the approval or the retry after which it does.
    #[strum(serialize = "payout.scheduled")]
    Scheduled,
    /// A worker took the pending payout to send it.
    #[strum(serialize = "payout.processing")]
    Processing,
    /// The payout is pending again: nothing of this generation was paid, and it will be sent later.
    #[strum(serialize = "payout.pending")]
    Pending,
    /// The provider accepted the payment and will settle it later.
    #[strum(serialize = "payout.accepted")]
    Accepted,
    /// The provider paid.
    #[strum(serialize = "payout.completed")]
    Completed,
    /// The provider declined the payment for good.
    #[strum(serialize = "payout.failed")]
    Failed,
    /// The payout went under review: a person must decide.
    #[strum(serialize = "payout.needs_review")]
    NeedsReview,
    /// A person decided how the payout under review ended; the status says which way.
    #[strum(serialize = "payout.resolved")]
    Resolved,
    /// A person retried the payout, which is pending or awaits approval in a new generation.
    #[strum(serialize = "payout.retried")]
    Retried,
    /// The payment was paid and came back.
    #[strum(serialize = "payout.returned")]
    Returned,
    /// A person cancelled the payout.
    #[strum(serialize = "payout.cancelled")]
    Cancelled,
    /// A person deleted the payout.
    #[strum(serialize = "payout.deleted")]
    Deleted,
    /// A client stored a batch, with all its payouts.
    #[strum(serialize = "batch.created")]
    BatchCreated,
    /// A person approved payouts of the batch that awaited it. Each has its own event.
    #[strum(serialize = "batch.approved")]
    BatchApproved,
    /// A person rejected payouts of the batch that awaited approval. Each has its own event.
    #[strum(serialize = "batch.rejected")]
    BatchRejected,
    /// A person cancelled payouts of the batch that no worker had claimed. Each has its own event.
    #[strum(serialize = "batch.cancelled")]
    BatchCancelled,
    /// A person retried payouts of the batch that failed. Each has its own event.
    #[strum(serialize = "batch.retried")]
    BatchRetried,
    /// Every payout of the batch is finished: none waits for a worker or a person. After a retry it is reported again.
    #[strum(serialize = "batch.completed")]
    BatchCompleted,
    /// A person paused the provider: no worker calls it.
    #[strum(serialize = "provider.paused")]
    ProviderPaused,
    /// A person resumed the provider.
    #[strum(serialize = "provider.resumed")]
    ProviderResumed,
    /// The endpoint of a webhook was disabled: by a person, or since it answered 410 or failed for five days.
    #[strum(serialize = "webhook.disabled")]
    WebhookDisabled,
    /// A person enabled the endpoint of a webhook.
    #[strum(serialize = "webhook.enabled")]
    WebhookEnabled,
}

/// The text is not the name of a type of public events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown type of event")]
pub struct UnknownEventType;

impl UnknownEventType {
    fn of(_: &str) -> Self {
        Self
    }
}

impl EventType {
    /// Every type: those of payouts in the order of a payout's life, and then the others.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name, such as `payout.completed`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns whether events of this type tell about a payout.
    pub fn is_of_payout(self) -> bool {
        match self {
            Self::Created
            | Self::Imported
            | Self::Edited
            | Self::AwaitingApproval
            | Self::Approved
            | Self::Rejected
            | Self::Scheduled
            | Self::Processing
            | Self::Pending
            | Self::Accepted
            | Self::Completed
            | Self::Failed
            | Self::NeedsReview
            | Self::Resolved
            | Self::Retried
            | Self::Returned
            | Self::Cancelled
            | Self::Deleted => true,
            Self::BatchCreated
            | Self::BatchApproved
            | Self::BatchRejected
            | Self::BatchCancelled
            | Self::BatchRetried
            | Self::BatchCompleted
            | Self::ProviderPaused
            | Self::ProviderResumed
            | Self::WebhookDisabled
            | Self::WebhookEnabled => false,
        }
    }

    /// Returns the public type of an event in the audit trail; absent for an event that is evidence only, or that tells
    /// clients nothing new: a further claim of a payout that is processing already, a presumed one of what awaits approval, a further answer that the payment
    /// was accepted, and an attempt without a definite answer.
    pub fn of(kind: EventKind, before: Before) -> Option<Self> {
        match kind {
            EventKind::Created => Some(Self::Created),
            EventKind::Imported => Some(Self::Imported),
            EventKind::Edited => Some(Self::Edited),
            EventKind::Approved => Some(Self::Approved),
            EventKind::Rejected => Some(Self::Rejected),
            // A restored store presumes claims of what awaits approval, which goes on awaiting it.
            EventKind::Claimed => {
                let is_begun = matches!(before.status, Status::Processing | Status::AwaitingApproval);
                (!is_begun).then_some(Self::Processing)
            }
            EventKind::Completed => Some(Self::Completed),
            EventKind::Returned => Some(Self::Returned),
            EventKind::Failed => Some(Self::Failed),
            EventKind::Accepted => (!before.accepted).then_some(Self::Accepted),
            EventKind::Released | EventKind::KeySpent => Some(Self::Pending),
            EventKind::ReviewRequested => Some(Self::NeedsReview),
            EventKind::Resolved => Some(Self::Resolved),
            EventKind::Retried => Some(Self::Retried),
            EventKind::Cancelled => Some(Self::Cancelled),
            EventKind::Deleted => Some(Self::Deleted),
            EventKind::EditRefused | EventKind::Revealed | EventKind::Postponed | EventKind::LateOutcome => {
                None
            }
        }
    }

    /// Returns the type of the event that a change tells besides its own: what the payout waits for after it. `status`
    /// is the one after the change, and `scheduled_at` the date that the payout waits for, if it lies ahead.
    pub fn second(kind: EventKind, status: Status, scheduled_at: Option<Timestamp>) -> Option<Self> {
        let waits = match kind {
            EventKind::Created | EventKind::Edited | EventKind::Retried => true,
            // What awaits further approvals has awaited them before.
            EventKind::Approved => status == Status::Pending,
            EventKind::Imported
            | EventKind::Rejected
            | EventKind::EditRefused
            | EventKind::Revealed
            | EventKind::Claimed
            | EventKind::Completed
            | EventKind::Returned
            | EventKind::Failed
            | EventKind::Accepted
            | EventKind::Postponed
            | EventKind::Released
            | EventKind::KeySpent
            | EventKind::ReviewRequested
            | EventKind::Resolved
            | EventKind::Cancelled
            | EventKind::Deleted
            | EventKind::LateOutcome => false,
        };
        match status {
            Status::AwaitingApproval => waits.then_some(Self::AwaitingApproval),
            Status::Pending => scheduled_at.filter(|_| waits).map(|_| Self::Scheduled),
            Status::Processing
            | Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::Cancelled => None,
        }
    }

    /// Returns the kinds of the audit trail whose events may have one of these types.
    pub fn kinds_of(types: &[Self]) -> Vec<EventKind> {
        let news = Before {
            status: Status::Pending,
            accepted: false,
        };
        let is_asked_for = |public: Option<Self>| public.is_some_and(|public| types.contains(&public));
        let kinds = EventKind::ALL.iter().copied();
        kinds
            .filter(|kind| {
                is_asked_for(Self::of(*kind, news))
                    || is_asked_for(Self::second(*kind, Status::AwaitingApproval, None))
                    || is_asked_for(Self::second(*kind, Status::Pending, Some(Timestamp::MAX_UTC)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: Before = Before {
        status: Status::Pending,
        accepted: false,
    };

    #[test]
    fn each_type_of_a_payout_is_of_some_kind_and_each_name_reads_back() {
        for public in EventType::ALL {
            let kinds = EventType::kinds_of(&[*public]);
            assert_eq!(kinds.is_empty(), !public.is_of_payout(), "{public:?}");
            assert_eq!(
                public.as_str().starts_with("payout."),
                public.is_of_payout(),
                "{public:?}"
            );
            assert_eq!(public.as_str().parse(), Ok(*public));
        }
        assert_eq!("payout.claimed".parse::<EventType>(), Err(UnknownEventType));
    }

    #[test]
    fn a_presumed_claim_of_what_awaits_approval_is_not_public() {
        let before = Before {
            status: Status::AwaitingApproval,
            accepted: false,
        };
        assert_eq!(EventType::of(EventKind::Claimed, before), None);
        assert_eq!(
            EventType::of(EventKind::Claimed, NEWS),
            Some(EventType::Processing)
        );
    }

    #[test]
    fn evidence_is_not_public() {
        for kind in [
            EventKind::EditRefused,
            EventKind::Revealed,
            EventKind::Postponed,
            EventKind::LateOutcome,
        ] {
            assert_eq!(EventType::of(kind, NEWS), None);
        }
    }

    #[test]
    fn a_further_claim_and_a_further_acceptance_tell_nothing_new() {
        let claimed = Before {
            status: Status::Processing,
            ..NEWS
        };
        let accepted = Before {
            accepted: true,
            ..claimed
        };
        assert_eq!(
            EventType::of(EventKind::Claimed, NEWS),
            Some(EventType::Processing)
        );
        assert_eq!(EventType::of(EventKind::Claimed, claimed), None);
        assert_eq!(
            EventType::of(EventKind::Accepted, claimed),
            Some(EventType::Accepted)
        );
        assert_eq!(EventType::of(EventKind::Accepted, accepted), None);
    }

    #[test]
    fn what_a_payout_waits_for_is_told_after_the_change_that_makes_it_wait() {
        let date = Some(Timestamp::MAX_UTC);
        let second = |kind, status| EventType::second(kind, status, date);
        for kind in [EventKind::Created, EventKind::Edited, EventKind::Retried] {
            assert_eq!(
                second(kind, Status::AwaitingApproval),
                Some(EventType::AwaitingApproval)
            );
            assert_eq!(second(kind, Status::Pending), Some(EventType::Scheduled));
            assert_eq!(EventType::second(kind, Status::Pending, None), None);
        }
        let approved = EventKind::Approved;
        assert_eq!(second(approved, Status::Pending), Some(EventType::Scheduled));
        assert_eq!(second(approved, Status::AwaitingApproval), None);
        assert_eq!(second(EventKind::Released, Status::Pending), None);
        assert_eq!(second(EventKind::Edited, Status::Completed), None);
    }
}
