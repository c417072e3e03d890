//! Public events.

use std::fmt;

use uuid::Uuid;

use crate::Timestamp;
use crate::batch::{Batch, BatchId, FinishedPayouts};
use crate::feed::{EventType, FeedPosition};
use crate::money::Money;
use crate::payout::{Actor, Caller, Event, EventKind, ExternalId, PayoutId, Status};
use crate::provider::ProviderName;
use crate::webhook::{DisabledWhy, WebhookId};

/// An event that the feed shows. It never has anything of a recipient, and is the same whenever it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicEvent {
    /// The id.
    pub id: EventId,
    /// The position in the feed.
    pub position: FeedPosition,
    /// The type: what happened.
    pub event_type: EventType,
    /// The time of the event, by the repository's clock.
    pub at: Timestamp,
    /// The subject.
    pub subject: Subject,
    /// The actor that caused the event.
    pub actor: Actor,
    /// The person's reason, the code of a failure or a return, the worker's finding, or why an endpoint was disabled.
    pub reason: Option<String>,
}

/// The subject of a public event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A payout, as it was right after the event.
    Payout(PayoutFacts),
    /// A batch.
    Batch(BatchFacts),
    /// A provider.
    Provider(ProviderName),
    /// The endpoint of a webhook.
    Webhook(WebhookId),
}

/// A payout right after a public event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutFacts {
    /// The payout.
    pub id: PayoutId,
    /// The batch that the payout came in.
    pub batch_id: Option<BatchId>,
    /// The version of the payout.
    pub version: u64,
    /// The generation in which the event happened.
    pub generation: u32,
    /// The status.
    pub status: Status,
    /// The amount and its currency. An edit from before schema 0019 is not known: events before it show the amount after
    /// it.
    pub money: Money,
    /// The provider's reference, for an event that brings one.
    pub reference: Option<String>,
    /// The date that the payout waits for, for an event that tells it.
    pub scheduled_at: Option<Timestamp>,
}

/// A batch, as far as an event of it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFacts {
    /// The batch.
    pub id: BatchId,
    /// The client's own reference.
    pub external_id: Option<ExternalId>,
    /// The number of payouts that were stored.
    pub payouts: u32,
    /// The number of payouts that the change was made to, if it was one change.
    pub changed: Option<u64>,
    /// The payouts by status, for the event that tells that all are finished.
    pub finished: Option<FinishedPayouts>,
}

impl From<&Batch> for BatchFacts {
    fn from(batch: &Batch) -> Self {
        Self {
            id: batch.id,
            external_id: batch.external_id.clone(),
            payouts: batch.payouts,
            changed: None,
            finished: None,
        }
    }
}

/// An event of something other than a payout, to be stored in the transaction of its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The type.
    pub event_type: EventType,
    /// The subject.
    pub subject: Subject,
    /// The actor that made the change.
    pub actor: Actor,
    /// The reason.
    pub reason: Option<String>,
}

impl Announcement {
    /// Tells that a caller does something with a batch.
    pub fn of_batch(event_type: EventType, batch: &Batch, caller: &Caller) -> Self {
        Self {
            event_type,
            subject: Subject::Batch(batch.into()),
            actor: caller.actor.clone(),
            reason: caller.reason.clone(),
        }
    }

    /// Tells that a caller has changed this many payouts of a batch at once.
    pub fn of_members(event_type: EventType, batch: &Batch, changed: u64, caller: &Caller) -> Self {
        let facts = BatchFacts {
            changed: Some(changed),
            ..batch.into()
        };
        Self {
            subject: Subject::Batch(facts),
            ..Self::of_batch(event_type, batch, caller)
        }
    }

    /// Tells that every payout of a batch is finished, as this worker has found.
    pub fn of_completed(batch: &Batch, finished: FinishedPayouts, worker: &Actor) -> Self {
        let facts = BatchFacts {
            finished: Some(finished),
            ..batch.into()
        };
        Self {
            event_type: EventType::BatchCompleted,
            subject: Subject::Batch(facts),
            actor: worker.clone(),
            reason: None,
        }
    }

    /// Tells that a provider was paused or resumed.
    pub fn of_provider(event_type: EventType, provider: &ProviderName, caller: &Caller) -> Self {
        Self {
            event_type,
            subject: Subject::Provider(provider.clone()),
            actor: caller.actor.clone(),
            reason: caller.reason.clone(),
        }
    }

    /// Tells that the endpoint of a webhook was disabled.
    pub fn of_disabled(webhook: WebhookId, why: DisabledWhy, actor: &Actor) -> Self {
        Self {
            event_type: EventType::WebhookDisabled,
            subject: Subject::Webhook(webhook),
            actor: actor.clone(),
            reason: Some(why.as_str().to_owned()),
        }
    }

    /// Tells that the endpoint of a webhook was enabled.
    pub fn of_enabled(webhook: WebhookId, actor: &Actor) -> Self {
        Self {
            event_type: EventType::WebhookEnabled,
            subject: Subject::Webhook(webhook),
            actor: actor.clone(),
            reason: None,
        }
    }

    /// Returns the event as the feed shows it.
    pub fn published(self, id: Uuid, position: FeedPosition, at: Timestamp) -> PublicEvent {
        PublicEvent {
            id: EventId::Own(id),
            position,
            event_type: self.event_type,
            at,
            subject: self.subject,
            actor: self.actor,
            reason: self.reason,
        }
    }
}

