//! The rows of webhooks as both dialects select them, and their conversion into the domain.
//!
//! The secrets of an endpoint are one text, in plain or sealed with the current encryption key.

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::feed::{Announcement, EventType, FeedPosition};
use payout_core::payout::{Actor, Description, PayoutId};
use payout_core::ports::{EndpointLease, HeldEndpoint, RepositoryError, WatchedEndpoint};
use payout_core::webhook::{
    AnswerText, AttemptRecord, Delivery, DisabledWhy, Endpoint, EndpointState, EndpointUrl, NewDelivery,
    Replay, Secrets, WebhookId, WebhookSecret,
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::error::refused;
use super::row::{broken, number};
use super::stored::{StoredTime, without_nul};
use crate::encryption::{EncryptionKeys, Place};

/// The state of an enabled endpoint, as it is stored.
pub(crate) const ENABLED: &str = "enabled";

/// The columns of an [`EndpointRow`], for the constant statements of both dialects.
macro_rules! endpoint_columns {
    () => {
        "endpoint.id, endpoint.url, endpoint.types, endpoint.description, endpoint.include_recipient, endpoint.secrets, \
         endpoint.sealed, endpoint.state, endpoint.disabled_why, endpoint.disabled_at, endpoint.created_at, \
         endpoint.revision"
    };
}
pub(crate) use endpoint_columns;

/// The columns of a [`ProgressRow`].
macro_rules! progress_columns {
    () => {
        "endpoint.position, endpoint.replay_after, endpoint.replay_until, endpoint.failing_since, \
         endpoint.queue_revision, endpoint.fence"
    };
}
pub(crate) use progress_columns;

/// The columns of what waits, from the deliveries of `endpoint`.
macro_rules! waiting_columns {
    () => {
        "(SELECT count(*) FROM webhook_deliveries AS delivery \
             WHERE delivery.endpoint_id = endpoint.id AND delivery.status = 'pending') AS waiting, \
         (SELECT delivery.created_at FROM webhook_deliveries AS delivery \
             WHERE delivery.endpoint_id = endpoint.id AND delivery.status = 'pending' \
             ORDER BY delivery.number LIMIT 1) AS oldest_waiting"
    };
}
pub(crate) use waiting_columns;

/// The columns of a [`DeliveryRow`].
macro_rules! delivery_columns {
    () => {
        "endpoint_id, number, message_id, event_type, payout_id, body, status, attempts, created_at, due_at, finished_at"
    };
}
pub(crate) use delivery_columns;

/// An endpoint, as it was configured.
#[derive(FromRow)]
pub(crate) struct EndpointRow {
    pub(crate) id: Uuid,
    url: String,
    types: String,
    description: String,
    include_recipient: bool,
    pub(crate) secrets: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
    state: String,
    disabled_why: Option<String>,
    disabled_at: Option<StoredTime>,
    created_at: StoredTime,
    pub(crate) revision: i64,
}

/// The progress of an endpoint.
#[derive(FromRow)]
pub(crate) struct ProgressRow {
    position: String,
    replay_after: Option<String>,
    replay_until: Option<String>,
    failing_since: Option<StoredTime>,
    queue_revision: i64,
    fence: i64,
}

/// An endpoint with its progress and what waits.
#[derive(FromRow)]
pub(crate) struct WatchedRow {
    #[sqlx(flatten)]
    endpoint: EndpointRow,
    #[sqlx(flatten)]
    progress: ProgressRow,
    waiting: i64,
    oldest_waiting: Option<StoredTime>,
}

/// An endpoint that a worker holds.
#[derive(FromRow)]
pub(crate) struct HeldRow {
    #[sqlx(flatten)]
    endpoint: EndpointRow,
    #[sqlx(flatten)]
    progress: ProgressRow,
}

/// A delivery.
#[derive(FromRow)]
pub(crate) struct DeliveryRow {
    endpoint_id: Uuid,
    number: i64,
    message_id: String,
    event_type: String,
    payout_id: Option<Uuid>,
    body: String,
    status: String,
    attempts: i32,
    created_at: StoredTime,
    due_at: Option<StoredTime>,
    finished_at: Option<StoredTime>,
}

/// An attempt.
#[derive(FromRow)]
pub(crate) struct AttemptRow {
    attempt: i32,
    at: StoredTime,
    took_us: i64,
    status: Option<i32>,
    error: Option<String>,
    answer: String,
}

/// The columns of an endpoint that are written.
pub(crate) struct WrittenEndpoint {
    pub(crate) types: String,
    pub(crate) secrets: StoredSecrets,
    pub(crate) state: &'static str,
    pub(crate) disabled_why: Option<&'static str>,
    pub(crate) disabled_at: Option<Timestamp>,
}

/// The secrets, in plain or sealed.
pub(crate) struct StoredSecrets {
    pub(crate) secrets: Option<String>,
    pub(crate) sealed: Option<Vec<u8>>,
}

/// The text of an endpoint's secrets.
#[derive(Serialize, Deserialize)]
struct SecretsText {
    current: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    previous: Option<String>,
    /// Microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<i64>,
}

impl StoredSecrets {
    /// Seals the text of secrets with the current key, if there is one.
    pub(crate) fn of(id: Uuid, text: String, keys: &EncryptionKeys) -> Result<Self, RepositoryError> {
        let Some(key) = keys.current() else {
            return Ok(Self {
                secrets: Some(text),
                sealed: None,
            });
        };
        let sealed = key.seal(text.as_bytes(), &Place::Webhook(id)).map_err(refused)?;
        Ok(Self {
            secrets: None,
            sealed: Some(sealed),
        })
    }
}

/// Opens the text of an endpoint's secrets.
pub(crate) fn secrets_text(row: &EndpointRow, keys: &EncryptionKeys) -> Result<String, RepositoryError> {
    match (&row.secrets, &row.sealed) {
        (_, Some(sealed)) => {
            let text = keys
                .open(sealed, &Place::Webhook(row.id))
                .map_err(broken("sealed"))?;
            String::from_utf8(text.to_vec()).map_err(|_| broken("sealed")("no text"))
        }
        (Some(text), None) => Ok(text.clone()),
        (None, None) => Err(broken("secrets")("no secrets")),
    }
}

fn read_secrets(text: &str) -> Result<Secrets, RepositoryError> {
    // The parser's error may quote the text.
    let text: SecretsText =
        serde_json::from_str(text).map_err(|_| broken("secrets")("not the text of secrets"))?;
    let secret = |text: &str| WebhookSecret::parse(text).map_err(broken("secrets"));
    let mut secrets = Secrets::new(secret(&text.current)?);
    if let (Some(previous), Some(until)) = (&text.previous, text.until) {
        let until = Timestamp::from_timestamp_micros(until);
        let until = until.ok_or_else(|| broken("secrets")("a time out of range"))?;
        secrets.previous = Some((secret(previous)?, until));
    }
    Ok(secrets)
}

fn write_secrets(secrets: &Secrets) -> Result<String, RepositoryError> {
    let text = SecretsText {
        current: secrets.current.expose().to_string(),
        previous: secrets
            .previous
            .as_ref()
            .map(|(secret, _)| secret.expose().to_string()),
        until: secrets
            .previous
            .as_ref()
            .map(|(_, until)| until.timestamp_micros()),
    };
    serde_json::to_string(&text).map_err(refused)
}

impl WrittenEndpoint {
    /// Builds the columns of an endpoint.
    pub(crate) fn of(endpoint: &Endpoint, keys: &EncryptionKeys) -> Result<Self, RepositoryError> {
        let (state, disabled_why, disabled_at) = match endpoint.state {
            EndpointState::Enabled => (ENABLED, None, None),
            EndpointState::Disabled { why, at } => ("disabled", Some(why.as_str()), Some(at)),
        };
        let types: Vec<&str> = endpoint.types.iter().map(|one| one.as_str()).collect();
        Ok(Self {
            types: types.join(","),
            secrets: StoredSecrets::of(endpoint.id.as_uuid(), write_secrets(&endpoint.secrets)?, keys)?,
            state,
            disabled_why,
            disabled_at,
        })
    }
}

impl EndpointRow {
    /// Restores the endpoint, if the row is valid.
    pub(crate) fn restore(self, keys: &EncryptionKeys) -> Result<Endpoint, RepositoryError> {
        let secrets = read_secrets(&secrets_text(&self, keys)?)?;
        let state = match (self.state.as_str(), self.disabled_why, self.disabled_at) {
            (ENABLED, None, None) => EndpointState::Enabled,
            ("disabled", Some(why), Some(at)) => EndpointState::Disabled {
                why: why.parse::<DisabledWhy>().map_err(broken("disabled_why"))?,
                at: at.0,
            },
            (other, _, _) => return Err(broken("state")(other)),
        };
        let types = self.types.split(',').filter(|name| !name.is_empty());
        let types: Result<Vec<EventType>, _> = types.map(str::parse).collect();
        Ok(Endpoint {
            id: WebhookId::from(self.id),
            url: EndpointUrl::new(&self.url).map_err(broken("url"))?,
            types: types.map_err(broken("types"))?,
            description: Description::restore(&self.description).map_err(broken("description"))?,
            include_recipient: self.include_recipient,
            secrets,
            state,
            created_at: self.created_at.0,
            revision: number("revision", self.revision)?,
        })
    }
}

fn position(column: &'static str, text: &str) -> Result<FeedPosition, RepositoryError> {
    text.parse().map_err(broken(column))
}

impl ProgressRow {
    fn position(&self) -> Result<FeedPosition, RepositoryError> {
        position("position", &self.position)
    }

    fn replay(&self) -> Result<Option<Replay>, RepositoryError> {
        match (&self.replay_after, &self.replay_until) {
            (Some(after), Some(until)) => Ok(Some(Replay {
                after: position("replay_after", after)?,
                until: position("replay_until", until)?,
            })),
            (_, _) => Ok(None),
        }
    }
}

impl WatchedRow {
    /// Restores the endpoint with its progress.
    pub(crate) fn restore(self, keys: &EncryptionKeys) -> Result<WatchedEndpoint, RepositoryError> {
        Ok(WatchedEndpoint {
            position: self.progress.position()?,
            replay: self.progress.replay()?,
            failing_since: self.progress.failing_since.map(|since| since.0),
            waiting: number("waiting", self.waiting)?,
            oldest_waiting: self.oldest_waiting.map(|at| at.0),
            endpoint: self.endpoint.restore(keys)?,
        })
    }
}

impl HeldRow {
    fn restore(self, keys: &EncryptionKeys, now: Timestamp) -> Result<HeldEndpoint, RepositoryError> {
        Ok(HeldEndpoint {
            lease: EndpointLease {
                id: WebhookId::from(self.endpoint.id),
                fence: number("fence", self.progress.fence)?,
            },
            position: self.progress.position()?,
            replay: self.progress.replay()?,
            failing_since: self.progress.failing_since.map(|since| since.0),
            queue_revision: number("queue_revision", self.progress.queue_revision)?,
            endpoint: self.endpoint.restore(keys)?,
            now,
        })
    }
}

/// Restores the endpoints that a worker holds. A broken row must not stop the others: it is logged, and its deliveries
/// wait.
pub(crate) fn held_endpoints(rows: Vec<HeldRow>, keys: &EncryptionKeys, now: Timestamp) -> Vec<HeldEndpoint> {
    let restore = |row: HeldRow| {
        let id = row.endpoint.id;
        row.restore(keys, now)
            .inspect_err(|error| {
                let reason = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(webhook = %id, reason, "an endpoint cannot be read; its deliveries wait");
            })
            .ok()
    };
    rows.into_iter().filter_map(restore).collect()
}

impl DeliveryRow {
    /// Restores the delivery, if the row is valid.
    pub(crate) fn restore(self) -> Result<Delivery, RepositoryError> {
        Ok(Delivery {
            webhook_id: WebhookId::from(self.endpoint_id),
            number: number("number", self.number)?,
            content: NewDelivery {
                message_id: self.message_id,
                event_type: self.event_type,
                payout_id: self.payout_id.map(PayoutId::from),
                body: self.body,
            },
            status: self.status.parse().map_err(broken("status"))?,
            attempts: number("attempts", i64::from(self.attempts))?,
            created_at: self.created_at.0,
            due_at: self.due_at.map(|at| at.0),
            finished_at: self.finished_at.map(|at| at.0),
        })
    }
}

impl AttemptRow {
    /// Restores the record of the attempt, if the row is valid.
    pub(crate) fn restore(self) -> Result<AttemptRecord, RepositoryError> {
        Ok(AttemptRecord {
            attempt: number("attempt", i64::from(self.attempt))?,
            at: self.at.0,
            took: Duration::from_micros(number("took_us", self.took_us)?),
            status: self
                .status
                .map(|status| number("status", i64::from(status)))
                .transpose()?,
            error: self.error,
            answer: AnswerText::restore(self.answer),
        })
    }
}

/// Builds the deliveries of a page that was stored at `now`, the first with this number.
pub(crate) fn stored_page(
    id: WebhookId,
    first: u64,
    now: Timestamp,
    contents: &[NewDelivery],
) -> Vec<Delivery> {
    let numbered = contents.iter().zip(first..);
    numbered
        .map(|(content, number)| Delivery {
            webhook_id: id,
            number,
            content: content.clone(),
            status: payout_core::webhook::DeliveryStatus::Pending,
            attempts: 0,
            created_at: now,
            due_at: Some(now),
            finished_at: None,
        })
        .collect()
}

/// Returns an answer without the characters that a store refuses.
pub(crate) fn answer_column(record: &AttemptRecord) -> String {
    without_nul(record.answer.as_str())
}

/// Returns what a change of an endpoint tells the feed: that it was enabled or disabled.
pub(crate) fn change_of_state(before: &str, endpoint: &Endpoint, actor: &Actor) -> Option<Announcement> {
    match (before == ENABLED, endpoint.state) {
        (true, EndpointState::Disabled { why, .. }) => {
            Some(Announcement::of_disabled(endpoint.id, why, actor))
        }
        (false, EndpointState::Enabled) => Some(Announcement::of_enabled(endpoint.id, actor)),
        (true, EndpointState::Enabled) | (false, EndpointState::Disabled { .. }) => None,
    }
}
