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

use super::SqliteRepository;
use super::feed;
use super::store::{Statement, Store, Write, run_detached};
use crate::encryption::ReencryptedBatch;
use crate::storage::reads::Cost;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::reseal::{checked, new_webhook_secrets};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::without_nul;
use crate::storage::sql::webhooks::{
    AttemptRow, DeliveryRow, EndpointRow, WatchedRow, WrittenEndpoint, change_of_state, delivery_columns,
    endpoint_columns, progress_columns, waiting_columns,
};

const INSERT: &str = "
    INSERT INTO webhook_endpoints (id, url, types, description, include_recipient, secrets, sealed, state, \
        disabled_why, disabled_at, position, created_at) \
    SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?1
    WHERE (SELECT count(*) FROM webhook_endpoints WHERE NOT deleted) < ?13
    RETURNING id, url, types, description, include_recipient, secrets, sealed, state, disabled_why, disabled_at, \
        created_at, revision";

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
    " FROM webhook_endpoints AS endpoint WHERE NOT deleted AND endpoint.id = ?1"
);

/// Replaces an endpoint of the version that was read. One that becomes enabled begins without failures.
const SAVE: &str = "
    UPDATE webhook_endpoints
    SET url = ?3, types = ?4, description = ?5, include_recipient = ?6, secrets = ?7, sealed = ?8, state = ?9,
        disabled_why = ?10, disabled_at = ?11, revision = revision + 1,
        failing_since = CASE WHEN state = 'disabled' AND ?9 = 'enabled' THEN NULL ELSE failing_since END
    WHERE id = ?2 AND revision = ?12 AND NOT deleted AND ?1 IS NOT NULL
    RETURNING id, url, types, description, include_recipient, secrets, sealed, state, disabled_why, disabled_at, \
        created_at, revision";

const STATE: &str = "SELECT state FROM webhook_endpoints WHERE id = ?1 AND NOT deleted";

/// Hides an endpoint and wipes what is secret. The janitor removes its deliveries, and then the row.
const DELETE: &str = "
    UPDATE webhook_endpoints
    SET deleted = 1, url = '', description = '', secrets = NULL, sealed = NULL, fence = fence + 1
    WHERE id = ?2 AND NOT deleted AND ?1 IS NOT NULL
    RETURNING 1";

const REPLAY: &str = "
    UPDATE webhook_endpoints
    SET replay_after = ?3, replay_until = ?4, queue_revision = queue_revision + 1
    WHERE id = ?2 AND NOT deleted AND replay_after IS NULL AND ?1 IS NOT NULL
    RETURNING 1";

const COUNT_UP: &str = "
    UPDATE webhook_endpoints SET last_number = last_number + 1, queue_revision = queue_revision + 1
    WHERE id = ?1 AND NOT deleted
        AND (SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = ?1 AND status = 'pending') < ?2
    RETURNING last_number";

const ADD: &str = concat!(
    "INSERT INTO webhook_deliveries (endpoint_id, number, message_id, event_type, payout_id, body, created_at, due_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
    RETURNING ",
    delivery_columns!()
);

const HASTEN: &str = "
    UPDATE webhook_deliveries SET due_at = ?1
    WHERE endpoint_id = ?2 AND number = ?3 AND status = 'pending'
        AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?2 AND NOT deleted)
    RETURNING 1";

const NOTE_CHANGE: &str = "
    UPDATE webhook_endpoints SET queue_revision = queue_revision + 1 WHERE id = ?2 AND ?1 IS NOT NULL RETURNING 1";

const DELIVERY: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE endpoint_id = ?1 AND number = ?2
        AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1 AND NOT deleted)"
);

const ATTEMPTS: &str = "
    SELECT attempt, at, took_us, status, error, answer FROM webhook_attempts
    WHERE endpoint_id = ?1 AND number = ?2 ORDER BY attempt";

/// Builds the list of deliveries with a condition on their status, which is a constant so that its index is used.
macro_rules! deliveries {
    ($status:literal) => {
        concat!(
            "SELECT ",
            delivery_columns!(),
            " FROM webhook_deliveries WHERE endpoint_id = ?1 AND number < ?2 ",
            $status,
            " AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1 AND NOT deleted) ORDER BY number DESC LIMIT ?3"
        )
    };
}

