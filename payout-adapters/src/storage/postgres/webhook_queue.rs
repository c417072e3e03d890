//! Leases of webhook endpoints, their pages and their attempts.
//!
//! Every write locks the endpoint's row first and checks the fence, so that it excludes a takeover until it is committed.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::feed::Announcement;
use payout_core::payout::Actor;
use payout_core::ports::{
    AttemptBatch, DeliveryPage, EndpointLease, HeldEndpoint, KEEP_DELIVERED, KEEP_FAILED, PageSource,
    RepositoryError, WebhookQueue,
};
use payout_core::webhook::{Delivery, Next};
use sqlx::FromRow;
use uuid::Uuid;

use super::transaction::Transaction;
use super::{PostgresRepository, feed, interval};
use crate::storage::sql::row::{as_i64, number};
use crate::storage::sql::stored::{StoredTime, as_micros, without_nul};
use crate::storage::sql::webhooks::{
    DeliveryRow, ENABLED, HeldRow, answer_column, delivery_columns, endpoint_columns, held_endpoints,
    progress_columns, stored_page,
};

/// Leases free endpoints. One that another worker is leasing at this moment is skipped.
const ACQUIRE: &str = concat!(
    "WITH free AS (
        SELECT id FROM webhook_endpoints
        WHERE NOT deleted AND state = 'enabled' AND (leased_until IS NULL OR leased_until < now())
        ORDER BY id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    UPDATE webhook_endpoints AS endpoint
    SET fence = fence + 1, held_by = $1, leased_until = now() + $2
    FROM free WHERE endpoint.id = free.id
    RETURNING ",
    endpoint_columns!(),
    ", ",
    progress_columns!(),
    ", now() AS now"
);

const RENEW: &str = concat!(
    "UPDATE webhook_endpoints AS endpoint
    SET leased_until = now() + $3
    FROM UNNEST($1::uuid[], $2::bigint[]) AS held (held_id, held_fence)
    WHERE endpoint.id = held_id AND fence = held_fence AND NOT deleted AND state = 'enabled'
    RETURNING ",
    endpoint_columns!(),
    ", ",
    progress_columns!(),
    ", now() AS now"
);

const RELEASE: &str = "
    UPDATE webhook_endpoints SET leased_until = NULL, held_by = NULL WHERE id = $1 AND fence = $2 RETURNING 1";

const WAITING: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    " FROM webhook_deliveries WHERE endpoint_id = $1 AND status = 'pending'
        AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND fence = $2 AND NOT deleted)
    ORDER BY number"
);

/// Stores a page: the position moves and the deliveries come into being in one statement, if the position is still the
/// one after which the page was read.
macro_rules! store_page {
    ($moved:literal, $guard:literal) => {
        concat!(
            "WITH owner AS (
                UPDATE webhook_endpoints SET ",
            $moved,
            ", last_number = last_number + $6
                WHERE id = $1 AND fence = $2 AND NOT deleted AND ",
            $guard,
            "
                RETURNING id, last_number - $6 AS before
            ), stored AS (
                INSERT INTO webhook_deliveries
                    (endpoint_id, number, message_id, event_type, payout_id, body, created_at, due_at)
                SELECT id, before + place, message_id, event_type, payout_id, body, now(), now()
                FROM owner CROSS JOIN UNNEST($7::text[], $8::text[], $9::uuid[], $10::text[])
                    WITH ORDINALITY AS row (message_id, event_type, payout_id, body, place)
            )
            SELECT before + 1 AS first, now() AS now FROM owner"
        )
    };
}

const STORE_PAGE: &str = store_page!(
    "position = CASE WHEN $5::boolean IS NULL THEN position ELSE $4 END",
    "position = $3"
);

const STORE_REPLAYED: &str = store_page!(
    "replay_after = CASE WHEN $5 THEN NULL ELSE $4 END, replay_until = CASE WHEN $5 THEN NULL ELSE replay_until END",
    "replay_after = $3"
);