/// The id of a public event. It is the same wherever and however often the event is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventId {
    /// Of a payout's event: every change increases the version, and tells at most one event besides its own.
    Payout {
        /// The payout.
        payout_id: PayoutId,
        /// The version of the payout right after the event.
        version: u64,
        /// The type of the event that the change tells besides its own.
        second: Option<EventType>,
    },
    /// Of any other event.
    Own(Uuid),
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payout {
                payout_id,
                version,
                second,
            } => {
                write!(f, "evt_{:x}_{version}", payout_id.as_uuid().as_simple())?;
                let name = second.and_then(|second| second.as_str().split_once('.'));
                name.map_or(Ok(()), |(_, name)| write!(f, "_{name}"))
            }
            Self::Own(id) => write!(f, "evt_{:x}", id.as_simple()),
        }
    }
}

/// The state of a payout before one of its events, as far as it decides what the event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// The status.
    pub status: Status,
    /// True if the provider had accepted the payment of this generation already.
    pub accepted: bool,
}

impl Before {
    /// Finds the state before the event that follows these.
    pub fn after(trail: &[Event]) -> Self {
        let accepted = trail.iter().rev().find_map(|event| match event.kind {
            EventKind::Accepted => Some(true),
            EventKind::Claimed
            | EventKind::Postponed
            | EventKind::EditRefused
            | EventKind::Revealed
            | EventKind::LateOutcome => None,
            EventKind::Created
            | EventKind::Imported
            | EventKind::Edited
            | EventKind::Approved
            | EventKind::Rejected
            | EventKind::Completed
            | EventKind::Returned
            | EventKind::Failed
            | EventKind::Released
            | EventKind::KeySpent
            | EventKind::ReviewRequested
            | EventKind::Resolved
            | EventKind::Retried
            | EventKind::Cancelled
            | EventKind::Deleted => Some(false),
        });
        Self {
            status: trail.last().map_or(Status::Pending, |event| event.status),
            accepted: accepted.unwrap_or(false),
        }
    }
}

/// The payout right after an entry of its audit trail, as far as the entry itself does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The payout.
    pub id: PayoutId,
    /// The batch that it came in.
    pub batch_id: Option<BatchId>,
    /// The version.
    pub version: u64,
    /// The amount and its currency.
    pub money: Money,
    /// The date that it waits for, if that lies ahead.
    pub scheduled_at: Option<Timestamp>,
}

impl After {
    /// Returns the date that a payout with this schedule waits for right after the event. A retry waits for none.
    pub fn date_ahead(event: &Event, scheduled_at: Option<Timestamp>) -> Option<Timestamp> {
        let is_open = event.status == Status::Pending;
        let keeps_it = matches!(
            event.kind,
            EventKind::Created | EventKind::Edited | EventKind::Approved
        );
        scheduled_at.filter(|at| is_open && keeps_it && *at > event.at)
    }
}

impl PublicEvent {
    /// Builds the public event for an entry of the audit trail; absent if it is not public.
    pub fn of(event: &Event, before: Before, position: FeedPosition, after: &After) -> Option<Self> {
        let event_type = EventType::of(event.kind, before)?;
        let detail = event.detail.clone();
        let (reference, reason) = match event.kind {
            EventKind::Accepted | EventKind::Completed => (detail, None),
            EventKind::Created
            | EventKind::Imported
            | EventKind::Edited
            | EventKind::Approved
            | EventKind::Rejected
            | EventKind::EditRefused
            | EventKind::Revealed
            | EventKind::Claimed
            | EventKind::Returned
            | EventKind::Failed
            | EventKind::Postponed
            | EventKind::Released
            | EventKind::KeySpent
            | EventKind::ReviewRequested
            | EventKind::Resolved
            | EventKind::Retried
            | EventKind::Cancelled
            | EventKind::Deleted
            | EventKind::LateOutcome => (None, detail),
        };
        Some(Self::built(
            event_type,
            event,
            position,
            after,
            (reference, reason),
            None,
        ))
    }

    /// Builds the event that the change of an entry tells besides its own; absent if it tells none.
    pub fn second_of(event: &Event, position: FeedPosition, after: &After) -> Option<Self> {
        let event_type = EventType::second(event.kind, event.status, after.scheduled_at)?;
        let second = Some(event_type);
        let position = position.second();
        Some(Self::built(
            event_type,
            event,
            position,
            after,
            (None, None),
            second,
        ))
    }

    fn built(
        event_type: EventType,
        event: &Event,
        position: FeedPosition,
        after: &After,
        (reference, reason): (Option<String>, Option<String>),
        second: Option<EventType>,
    ) -> Self {
        Self {
            id: EventId::Payout {
                payout_id: after.id,
                version: after.version,
                second,
            },
            position,
            event_type,
            at: event.at,
            subject: Subject::Payout(PayoutFacts {
                id: after.id,
                batch_id: after.batch_id,
                version: after.version,
                generation: event.generation,
                status: event.status,
                money: after.money,
                reference,
                scheduled_at: after.scheduled_at.filter(|_| event_type == EventType::Scheduled),
            }),
            actor: event.actor.clone(),
            reason,
        }
    }

    /// Returns the payout that the event tells about.
    pub fn payout(&self) -> Option<&PayoutFacts> {
        match &self.subject {
            Subject::Payout(payout) => Some(payout),
            Subject::Batch(_) | Subject::Provider(_) | Subject::Webhook(_) => None,
        }
    }

    /// Returns the id of the payout that the event tells about.
    pub fn payout_id(&self) -> Option<PayoutId> {
        self.payout().map(|payout| payout.id)
    }

    /// Returns the id of the batch that the event tells about, or that its payout came in.
    pub fn batch_id(&self) -> Option<BatchId> {
        match &self.subject {
            Subject::Payout(payout) => payout.batch_id,
            Subject::Batch(batch) => Some(batch.id),
            Subject::Provider(_) | Subject::Webhook(_) => None,
        }
    }
}