const OF_PAYOUT: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE payout_id = ?1
        AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = endpoint_id AND NOT deleted)
    ORDER BY created_at DESC, endpoint_id, number DESC LIMIT ?2"
);

/// Chooses deliveries of deleted endpoints, and others whose time is over.
const FORGETTABLE: &str = "
    SELECT endpoint_id, number FROM webhook_deliveries
    WHERE endpoint_id IN (SELECT id FROM webhook_endpoints WHERE deleted)
    UNION ALL
    SELECT * FROM (
        SELECT endpoint_id, number FROM webhook_deliveries
        WHERE remove_at <= ?1 AND endpoint_id NOT IN (SELECT id FROM webhook_endpoints WHERE deleted)
        ORDER BY remove_at LIMIT ?2
    )
    LIMIT ?2";

const FORGET_ATTEMPTS: &str = "DELETE FROM webhook_attempts WHERE endpoint_id = ?1 AND number = ?2";

const FORGET: &str = "DELETE FROM webhook_deliveries WHERE endpoint_id = ?1 AND number = ?2";

/// Removes the rows of deleted endpoints that have no delivery any more.
const FORGET_ENDPOINTS: &str = "
    DELETE FROM webhook_endpoints
    WHERE deleted AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries WHERE webhook_deliveries.endpoint_id = webhook_endpoints.id)";

/// Reads endpoints whose secrets may have to be re-encrypted.
const SEALED: &str = concat!(
    "SELECT ",
    endpoint_columns!(),
    " FROM webhook_endpoints AS endpoint WHERE NOT deleted AND endpoint.id > ?1 ORDER BY endpoint.id LIMIT ?2"
);

/// Re-encrypts the secrets of an endpoint, while they are unchanged since they were read.
const RESEAL: &str = "
    UPDATE webhook_endpoints SET secrets = ?3, sealed = ?4
    WHERE id = ?2 AND secrets IS ?5 AND sealed IS ?6 AND NOT deleted AND ?1 IS NOT NULL
    RETURNING 1";

/// Runs one statement as a transaction of its own; its first parameter is the time.
pub(super) async fn write<Row>(
    store: &Store,
    statement: impl FnOnce(i64) -> Statement<'static, Row> + Send + 'static,
) -> Result<Vec<Row>, RepositoryError>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin + 'static,
{
    let store = store.clone();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let rows = statement(now.timestamp_micros())
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(rows)
    })
    .await
}

/// Binds the time and the columns that an operator changes.
fn columns(
    statement: &'static str,
    now: i64,
    endpoint: &Endpoint,
    written: WrittenEndpoint,
) -> Statement<'static, EndpointRow> {
    sqlx::query_as::<_, EndpointRow>(statement)
        .bind(now)
        .bind(endpoint.id.as_uuid())
        .bind(endpoint.url.as_str().to_owned())
        .bind(written.types)
        .bind(endpoint.description.as_str().to_owned())
        .bind(endpoint.include_recipient)
        .bind(written.secrets.secrets)
        .bind(written.secrets.sealed)
        .bind(written.state)
        .bind(written.disabled_why)
        .bind(written.disabled_at.map(|at| at.timestamp_micros()))
}

impl SqliteRepository {
    /// Writes the columns that an operator changes; they follow the time. `last` binds the rest.
    async fn write_endpoint(
        &self,
        statement: &'static str,
        endpoint: &Endpoint,
        last: impl FnOnce(Statement<'static, EndpointRow>) -> Statement<'static, EndpointRow> + Send + 'static,
    ) -> Result<Option<Endpoint>, RepositoryError> {
        let written = WrittenEndpoint::of(endpoint, &self.store.keyring)?;
        let endpoint = endpoint.clone();
        let mut rows = write(&self.store, move |now| {
            last(columns(statement, now, &endpoint, written))
        })
        .await?;
        rows.pop().map(|row| row.restore(&self.store.keyring)).transpose()
    }

    /// Replaces an endpoint of the version that was read, and tells the feed if its state changed.
    async fn save(&self, endpoint: &Endpoint, actor: &Actor) -> Result<Option<Endpoint>, RepositoryError> {
        let written = WrittenEndpoint::of(endpoint, &self.store.keyring)?;
        let revision = as_i64("revision", endpoint.revision)?;
        let (store, endpoint, actor) = (self.store.clone(), endpoint.clone(), actor.clone());
        run_detached(async move {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let state = sqlx::query_as::<_, (String,)>(STATE).bind(endpoint.id.as_uuid());
            let before = state.fetch_optional(&mut *transaction).await;
            let before = before.map_err(repository_error)?;
            let save = columns(SAVE, now.timestamp_micros(), &endpoint, written).bind(revision);
            let saved = save.fetch_optional(&mut *transaction).await;
            let (Some((state,)), Some(row)) = (before, saved.map_err(repository_error)?) else {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(None);
            };
            if let Some(change) = change_of_state(&state, &endpoint, &actor) {
                feed::tell(&mut transaction, now, &change).await?;
            }
            transaction.commit().await.map_err(repository_error)?;
            row.restore(&store.keyring).map(Some)
        })
        .await
    }

    async fn has_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError> {
        Ok(self.webhook(id).await?.is_some())
    }
}

#[async_trait]
impl WebhookRepository for SqliteRepository {
    async fn webhooks_now(&self) -> Result<Timestamp, RepositoryError> {
        Ok(self.store.now())
    }

