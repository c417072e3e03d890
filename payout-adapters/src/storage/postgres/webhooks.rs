//! Webhook endpoints and their deliveries, as operators see them.

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::feed::FeedPosition;
use payout_core::payout::{Actor, PayoutId};
use payout_core::ports::{
    DeliveryQuery, RepositoryError, WAITING_DELIVERIES_MAX, WEBHOOKS_MAX, WatchedEndpoint, WebhookError,
    WebhookRepository,
};
use payout_core::webhook::{AttemptRecord, Delivery, Endpoint, NewDelivery, Replay, WebhookId};
use uuid::Uuid;

use super::link::{Link, Statement, only};
use super::transaction::Transaction;
use super::{PostgresRepository, feed, find};
use crate::encryption::ReencryptedBatch;
use crate::storage::reads::Cost;
use crate::storage::sql::reseal::{checked, new_webhook_secrets};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::without_nul;
use crate::storage::sql::webhooks::{
    AttemptRow, DeliveryRow, EndpointRow, WatchedRow, WrittenEndpoint, change_of_state, delivery_columns,
    endpoint_columns, progress_columns, waiting_columns,
};

const INSERT: &str = concat!(
    "INSERT INTO webhook_endpoints AS endpoint (id, url, types, description, include_recipient, secrets, sealed, state, \
         disabled_why, disabled_at, position, created_at) \
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() \
     WHERE (SELECT count(*) FROM webhook_endpoints WHERE NOT deleted) < $12 \
     RETURNING ",
    endpoint_columns!()
);

const ALL: &str = concat!(
    "SELECT ",
    endpoint_columns!(),
    ", ",
    progress_columns!(),
    ", ",
    waiting_columns!(),
    " FROM webhook_endpoints AS endpoint WHERE NOT deleted ORDER BY endpoint.created_at, endpoint.id"
);

const ONE: &str = concat!(
    "SELECT ",
    endpoint_columns!(),
    ", ",
    progress_columns!(),
    ", ",
    waiting_columns!(),
    " FROM webhook_endpoints AS endpoint WHERE NOT deleted AND endpoint.id = $1"
);

/// Replaces an endpoint of the version that was read. One that becomes enabled begins without failures.
const SAVE: &str = concat!(
    "UPDATE webhook_endpoints AS endpoint \
     SET url = $2, types = $3, description = $4, include_recipient = $5, secrets = $6, sealed = $7, state = $8, \
         disabled_why = $9, disabled_at = $10, revision = revision + 1, \
         failing_since = CASE WHEN state = 'disabled' AND $8 = 'enabled' THEN NULL ELSE failing_since END \
     WHERE id = $1 AND revision = $11 AND NOT deleted \
     RETURNING ",
    endpoint_columns!()
);

/// Reads the state of an endpoint of the version that was read, and locks it.
const LOCK_STATE: &str = "
    SELECT state FROM webhook_endpoints WHERE id = $1 AND revision = $2 AND NOT deleted FOR UPDATE";

/// Hides an endpoint and wipes what is secret. The janitor removes its deliveries, and then the row.
const DELETE: &str = "
    UPDATE webhook_endpoints
    SET deleted = true, url = '', description = '', secrets = NULL, sealed = NULL, fence = fence + 1
    WHERE id = $1 AND NOT deleted
    RETURNING 1";

const REPLAY: &str = "
    UPDATE webhook_endpoints
    SET replay_after = $2, replay_until = $3, queue_revision = queue_revision + 1
    WHERE id = $1 AND NOT deleted AND replay_after IS NULL
    RETURNING 1";

const ADD: &str = concat!(
    "WITH owner AS (
        UPDATE webhook_endpoints SET last_number = last_number + 1, queue_revision = queue_revision + 1
        WHERE id = $1 AND NOT deleted AND (
            SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending') < $6
        RETURNING id, last_number
    )
    INSERT INTO webhook_deliveries (endpoint_id, number, message_id, event_type, payout_id, body, created_at, due_at)
    SELECT id, last_number, $2, $3, $4, $5, now(), now() FROM owner
    RETURNING ",
    delivery_columns!()
);

