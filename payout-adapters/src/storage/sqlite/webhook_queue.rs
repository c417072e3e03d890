//! Leases of webhook endpoints, their pages and their attempts.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::feed::Announcement;
use payout_core::payout::Actor;
use payout_core::ports::{
    AttemptBatch, DeliveryPage, EndpointLease, HeldEndpoint, KEEP_DELIVERED, KEEP_FAILED, PageSource,
    RepositoryError, SettledAttempt, WebhookQueue,
};
use payout_core::webhook::{Delivery, Next};
use serde::Serialize;

use super::SqliteRepository;
use super::feed;
use super::store::{Write, hex, json, run_detached};
use super::webhooks::write;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::{as_i64, number};
use crate::storage::sql::stored::{as_micros, without_nul};
use crate::storage::sql::webhooks::{
    DeliveryRow, ENABLED, HeldRow, answer_column, delivery_columns, endpoint_columns, held_endpoints,
    progress_columns, stored_page,
};

/// Looks for a free endpoint, so that a look that finds none does not write.
const HAS_FREE: &str = "
    SELECT 1 FROM webhook_endpoints
    WHERE NOT deleted AND state = 'enabled' AND (leased_until IS NULL OR leased_until < ?1) LIMIT 1";

const ACQUIRE: &str = "
    UPDATE webhook_endpoints
    SET fence = fence + 1, held_by = ?2, leased_until = ?1 + ?3
    WHERE id IN (
        SELECT id FROM webhook_endpoints
        WHERE NOT deleted AND state = 'enabled' AND (leased_until IS NULL OR leased_until < ?1)
        ORDER BY id LIMIT ?4
    )
    RETURNING id, fence";

const RENEW: &str = "
    UPDATE webhook_endpoints SET leased_until = ?1 + ?3
    FROM jsonb_each(?2)
    WHERE webhook_endpoints.id = unhex(value ->> 'id') AND fence = value ->> 'fence'
        AND NOT deleted AND state = 'enabled'
    RETURNING webhook_endpoints.id, fence";

const HELD: &str = concat!(
    "SELECT ",
    endpoint_columns!(),
    ", ",
    progress_columns!(),
    " FROM webhook_endpoints AS endpoint WHERE endpoint.id = ?1 AND fence = ?2"
);

const RELEASE: &str = "
    UPDATE webhook_endpoints SET leased_until = NULL, held_by = NULL
    WHERE id = ?2 AND fence = ?3 AND ?1 IS NOT NULL RETURNING 1";

const WAITING: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE endpoint_id = ?1 AND status = 'pending'
        AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1 AND fence = ?2 AND NOT deleted)
    ORDER BY number"
);

/// Moves the position, if it is still the one after which the page was read.
const MOVE: &str = "
    UPDATE webhook_endpoints SET position = ?4, last_number = last_number + ?6
    WHERE id = ?1 AND fence = ?2 AND NOT deleted AND position = ?3 AND ?5 IS NOT NULL
    RETURNING last_number - ?6 + 1";

/// Moves the position in the range that is replayed, in the same way.
const MOVE_REPLAY: &str = "
    UPDATE webhook_endpoints
    SET replay_after = CASE WHEN ?5 THEN NULL ELSE ?4 END,
        replay_until = CASE WHEN ?5 THEN NULL ELSE replay_until END,
        last_number = last_number + ?6
    WHERE id = ?1 AND fence = ?2 AND NOT deleted AND replay_after = ?3
    RETURNING last_number - ?6 + 1";

const STORE: &str = "
    INSERT INTO webhook_deliveries (endpoint_id, number, message_id, event_type, payout_id, body, created_at, due_at)
    SELECT ?1, ?2 + key, value ->> 'message_id', value ->> 'event_type', unhex(value ->> 'payout_id'), value ->> 'body',
        ?3, ?3
    FROM jsonb_each(?4)";

/// Reads the state of an endpoint, and its worker.
const HELD_STATE: &str = "SELECT state, held_by FROM webhook_endpoints WHERE id = ?1 AND NOT deleted";

const SETTLE_ENDPOINT: &str = "
    UPDATE webhook_endpoints
    SET failing_since = ?3,
        state = CASE WHEN ?4 IS NULL THEN state ELSE 'disabled' END,
        disabled_why = CASE WHEN state = 'enabled' THEN ?4 ELSE disabled_why END,
        disabled_at = CASE WHEN state = 'enabled' AND ?4 IS NOT NULL THEN ?5 ELSE disabled_at END,
        revision = revision + CASE WHEN state = 'enabled' AND ?4 IS NOT NULL THEN 1 ELSE 0 END
    WHERE id = ?1 AND fence = ?2 AND NOT deleted
    RETURNING 1";

