//! The event feed over HTTP: pages, and the live stream.

pub(crate) mod list;
pub(crate) mod stream;

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::batch::{BatchId, FinishedPayouts};
use payout_core::feed::{EventType, FeedPosition, PublicEvent, Subject};
use payout_core::money::Money;
use payout_core::payout::{ExternalId, PayoutId};
use payout_core::usecase::ServiceError;
use payout_core::usecase::feed::ReaderError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use uuid::Uuid;

use crate::http::answer::{amount, time, time_of_some};
use crate::http::extract::fields::Message;
use crate::http::extract::query::QueryValue;
use crate::http::openapi::{EventTypeName, StatusName, ValueSchema};
use crate::http::problem::{Errors, Kind, Problem};

/// The refusal of a cursor beyond the end of the feed.
const BEYOND: &str = "This cursor is beyond the end of the feed: it is from before the database was restored, or of \
                      another one. Begin again from an earlier one.";

/// A public event. It never has anything of a recipient.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedEvent)]
pub(crate) struct EventBody<'a> {
    /// The id: the same wherever and however often the event is read.
    #[schema(example = "evt_019ab1f09c4b7d218e552f0d3c6a9b17_3")]
    id: String,
    /// The position in the feed, which a cursor names. Of two events, the later one has the greater text.
    #[schema(example = "00000000000004d20000000000000007")]
    sequence: String,
    /// The type.
    #[schema(value_type = EventTypeName)]
    r#type: &'static str,
    /// The time of the event.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:02.654321Z")]
    at: Timestamp,
    /// The payout; null for an event of something else.
    #[schema(required = true)]
    payout_id: Option<Uuid>,
    /// The batch of the event, or the one that its payout came in.
    #[schema(required = true)]
    batch_id: Option<Uuid>,
    /// The version of the payout right after the event, as in its `ETag`; null for an event of something else. It grows
    /// from event to event of a payout, but for `payout.awaiting_approval` and `payout.scheduled`, which have the version
    /// of the event before them.
    #[schema(required = true, example = 3)]
    version: Option<u64>,
    /// The actor: an API key by name, `api` in a service without API keys, a worker by name, or a command.
    #[schema(example = "worker-1")]
    actor: &'a str,
    /// The facts: of a payout, a batch, a provider or the endpoint of a webhook, as the type says.
    data: EventData<'a>,
}

/// The facts of a public event, by its subject.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedEventData)]
#[serde(untagged)]
enum EventData<'a> {
    Payout(PayoutData<'a>),
    Batch(BatchData<'a>),
    Provider(ProviderData<'a>),
    Webhook(WebhookData<'a>),
}

/// The payout right after a public event.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedPayoutData)]
struct PayoutData<'a> {
    /// The status.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// The amount, with the currency's own number of decimals.
    #[serde(serialize_with = "amount")]
    #[schema(value_type = String, pattern = r"^\d{1,18}(\.\d{1,4})?$", example = "125.50")]
    amount: Money,
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The generation: 0 before the first retry.
    #[schema(example = 0)]
    generation: u32,
    /// The provider's reference, in `payout.accepted` and `payout.completed`.
    #[schema(required = true, example = "sim_0f6d0e3b9a4c5d21")]
    reference: Option<&'a str>,
    /// The date that the payout waits for, in `payout.scheduled`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_of_some")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T06:00:00.000000Z")]
    scheduled_at: Option<Timestamp>,
    /// The reason: of a person, or the code of a failure or a return, or the worker's finding.
    #[schema(required = true)]
    reason: Option<&'a str>,
}

/// The batch of a public event.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedBatchData)]
struct BatchData<'a> {
    /// The client's own reference.
    #[schema(required = true, example = "salaries-2026-11")]
    external_id: Option<&'a str>,
    /// The number of payouts that were stored.
    #[schema(example = 500)]
    payouts: u32,
    /// The number of payouts that were changed, in `batch.approved`, `.rejected`, `.cancelled` and `.retried`. A large
    /// batch is changed in several steps, each with an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, example = 480)]
    changed: Option<u64>,
    /// The payouts by status, in `batch.completed`. Deleted ones are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = FinishedPayoutsData)]
    finished: Option<FinishedPayoutsData>,
    /// The person's reason.
    #[schema(required = true)]
    reason: Option<&'a str>,
}

/// The payouts of a completed batch by status.
#[derive(Serialize, ToSchema)]
#[schema(as = FinishedPayouts)]
struct FinishedPayoutsData {
    /// The number of payouts that the provider paid.
    #[schema(example = 480)]
    completed: u64,
    /// The number of payouts that were paid and came back.
    #[schema(example = 0)]
    returned: u64,
    /// The number of payouts that were declined for good.
    #[schema(example = 15)]
    failed: u64,
    /// The number of payouts that a person cancelled.
    #[schema(example = 5)]
    cancelled: u64,
}

/// The provider of a public event.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedProviderData)]
struct ProviderData<'a> {
    /// The provider's name.
    #[schema(example = "acme")]
    provider: &'a str,
    /// The person's reason.
    #[schema(required = true)]
    reason: Option<&'a str>,
}