/// Makes a delivery due. The endpoint is locked first, as by its holder.
const HASTEN: &str = "
    WITH owner AS (
        UPDATE webhook_endpoints SET queue_revision = queue_revision + 1 WHERE id = $1 AND NOT deleted RETURNING id
    )
    UPDATE webhook_deliveries SET due_at = now() FROM owner
    WHERE endpoint_id = owner.id AND number = $2 AND status = 'pending'
    RETURNING 1";

const DELIVERY: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE endpoint_id = $1 AND number = $2
        AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND NOT deleted)"
);

const ATTEMPTS: &str = "
    SELECT attempt, at, took_us, status, error, answer FROM webhook_attempts
    WHERE endpoint_id = $1 AND number = $2 ORDER BY attempt";

/// Builds the list of deliveries with a condition on their status, which is a constant so that its index is used.
macro_rules! deliveries {
    ($status:literal) => {
        concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM webhook_deliveries WHERE endpoint_id = $1 AND number < $2 ",
            $status,
            " AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND NOT deleted) ORDER BY number DESC LIMIT $3"
        )
    };
}

const OF_PAYOUT: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE payout_id = $1
        AND EXISTS (SELECT FROM webhook_endpoints WHERE id = endpoint_id AND NOT deleted)
    ORDER BY created_at DESC, endpoint_id, number DESC LIMIT $2"
);

/// Removes deliveries of deleted endpoints, and others whose time is over. An endpoint goes with its last delivery.
const FORGET: &str = "
    WITH orphaned AS (
        SELECT delivery.endpoint_id, delivery.number
        FROM webhook_endpoints AS endpoint
        CROSS JOIN LATERAL (
            SELECT endpoint_id, number FROM webhook_deliveries WHERE endpoint_id = endpoint.id LIMIT $1
        ) AS delivery
        WHERE endpoint.deleted
        LIMIT $1
    ), old AS (
        SELECT endpoint_id, number FROM webhook_deliveries WHERE remove_at <= now() ORDER BY remove_at LIMIT $1
    ), chosen AS (
        SELECT * FROM orphaned UNION SELECT * FROM old LIMIT $1
    ), forgotten_attempts AS (
        DELETE FROM webhook_attempts USING chosen
        WHERE webhook_attempts.endpoint_id = chosen.endpoint_id AND webhook_attempts.number = chosen.number
    ), forgotten AS (
        DELETE FROM webhook_deliveries USING chosen
        WHERE webhook_deliveries.endpoint_id = chosen.endpoint_id AND webhook_deliveries.number = chosen.number
        RETURNING 1
    ), emptied AS (
        DELETE FROM webhook_endpoints AS endpoint
        WHERE endpoint.deleted AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE endpoint_id = endpoint.id)
    )
    SELECT count(*) FROM forgotten";

/// Reads endpoints whose secrets may have to be re-encrypted.
const SEALED: &str = concat!(
    "SELECT ",
    endpoint_columns!(),
    " FROM webhook_endpoints AS endpoint WHERE NOT deleted AND endpoint.id > $1 ORDER BY endpoint.id LIMIT $2"
);

/// Re-encrypts the secrets of an endpoint, while they are unchanged since they were read.
const RESEAL: &str = "
    UPDATE webhook_endpoints SET secrets = $2, sealed = $3
    WHERE id = $1 AND secrets IS NOT DISTINCT FROM $4 AND sealed IS NOT DISTINCT FROM $5 AND NOT deleted
    RETURNING 1";