/// Stores the results of attempts. A result that was stored already changes nothing.
const SETTLE: &str = "
    WITH owner AS (
        UPDATE webhook_endpoints
        SET failing_since = $3,
            state = CASE WHEN $4::text IS NULL THEN state ELSE 'disabled' END,
            disabled_why = CASE WHEN state = 'enabled' THEN $4 ELSE disabled_why END,
            disabled_at = CASE WHEN state = 'enabled' AND $4 IS NOT NULL THEN now() ELSE disabled_at END,
            revision = revision + CASE WHEN state = 'enabled' AND $4 IS NOT NULL THEN 1 ELSE 0 END
        WHERE id = $1 AND fence = $2 AND NOT deleted
        RETURNING id
    ), result AS (
        SELECT * FROM owner CROSS JOIN UNNEST(
            $5::bigint[], $6::integer[], $7::timestamptz[], $8::bigint[], $9::integer[], $10::text[], $11::text[],
            $12::text[], $13::bigint[]
        ) AS row (number, attempt, at, took_us, answer_status, error, answer, next, wait_us)
    ), recorded AS (
        INSERT INTO webhook_attempts (endpoint_id, number, attempt, at, took_us, status, error, answer)
        SELECT id, number, attempt, at, took_us, answer_status, error, answer FROM result
        ON CONFLICT DO NOTHING
    ), moved AS (
        UPDATE webhook_deliveries AS delivery
        SET attempts = attempt,
            status = next,
            due_at = CASE WHEN next = 'pending' THEN now() + wait_us * interval '1 microsecond' END,
            finished_at = CASE WHEN next <> 'pending' THEN now() END,
            remove_at = CASE WHEN next <> 'pending' THEN now() + wait_us * interval '1 microsecond' END
        FROM result
        WHERE delivery.endpoint_id = result.id AND delivery.number = result.number
            AND delivery.status = 'pending' AND delivery.attempts < attempt
    )
    SELECT 1 FROM owner";

/// Reads the state of an endpoint that is held, and its worker, and locks it.
const LOCK_HELD: &str = "
    SELECT state, held_by FROM webhook_endpoints WHERE id = $1 AND fence = $2 AND NOT deleted FOR UPDATE";

/// An endpoint that a worker holds, and the time.
#[derive(FromRow)]
struct TimedHeldRow {
    #[sqlx(flatten)]
    held: HeldRow,
    now: StoredTime,
}

impl PostgresRepository {
    fn held(&self, rows: Vec<TimedHeldRow>) -> Vec<HeldEndpoint> {
        let Some(now) = rows.first().map(|row| row.now.0) else {
            return Vec::new();
        };
        let rows = rows.into_iter().map(|row| row.held).collect();
        held_endpoints(rows, &self.link.keyring, now)
    }
}

#[async_trait]
impl WebhookQueue for PostgresRepository {
    async fn acquire_webhooks(
        &self,
        worker: &Actor,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        let acquire = sqlx::query_as::<_, TimedHeldRow>(ACQUIRE)
            .bind(worker.as_str())
            .bind(interval(lease))
            .bind(i64::from(limit));
        Ok(self.held(self.link.write(acquire).await?))
    }

    async fn renew_webhooks(
        &self,
        leases: &[EndpointLease],
        lease: Duration,
    ) -> Result<Vec<HeldEndpoint>, RepositoryError> {
        let ids: Vec<Uuid> = leases.iter().map(|lease| lease.id.as_uuid()).collect();
        let fences: Result<Vec<i64>, _> = leases.iter().map(|lease| as_i64("fence", lease.fence)).collect();
        let renew = sqlx::query_as::<_, TimedHeldRow>(RENEW)
            .bind(ids)
            .bind(fences?)
            .bind(interval(lease));
        Ok(self.held(self.link.write(renew).await?))
    }