    async fn insert_webhook(
        &self,
        endpoint: &Endpoint,
        position: FeedPosition,
    ) -> Result<Endpoint, WebhookError> {
        let last = move |statement: Statement<'static, EndpointRow>| {
            statement.bind(position.to_string()).bind(i64::from(WEBHOOKS_MAX))
        };
        let inserted = self.write_endpoint(INSERT, endpoint, last).await?;
        inserted.ok_or(WebhookError::TooMany)
    }

    async fn webhooks(&self) -> Result<Vec<WatchedEndpoint>, RepositoryError> {
        let rows = self.store.read(sqlx::query_as::<_, WatchedRow>(ALL)).await?;
        rows.into_iter()
            .map(|row| row.restore(&self.store.keyring))
            .collect()
    }

    async fn webhook(&self, id: WebhookId) -> Result<Option<WatchedEndpoint>, RepositoryError> {
        let one = sqlx::query_as::<_, WatchedRow>(ONE).bind(id.as_uuid());
        let row = self.store.read(one).await?.pop();
        row.map(|row| row.restore(&self.store.keyring)).transpose()
    }

    async fn save_webhook(&self, endpoint: &Endpoint, actor: &Actor) -> Result<Endpoint, WebhookError> {
        match self.save(endpoint, actor).await? {
            Some(saved) => Ok(saved),
            None if self.has_webhook(endpoint.id).await? => Err(WebhookError::Changed),
            None => Err(WebhookError::NotFound),
        }
    }

    async fn delete_webhook(&self, id: WebhookId) -> Result<bool, RepositoryError> {
        let delete = move |now| sqlx::query_as::<_, (i64,)>(DELETE).bind(now).bind(id.as_uuid());
        Ok(!write(&self.store, delete).await?.is_empty())
    }

    async fn replay(&self, id: WebhookId, range: Replay) -> Result<(), WebhookError> {
        let replay = move |now| {
            sqlx::query_as::<_, (i64,)>(REPLAY)
                .bind(now)
                .bind(id.as_uuid())
                .bind(range.after.to_string())
                .bind(range.until.to_string())
        };
        match write(&self.store, replay).await?.pop() {
            Some(_) => Ok(()),
            None if self.has_webhook(id).await? => Err(WebhookError::Replaying),
            None => Err(WebhookError::NotFound),
        }
    }

    async fn add_delivery(&self, id: WebhookId, delivery: &NewDelivery) -> Result<Delivery, WebhookError> {
        let (store, delivery) = (self.store.clone(), delivery.clone());
        let added = run_detached(async move {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let count_up = sqlx::query_as::<_, (i64,)>(COUNT_UP)
                .bind(id.as_uuid())
                .bind(i64::from(WAITING_DELIVERIES_MAX));
            let counted = count_up.fetch_optional(&mut *transaction).await;
            let Some((number,)) = counted.map_err(repository_error)? else {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(None);
            };
            let add = sqlx::query_as::<_, DeliveryRow>(ADD)
                .bind(id.as_uuid())
                .bind(number)
                .bind(delivery.message_id)
                .bind(delivery.event_type)
                .bind(delivery.payout_id.map(|payout| payout.as_uuid()))
                .bind(without_nul(&delivery.body))
                .bind(now.timestamp_micros());
            let row = add.fetch_one(&mut *transaction).await.map_err(repository_error)?;
            transaction.commit().await.map_err(repository_error)?;
            row.restore().map(Some)
        });
        match added.await? {
            Some(delivery) => Ok(delivery),
            None if self.has_webhook(id).await? => Err(WebhookError::Full),
            None => Err(WebhookError::NotFound),
        }
    }