impl PostgresRepository {
    /// Binds the columns that an operator changes, from the first parameter on.
    fn bound<Row>(
        &self,
        statement: &'static str,
        endpoint: &Endpoint,
    ) -> Result<Statement<'static, Row>, RepositoryError>
    where
        Row: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
    {
        let written = WrittenEndpoint::of(endpoint, &self.link.keyring)?;
        Ok(sqlx::query_as::<_, Row>(statement)
            .bind(endpoint.id.as_uuid())
            .bind(endpoint.url.as_str().to_owned())
            .bind(written.types)
            .bind(endpoint.description.as_str().to_owned())
            .bind(endpoint.include_recipient)
            .bind(written.secrets.secrets)
            .bind(written.secrets.sealed)
            .bind(written.state)
            .bind(written.disabled_why)
            .bind(written.disabled_at))
    }

    async fn has_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError> {
        Ok(self.webhook(id).await?.is_some())
    }
}

#[async_trait]
impl WebhookRepository for PostgresRepository {
    async fn webhooks_now(&self) -> Result<Timestamp, RepositoryError> {
        find::now(&self.link).await
    }

    async fn insert_webhook(
        &self,
        endpoint: &Endpoint,
        position: FeedPosition,
    ) -> Result<Endpoint, WebhookError> {
        let insert = self
            .bound::<EndpointRow>(INSERT, endpoint)?
            .bind(position.to_string())
            .bind(i64::from(WEBHOOKS_MAX));
        match self.link.write(insert).await?.pop() {
            Some(row) => Ok(row.restore(&self.link.keyring)?),
            None => Err(WebhookError::TooMany),
        }
    }

