//! Endpoints and deliveries as the API shows them.

use payout_core::Timestamp;
use payout_core::ports::WatchedEndpoint;
use payout_core::webhook::{AttemptRecord, Delivery, EndpointState, WebhookSecret};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::answer::{time, time_of_some};

/// An endpoint of a webhook. Its secret is not shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookBody {
    /// A UUID, version 7.
    id: Uuid,
    /// The address that deliveries are posted to.
    #[schema(example = "https://shop.example/hooks/payouts")]
    url: String,
    /// The types of the events that it gets; empty for every type.
    #[schema(example = json!(["payout.completed", "payout.failed"]))]
    types: Vec<&'static str>,
    /// A text for people.
    #[schema(max_length = 255, example = "The shop's bookkeeping")]
    description: String,
    /// True if the masked recipient is among the data.
    include_recipient: bool,
    /// The state: `enabled` or `disabled`.
    #[schema(example = "enabled")]
    state: &'static str,
    /// The reason why it is disabled: `operator`, `gone` (it answered 410) or `failing` (it failed for five days).
    #[schema(required = true, example = "gone")]
    disabled_why: Option<&'static str>,
    /// The time since which it is disabled.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    disabled_at: Option<Timestamp>,
    /// The time of creation.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The time until which the secret before the last rotation signs too; null if it does not.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    previous_secret_until: Option<Timestamp>,
    /// The time since which it has failed without a success; null while it works.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    failing_since: Option<Timestamp>,
    /// The number of deliveries that wait.
    #[schema(example = 0)]
    waiting: u64,
    /// The position in the event feed up to which its events have become deliveries.
    position: String,
    /// The range that is being replayed, if there is one.
    #[schema(required = true)]
    replay: Option<ReplayBody>,
}

/// A range of the event feed.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplay)]
pub(crate) struct ReplayBody {
    /// The position after which it goes on.
    after: String,
    /// The last position.
    until: String,
}

impl From<&WatchedEndpoint> for WebhookBody {
    fn from(watched: &WatchedEndpoint) -> Self {
        let endpoint = &watched.endpoint;
        let (state, disabled_why, disabled_at) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None, None),
            EndpointState::Disabled { why, at } => ("disabled", Some(why.as_str()), Some(at)),
        };
        Self {
            id: endpoint.id.as_uuid(),
            url: endpoint.url.as_str().to_owned(),
            types: endpoint.types.iter().map(|one| one.as_str()).collect(),
            description: endpoint.description.as_str().to_owned(),
            include_recipient: endpoint.include_recipient,
            state,
            disabled_why,
            disabled_at,
            created_at: endpoint.created_at,
            previous_secret_until: endpoint.secrets.previous.as_ref().map(|(_, until)| *until),
            failing_since: watched.failing_since,
            waiting: watched.waiting,
            position: watched.position.to_string(),
            replay: watched.replay.map(|replay| ReplayBody {
                after: replay.after.to_string(),
                until: replay.until.to_string(),
            }),
        }
    }
}

/// An endpoint with its secret, which is shown only this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(crate) struct ShownWebhookBody {
    /// The endpoint.
    webhook: WebhookBody,
    /// The secret, with which the receiver verifies deliveries. It cannot be shown again.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]{43}=$")]
    secret: String,
}

impl ShownWebhookBody {
    pub(super) fn of(watched: &WatchedEndpoint, secret: &WebhookSecret) -> Self {
        Self {
            webhook: watched.into(),
            secret: secret.expose().to_string(),
        }
    }
}

/// A delivery: an event for an endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryBody {
    /// The number among the endpoint's deliveries.
    #[schema(example = 4711)]
    number: u64,
    /// The id of the event, which every attempt sends as `webhook-id`.
    event_id: String,
    /// The type of the event.
    #[schema(example = "payout.completed")]
    r#type: String,
    /// The payout; null for a test.
    #[schema(required = true)]
    payout_id: Option<Uuid>,
    /// The status: `pending`, `delivered` or `failed`.
    #[schema(example = "delivered")]
    status: &'static str,
    /// The number of attempts so far.
    #[schema(example = 1)]
    attempts: u32,
    /// The time at which the delivery was stored.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The time of the next attempt; null if it is finished. A delivery also waits for the payout's earlier ones.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    due_at: Option<Timestamp>,
    /// The time at which it was delivered or given up.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
    /// The body that every attempt sends.
    request_body: String,
}

impl From<&Delivery> for DeliveryBody {
    fn from(delivery: &Delivery) -> Self {
        let content = &delivery.content;
        Self {
            number: delivery.number,
            event_id: content.message_id.clone(),
            r#type: content.event_type.clone(),
            payout_id: content.payout_id.map(|payout| payout.as_uuid()),
            status: delivery.status.as_str(),
            attempts: delivery.attempts,
            created_at: delivery.created_at,
            due_at: delivery.due_at,
            finished_at: delivery.finished_at,
            request_body: content.body.clone(),
        }
    }
}

/// An attempt to send a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptBody {
    /// The number, from 1.
    #[schema(example = 1)]
    attempt: u32,
    /// The time at which it began.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    at: Timestamp,
    /// The duration in milliseconds.
    #[schema(example = 42)]
    duration_ms: u64,
    /// The status of the answer; null if there was none.
    #[schema(required = true, example = 204)]
    status: Option<u16>,
    /// The reason why it failed; null if it did not.
    #[schema(required = true)]
    error: Option<String>,
    /// The first 4 KiB of the answer. Long numbers and secrets in it are masked.
    answer: String,
}

impl From<&AttemptRecord> for AttemptBody {
    fn from(record: &AttemptRecord) -> Self {
        Self {
            attempt: record.attempt,
            at: record.at,
            duration_ms: u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
            status: record.status,
            error: record.error.clone(),
            answer: record.answer.as_str().to_owned(),
        }
    }
}