    async fn release_webhook(&self, lease: EndpointLease) -> Result<(), RepositoryError> {
        let release = sqlx::query_as::<_, (i32,)>(RELEASE)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?);
        self.link.write(release).await.map(drop)
    }

    async fn waiting_deliveries(&self, lease: EndpointLease) -> Result<Vec<Delivery>, RepositoryError> {
        let fence = as_i64("fence", lease.fence)?;
        let read = || {
            sqlx::query_as::<_, DeliveryRow>(WAITING)
                .bind(lease.id.as_uuid())
                .bind(fence)
        };
        let rows = self.link.read(read).await?;
        rows.into_iter().map(DeliveryRow::restore).collect()
    }

    async fn store_page(
        &self,
        lease: EndpointLease,
        page: &DeliveryPage,
    ) -> Result<Option<Vec<Delivery>>, RepositoryError> {
        let (statement, ends) = match page.source {
            PageSource::Feed => (STORE_PAGE, false),
            PageSource::Replay { ends } => (STORE_REPLAYED, ends),
        };
        let contents = &page.deliveries;
        let store = sqlx::query_as::<_, (i64, StoredTime)>(statement)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?)
            .bind(page.after.to_string())
            .bind(page.next.to_string())
            .bind(ends)
            .bind(as_i64("last_number", contents.len() as u64)?)
            .bind(
                contents
                    .iter()
                    .map(|one| one.message_id.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(
                contents
                    .iter()
                    .map(|one| one.event_type.clone())
                    .collect::<Vec<_>>(),
            )
            .bind(
                contents
                    .iter()
                    .map(|one| one.payout_id.map(|payout| payout.as_uuid()))
                    .collect::<Vec<_>>(),
            )
            .bind(
                contents
                    .iter()
                    .map(|one| without_nul(&one.body))
                    .collect::<Vec<_>>(),
            );
        let Some((first, now)) = self.link.write(store).await?.pop() else {
            return Ok(None);
        };
        Ok(Some(stored_page(
            lease.id,
            number("number", first)?,
            now.0,
            contents,
        )))
    }

    async fn settle_attempts(
        &self,
        lease: EndpointLease,
        batch: &AttemptBatch,
    ) -> Result<bool, RepositoryError> {
        let attempts = &batch.attempts;
        let numbers: Result<Vec<i64>, _> = attempts.iter().map(|one| as_i64("number", one.number)).collect();
        let records = || attempts.iter().map(|one| &one.record);
        let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let settle = sqlx::query_as::<_, (i32,)>(SETTLE)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?)
            .bind(batch.failing_since)
            .bind(batch.disable.map(|why| why.as_str()))
            .bind(numbers?)
            .bind(records().map(|one| small(one.attempt)).collect::<Vec<_>>())
            .bind(records().map(|one| one.at).collect::<Vec<Timestamp>>())
            .bind(records().map(|one| as_micros(one.took)).collect::<Vec<_>>())
            .bind(records().map(|one| one.status.map(i32::from)).collect::<Vec<_>>())
            .bind(
                records()
                    .map(|one| one.error.as_deref().map(without_nul))
                    .collect::<Vec<_>>(),
            )
            .bind(records().map(answer_column).collect::<Vec<_>>())
            .bind(
                attempts
                    .iter()
                    .map(|one| next_column(one.next).0)
                    .collect::<Vec<_>>(),
            )
            .bind(
                attempts
                    .iter()
                    .map(|one| as_micros(next_column(one.next).1))
                    .collect::<Vec<_>>(),
            );
        let Some(why) = batch.disable else {
            return Ok(!self.link.write(settle).await?.is_empty());
        };
        let mut transaction = Transaction::begin(&self.link).await?;
        let read = sqlx::query_as::<_, (String, Option<String>)>(LOCK_HELD)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?);
        let held = transaction.run(read).await?.pop();
        let settled = transaction.run(settle).await?.pop();
        let (Some((state, worker)), Some(_)) = (held, settled) else {
            transaction.rollback().await?;
            return Ok(false);
        };
        if state == ENABLED {
            let worker = Actor::new(worker.as_deref().unwrap_or_default());
            let disabled = Announcement::of_disabled(lease.id, why, &worker);
            feed::tell(&mut transaction, &disabled).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Returns the status after an attempt, and the time until the next attempt or the removal.
fn next_column(next: Next) -> (&'static str, Duration) {
    match next {
        Next::Delivered => ("delivered", KEEP_DELIVERED),
        Next::Again { after } => ("pending", after),
        Next::GivenUp => ("failed", KEEP_FAILED),
    }
}