    async fn webhooks(&self) -> Result<Vec<WatchedEndpoint>, RepositoryError> {
        let rows = self.link.read(|| sqlx::query_as::<_, WatchedRow>(ALL)).await?;
        rows.into_iter()
            .map(|row| row.restore(&self.link.keyring))
            .collect()
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<WatchedEndpoint>, RepositoryError> {
        let read = || sqlx::query_as::<_, WatchedRow>(ONE).bind(id.as_uuid());
        let row = self.link.read(read).await?.pop();
        row.map(|row| row.restore(&self.link.keyring)).transpose()
    }

    async fn save_webhook(&self, endpoint: &Endpoint, actor: &Actor) -> Result<Endpoint, WebhookError> {
        let revision = as_i64("revision", endpoint.revision)?;
        let save = self.bound::<EndpointRow>(SAVE, endpoint)?.bind(revision);
        let mut transaction = Transaction::begin(&self.link).await?;
        let read = sqlx::query_as::<_, (String,)>(LOCK_STATE)
            .bind(endpoint.id.as_uuid())
            .bind(revision);
        let before = transaction.run(read).await?.pop();
        let saved = transaction.run(save).await?.pop();
        let (Some((state,)), Some(row)) = (before, saved) else {
            transaction.rollback().await?;
            return Err(match self.has_webhook(endpoint.id).await? {
                true => WebhookError::Changed,
                false => WebhookError::NotFound,
            });
        };
        if let Some(change) = change_of_state(&state, endpoint, actor) {
            feed::tell(&mut transaction, &change).await?;
        }
        transaction.commit().await?;
        Ok(row.restore(&self.link.keyring)?)
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError> {
        let delete = sqlx::query_as::<_, (i32,)>(DELETE).bind(id.as_uuid());
        Ok(!self.link.write(delete).await?.is_empty())
    }

    async fn replay(&self, id: WebhookId, range: Replay) -> Result<(), WebhookError> {
        let replay = sqlx::query_as::<_, (i32,)>(REPLAY)
            .bind(id.as_uuid())
            .bind(range.after.to_string())
            .bind(range.until.to_string());
        match self.link.write(replay).await?.pop() {
            Some(_) => Ok(()),
            None if self.has_webhook(id).await? => Err(WebhookError::Replaying),
            None => Err(WebhookError::NotFound),
        }
    }

    async fn add_delivery(&self, id: WebhookId, delivery: &NewDelivery) -> Result<Delivery, WebhookError> {
        let add = sqlx::query_as::<_, DeliveryRow>(ADD)
            .bind(id.as_uuid())
            .bind(&delivery.message_id)
            .bind(&delivery.event_type)
            .bind(delivery.payout_id.map(|payout| payout.as_uuid()))
            .bind(without_nul(&delivery.body))
            .bind(i64::from(WAITING_DELIVERIES_MAX));
        match self.link.write(add).await?.pop() {
            Some(row) => Ok(row.restore()?),
            None if self.has_webhook(id).await? => Err(WebhookError::Full),
            None => Err(WebhookError::NotFound),
        }
    }

    async fn hasten_delivery(&self, id: WebhookId, number: u64) -> Result<Delivery, WebhookError> {
        let hasten = sqlx::query_as::<_, (i32,)>(HASTEN)
            .bind(id.as_uuid())
            .bind(as_i64("number", number)?);
        self.link.write(hasten).await?;
        let found = self.delivery(id, number).await?;
        Ok(found.ok_or(WebhookError::NotFound)?.0)
    }

    async fn deliveries(
        &self,
        id: WebhookId,
        query: &DeliveryQuery,
    ) -> Result<Vec<Delivery>, RepositoryError> {
        use payout_core::webhook::DeliveryStatus::{Delivered, Failed, Pending};

        let statement = match query.status {
            None => deliveries!(""),
            Some(Pending) => deliveries!("AND status = 'pending'"),
            Some(Delivered) => deliveries!("AND status = 'delivered'"),
            Some(Failed) => deliveries!("AND status = 'failed'"),
        };
        let before = query.before.and_then(|before| i64::try_from(before).ok());
        let read = || {
            sqlx::query_as::<_, DeliveryRow>(statement)
                .bind(id.as_uuid())
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(query.limit))
        };
        let rows = self.link.read_costly(Cost::Light, read).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn deliveries_of_payout(&self, id: PayoutId, limit: u32) -> Result<Vec<Delivery>, RepositoryError> {
        let read = || {
            sqlx::query_as::<_, DeliveryRow>(OF_PAYOUT)
                .bind(id.as_uuid())
                .bind(i64::from(limit))
        };
        let rows = self.link.read_costly(Cost::Light, read).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn delivery(
        &self,
        id: WebhookId,
        number: u64,
    ) -> Result<Option<(Delivery, Vec<AttemptRecord>)>, RepositoryError> {
        let (id, number) = (id.as_uuid(), as_i64("number", number)?);
        let read = || sqlx::query_as::<_, DeliveryRow>(DELIVERY).bind(id).bind(number);
        let Some(delivery) = self.link.read(read).await?.pop() else {
            return Ok(None);
        };
        let read = || sqlx::query_as::<_, AttemptRow>(ATTEMPTS).bind(id).bind(number);
        let attempts = self.link.read(read).await?;
        let attempts: Result<_, _> = attempts.into_iter().map(AttemptRow::restore).collect();
        Ok(Some((delivery.restore()?, attempts?)))
    }

    async fn forget_deliveries(&self, limit: u32) -> Result<u64, RepositoryError> {
        let forget = sqlx::query_as::<_, (i64,)>(FORGET).bind(i64::from(limit));
        let (forgotten,) = only(self.link.write(forget).await?)?;
        Ok(forgotten.unsigned_abs())
    }
}

/// Re-encrypts the secrets of endpoints with the current key.
pub(super) async fn reseal(
    link: &Link,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<ReencryptedBatch<WebhookId>, RepositoryError> {
    let (after, rows) = (after.map_or(Uuid::nil(), WebhookId::as_uuid), checked(limit)?);
    let read = || sqlx::query_as::<_, EndpointRow>(SEALED).bind(after).bind(rows);
    let rows = link.read(read).await?;
    let last = rows.last().map(|row| WebhookId::from(row.id));
    let mut batch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = batch.reseal(rows, |row| new_webhook_secrets(row, &link.keyring), |row| row.id);
    for one in stale {
        let reseal = sqlx::query_as::<_, (i32,)>(RESEAL)
            .bind(one.row.id)
            .bind(one.new.secrets)
            .bind(one.new.sealed)
            .bind(one.row.secrets)
            .bind(one.row.sealed);
        batch.sealed += link.write(reseal).await?.len() as u64;
    }
    Ok(batch)
}