    async fn hasten_delivery(&self, id: WebhookId, number: u64) -> Result<Delivery, WebhookError> {
        let place = as_i64("number", number)?;
        let hasten = move |now| {
            sqlx::query_as::<_, (i64,)>(HASTEN)
                .bind(now)
                .bind(id.as_uuid())
                .bind(place)
        };
        // The holder reads what waits after it has seen the change, so the change is noted last.
        if !write(&self.store, hasten).await?.is_empty() {
            let note = move |now| {
                sqlx::query_as::<_, (i64,)>(NOTE_CHANGE)
                    .bind(now)
                    .bind(id.as_uuid())
            };
            write(&self.store, note).await?;
        }
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
        let read = sqlx::query_as::<_, DeliveryRow>(statement)
            .bind(id.as_uuid())
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(query.limit));
        let rows = self.store.read_costly(Cost::Light, read).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn deliveries_of_payout(&self, id: PayoutId, limit: u32) -> Result<Vec<Delivery>, RepositoryError> {
        let read = sqlx::query_as::<_, DeliveryRow>(OF_PAYOUT)
            .bind(id.as_uuid())
            .bind(i64::from(limit));
        let rows = self.store.read_costly(Cost::Light, read).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn delivery(
        &self,
        id: WebhookId,
        number: u64,
    ) -> Result<Option<(Delivery, Vec<AttemptRecord>)>, RepositoryError> {
        let (id, number) = (id.as_uuid(), as_i64("number", number)?);
        let read = sqlx::query_as::<_, DeliveryRow>(DELIVERY).bind(id).bind(number);
        let Some(delivery) = self.store.read(read).await?.pop() else {
            return Ok(None);
        };
        let read = sqlx::query_as::<_, AttemptRow>(ATTEMPTS).bind(id).bind(number);
        let attempts = self.store.read(read).await?;
        let attempts: Result<_, _> = attempts.into_iter().map(AttemptRow::restore).collect();
        Ok(Some((delivery.restore()?, attempts?)))
    }

    async fn forget_deliveries(&self, limit: u32) -> Result<u64, RepositoryError> {
        let store = self.store.clone();
        run_detached(async move {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let choose = sqlx::query_as::<_, (Vec<u8>, i64)>(FORGETTABLE)
                .bind(now.timestamp_micros())
                .bind(i64::from(limit));
            let chosen = choose
                .fetch_all(&mut *transaction)
                .await
                .map_err(repository_error)?;
            for (endpoint, number) in &chosen {
                for statement in [FORGET_ATTEMPTS, FORGET] {
                    let forget = sqlx::query(statement).bind(endpoint).bind(number);
                    forget
                        .execute(&mut *transaction)
                        .await
                        .map_err(repository_error)?;
                }
            }
            let empty = sqlx::query(FORGET_ENDPOINTS).execute(&mut *transaction).await;
            empty.map_err(repository_error)?;
            transaction.commit().await.map_err(repository_error)?;
            Ok(chosen.len() as u64)
        })
        .await
    }
}

/// Re-encrypts the secrets of endpoints with the current key.
pub(super) async fn reseal(
    store: &Store,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<ReencryptedBatch<WebhookId>, RepositoryError> {
    let read = sqlx::query_as::<_, EndpointRow>(SEALED)
        .bind(after.map_or(Uuid::nil(), WebhookId::as_uuid))
        .bind(checked(limit)?);
    let rows = store.read(read).await?;
    let last = rows.last().map(|row| WebhookId::from(row.id));
    let mut batch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = batch.reseal(rows, |row| new_webhook_secrets(row, &store.keyring), |row| row.id);
    for one in stale {
        let reseal = move |now| {
            sqlx::query_as::<_, (i64,)>(RESEAL)
                .bind(now)
                .bind(one.row.id)
                .bind(one.new.secrets)
                .bind(one.new.sealed)
                .bind(one.row.secrets)
                .bind(one.row.sealed)
        };
        batch.sealed += write(store, reseal).await?.len() as u64;
    }
    Ok(batch)
}