/// Records attempts. One that is recorded already stays.
const RECORD: &str = "
    INSERT INTO webhook_attempts (endpoint_id, number, attempt, at, took_us, status, error, answer)
    SELECT ?1, value ->> 'number', value ->> 'attempt', value ->> 'at', value ->> 'took_us', value ->> 'status',
        value ->> 'error', value ->> 'answer'
    FROM jsonb_each(?2) WHERE true
    ON CONFLICT DO NOTHING";

/// Changes deliveries by their attempts. An attempt that was stored already changes nothing.
const SETTLE: &str = "
    UPDATE webhook_deliveries
    SET attempts = value ->> 'attempt',
        status = value ->> 'next',
        due_at = CASE WHEN value ->> 'next' = 'pending' THEN ?3 + (value ->> 'wait_us') END,
        finished_at = CASE WHEN value ->> 'next' <> 'pending' THEN ?3 END,
        remove_at = CASE WHEN value ->> 'next' <> 'pending' THEN ?3 + (value ->> 'wait_us') END
    FROM jsonb_each(?2)
    WHERE endpoint_id = ?1 AND webhook_deliveries.number = value ->> 'number'
        AND webhook_deliveries.status = 'pending' AND webhook_deliveries.attempts < value ->> 'attempt'";

#[derive(Serialize)]
struct LeaseParameter {
    id: String,
    fence: i64,
}

#[derive(Serialize)]
struct NewParameter<'a> {
    message_id: &'a str,
    event_type: &'a str,
    payout_id: Option<String>,
    body: String,
}

#[derive(Serialize)]
struct AttemptParameter {
    number: u64,
    attempt: u32,
    at: i64,
    took_us: i64,
    status: Option<u16>,
    error: Option<String>,
    answer: String,
    next: &'static str,
    wait_us: i64,
}

impl AttemptParameter {
    fn of(one: &SettledAttempt) -> Self {
        let (next, wait) = match one.next {
            Next::Delivered => ("delivered", KEEP_DELIVERED),
            Next::Again { after } => ("pending", after),
            Next::GivenUp => ("failed", KEEP_FAILED),
        };
        Self {
            number: one.number,
            attempt: one.record.attempt,
            at: one.record.at.timestamp_micros(),
            took_us: as_micros(one.record.took),
            status: one.record.status,
            error: one.record.error.as_deref().map(without_nul),
            answer: answer_column(&one.record),
            next,
            wait_us: as_micros(wait),
        }
    }
}

impl SqliteRepository {
    /// Leases or extends by this statement, and reads what is held, in one transaction.
    async fn hold(
        &self,
        statement: &'static str,
        text: String,
        lease: Duration,
        limit: Option<u32>,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        let store = self.store.clone();
        run_detached(async move {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let mut statement = sqlx::query_as::<_, (Vec<u8>, i64)>(statement)
                .bind(now.timestamp_micros())
                .bind(text)
                .bind(as_micros(lease));
            if let Some(limit) = limit {
                statement = statement.bind(i64::from(limit));
            }
            let leases = statement
                .fetch_all(&mut *transaction)
                .await
                .map_err(repository_error)?;
            let mut rows = Vec::new();
            for (id, fence) in leases {
                let held = sqlx::query_as::<_, HeldRow>(HELD).bind(id).bind(fence);
                rows.push(
                    held.fetch_one(&mut *transaction)
                        .await
                        .map_err(repository_error)?,
                );
            }
            transaction.commit().await.map_err(repository_error)?;
            Ok(held_endpoints(rows, &store.keyring, now))
        })
        .await
    }
}

#[async_trait]
impl WebhookQueue for SqliteRepository {
    async fn acquire_webhooks(
        &self,
        worker: &Actor,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        let look = sqlx::query_as::<_, (i64,)>(HAS_FREE).bind(self.store.now().timestamp_micros());
        if self.store.read(look).await?.is_empty() {
            return Ok(Vec::new());
        }
        self.hold(ACQUIRE, worker.as_str().to_owned(), lease, Some(limit))
            .await
    }

    async fn renew_webhooks(
        &self,
        leases: &[EndpointLease],
        lease: Duration,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        let parameters: Result<Vec<LeaseParameter>, RepositoryError> = leases
            .iter()
            .map(|lease| {
                Ok(LeaseParameter {
                    id: hex(lease.id.as_uuid().as_bytes()),
                    fence: as_i64("fence", lease.fence)?,
                })
            })
            .collect();
        self.hold(RENEW, json(&parameters?)?, lease, None).await
    }