/// The endpoint of a public event.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedWebhookData)]
struct WebhookData<'a> {
    /// The endpoint.
    webhook_id: Uuid,
    /// The reason why it was disabled: `operator`, `gone` (it answered 410) or `failing` (it failed for five days).
    #[schema(required = true, example = "gone")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a PublicEvent> for EventBody<'a> {
    fn from(event: &'a PublicEvent) -> Self {
        Self {
            id: event.id.to_string(),
            sequence: event.position.to_string(),
            r#type: event.event_type.as_str(),
            at: event.at,
            payout_id: event.payout_id().map(PayoutId::as_uuid),
            batch_id: event.batch_id().map(BatchId::as_uuid),
            version: event.payout().map(|payout| payout.version),
            actor: event.actor.as_str(),
            data: EventData::from(event),
        }
    }
}

impl<'a> From<&'a PublicEvent> for EventData<'a> {
    fn from(event: &'a PublicEvent) -> Self {
        let reason = event.reason.as_deref();
        match &event.subject {
            Subject::Payout(payout) => Self::Payout(PayoutData {
                status: payout.status.as_str(),
                amount: payout.money,
                currency: payout.money.currency().code(),
                generation: payout.generation,
                reference: payout.reference.as_deref(),
                scheduled_at: payout.scheduled_at,
                reason,
            }),
            Subject::Batch(batch) => Self::Batch(BatchData {
                external_id: batch.external_id.as_ref().map(ExternalId::as_str),
                payouts: batch.payouts,
                changed: batch.changed,
                finished: batch.finished.map(FinishedPayoutsData::from),
                reason,
            }),
            Subject::Provider(provider) => Self::Provider(ProviderData {
                provider: provider.as_str(),
                reason,
            }),
            Subject::Webhook(webhook) => Self::Webhook(WebhookData {
                webhook_id: webhook.as_uuid(),
                reason,
            }),
        }
    }
}

impl From<FinishedPayouts> for FinishedPayoutsData {
    fn from(finished: FinishedPayouts) -> Self {
        Self {
            completed: finished.completed,
            returned: finished.returned,
            failed: finished.failed,
            cancelled: finished.cancelled,
        }
    }
}

impl QueryValue for EventType {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse().map_err(|_| {
            let names: Vec<&str> = Self::ALL.iter().map(|one| one.as_str()).collect();
            format!("This is not a type of events: use {}.", names.join(", ")).into()
        })
    }

    fn schema() -> ValueSchema {
        ValueSchema::of::<EventTypeName>()
    }
}

impl QueryValue for FeedPosition {
    fn read(text: &str) -> Result<Self, Message> {
        text.parse()
            .map_err(|_| "This is not a cursor of the feed: use a `next` or a `sequence`.".into())
    }

    fn schema() -> ValueSchema {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^([0-9a-f]{32}){1,2}(-2)?$"));
        ValueSchema::inline(text)
    }
}

/// The number of seconds that a request may wait for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wait(Duration);

impl Wait {
    const MAX_SECONDS: u64 = 30;
}

impl QueryValue for Wait {
    fn read(text: &str) -> Result<Self, Message> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|seconds| *seconds <= Self::MAX_SECONDS);
        seconds
            .filter(|_| is_plain)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| format!("Use a number of seconds from 0 to {}.", Self::MAX_SECONDS).into())
    }

    fn schema() -> ValueSchema {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(0))
            .maximum(Some(Self::MAX_SECONDS))
            .default(Some(serde_json::json!(0)));
        ValueSchema::inline(seconds)
    }
}

impl From<ReaderError> for Problem {
    fn from(error: ReaderError) -> Self {
        match error {
            ReaderError::Store(error) => ServiceError::Repository(error).into(),
            ReaderError::Beyond => Self::invalid(Errors::of("after", BEYOND)),
            error @ (ReaderError::Full | ReaderError::Slow | ReaderError::Closing | _) => {
                let detail =
                    "Too many readers wait for events, or the service ends: go on from the same cursor.";
                Self::new(Kind::Busy, detail).retry_after(1).caused_by(error)
            }
        }
    }
}