    async fn release_webhook(&self, lease: EndpointLease) -> Result<(), RepositoryError> {
        let fence = as_i64("fence", lease.fence)?;
        let release = move |now| {
            sqlx::query_as::<_, (i64,)>(RELEASE)
                .bind(now)
                .bind(lease.id.as_uuid())
                .bind(fence)
        };
        write(&self.store, release).await.map(drop)
    }

    async fn waiting_deliveries(&self, lease: EndpointLease) -> Result<Vec<Delivery>, RepositoryError> {
        let waiting = sqlx::query_as::<_, DeliveryRow>(WAITING)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?);
        let rows = self.store.read(waiting).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn store_page(
        &self,
        lease: EndpointLease,
        page: &DeliveryPage,
    ) -> Result<Option<Vec<Delivery>>, RepositoryError> {
        let (store, page) = (self.store.clone(), page.clone());
        let fence = as_i64("fence", lease.fence)?;
        run_detached(async move {
            let parameters: Vec<NewParameter<'_>> = page.deliveries.iter().map(parameter).collect();
            let parameters = json(&parameters)?;
            let (statement, ends) = match page.source {
                PageSource::Feed => (MOVE, false),
                PageSource::Replay { ends } => (MOVE_REPLAY, ends),
            };
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let moved = sqlx::query_as::<_, (i64,)>(statement)
                .bind(lease.id.as_uuid())
                .bind(fence)
                .bind(page.after.to_string())
                .bind(page.next.to_string())
                .bind(ends)
                .bind(as_i64("last_number", page.deliveries.len() as u64)?);
            let moved = moved.fetch_optional(&mut *transaction).await;
            let Some((first,)) = moved.map_err(repository_error)? else {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(None);
            };
            let insert = sqlx::query(STORE)
                .bind(lease.id.as_uuid())
                .bind(first)
                .bind(now.timestamp_micros())
                .bind(parameters);
            insert
                .execute(&mut *transaction)
                .await
                .map_err(repository_error)?;
            transaction.commit().await.map_err(repository_error)?;
            let first = number("number", first)?;
            Ok(Some(stored_page(lease.id, first, now, &page.deliveries)))
        })
        .await
    }

    async fn settle_attempts(
        &self,
        lease: EndpointLease,
        batch: &AttemptBatch,
    ) -> Result<bool, RepositoryError> {
        let parameters: Vec<AttemptParameter> = batch.attempts.iter().map(AttemptParameter::of).collect();
        let parameters = json(&parameters)?;
        let fence = as_i64("fence", lease.fence)?;
        let failing_since = batch.failing_since.map(|since| since.timestamp_micros());
        let disable = batch.disable;
        let why = disable.map(|why| why.as_str());
        let store = self.store.clone();
        run_detached(async move {
            let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
            let held = sqlx::query_as::<_, (String, Option<String>)>(HELD_STATE).bind(lease.id.as_uuid());
            let held = held.fetch_optional(&mut *transaction).await;
            let held = held.map_err(repository_error)?;
            let endpoint = sqlx::query_as::<_, (i64,)>(SETTLE_ENDPOINT)
                .bind(lease.id.as_uuid())
                .bind(fence)
                .bind(failing_since)
                .bind(why)
                .bind(now.timestamp_micros());
            let endpoint = endpoint.fetch_optional(&mut *transaction).await;
            if endpoint.map_err(repository_error)?.is_none() {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(false);
            }
            for statement in [RECORD, SETTLE] {
                let settle = sqlx::query(statement)
                    .bind(lease.id.as_uuid())
                    .bind(&parameters)
                    .bind(now.timestamp_micros());
                settle
                    .execute(&mut *transaction)
                    .await
                    .map_err(repository_error)?;
            }
            if let (Some(why), Some((state, worker))) = (disable, held)
                && state == ENABLED
            {
                let worker = Actor::new(worker.as_deref().unwrap_or_default());
                let disabled = Announcement::of_disabled(lease.id, why, &worker);
                feed::tell(&mut transaction, now, &disabled).await?;
            }
            transaction.commit().await.map_err(repository_error)?;
            Ok(true)
        })
        .await
    }
}

fn parameter(content: &payout_core::webhook::NewDelivery) -> NewParameter<'_> {
    NewParameter {
        message_id: &content.message_id,
        event_type: &content.event_type,
        payout_id: content.payout_id.map(|payout| hex(payout.as_uuid().as_bytes())),
        body: without_nul(&content.body),
    }
}
