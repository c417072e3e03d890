//! Batches: stored in one transaction, and read by the time of creation that all payouts of a batch have.

use std::collections::HashMap;

use payout_core::batch::{Batch, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Caller, EventKind, ExternalId, PayoutId, Status};
use payout_core::ports::{BatchInsertion, BatchRows, ListedMember, MembersQuery, RepositoryError};
use payout_core::spending::OverLimit;
use uuid::Uuid;

use super::feed;
use super::insert::write_members;
use super::list::approvable;
use super::store::{Store, Write, json, run_detached};
use super::totals as daily;
use crate::storage::reads::Cost;
use crate::storage::sql::batches::{
    BatchRow, BatchTotalRow, Charges, batch_columns, check_count, first, members as restored, taken, totals,
};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::{PayoutRow, payout_columns};
use crate::storage::sql::stored::without_nul;

/// Inserts the batch, unless another one has its external id or its content.
const INSERT: &str = concat!(
    "INSERT INTO payout_batches (
        id, external_id, content, description, scheduled_at, payouts, left_out, created_at, created_by, created_in
    )
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT DO NOTHING
    RETURNING ",
    batch_columns!()
);

pub(super) const FIND: &str = concat!("SELECT ", batch_columns!(), " FROM payout_batches WHERE id = ?1");

/// Finds the batch with an external id, or else with a content.
pub(super) const FIND_SAME: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches WHERE external_id = ?1 OR content = ?2
    ORDER BY external_id IS ?1 DESC LIMIT 1"
);

pub(super) const LIST: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches
    WHERE ?1 IS NULL OR (created_at, id) < (SELECT created_at, id FROM payout_batches WHERE id = ?1)
    ORDER BY created_at DESC, id DESC LIMIT ?2"
);

/// Counts the payouts of a batch, along the index of batches.
pub(super) const TOTALS: &str = "
    SELECT
        state.status, payout.currency, payout.amount, count(*) AS count, sum(state.needs_review) AS in_review,
        max(state.updated_at) AS updated_at
    FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.deleted_at IS NULL AND payout.created_at = ?1 AND payout.batch_id = ?2
    GROUP BY state.status, payout.currency, payout.amount";

pub(super) const MEMBERS: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.deleted_at IS NULL AND payout.created_at = ?1 AND payout.id > ?2 AND payout.batch_id = ?3
        AND (json_array_length(?4) = 0 OR state.status IN (SELECT value FROM jsonb_each(?4)))",
    approvable!("?6"),
    "
    ORDER BY payout.created_at, payout.id LIMIT ?5"
);

pub(super) const TAKEN: &str = "
    SELECT external_id, id FROM payout_details
    WHERE external_id IN (SELECT value FROM jsonb_each(?1)) AND external_id IS NOT NULL AND deleted_at IS NULL";

/// Finds payouts of a batch that are pending or await approval.
pub(super) const PENDING: &str = "
    SELECT id FROM payout_states
    WHERE deleted_at IS NULL AND status IN ('awaiting_approval', 'pending') AND created_at = ?1 AND batch_id = ?2
    ORDER BY id LIMIT ?3";

/// Finds payouts of a batch that await approval.
pub(super) const AWAITING: &str = "
    SELECT id FROM payout_states
    WHERE deleted_at IS NULL AND status = 'awaiting_approval' AND created_at = ?1 AND batch_id = ?2
    ORDER BY id LIMIT ?3";

/// Cancels payouts. Only the states are written: the details, and the MAC over them, stay as they are.
const CANCEL: &str = "
    UPDATE payout_states
    SET status = 'cancelled',
        version = version + 1,
        updated_at = ?2,
        due_at = NULL,
        batch_due_at = NULL,
        waiting_for = NULL,
        waiting_since = NULL
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))";

const LOG_CANCELLED: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, request_id, detail, version)
    SELECT id, generation, fence, ?2, ?3, 'cancelled', ?4, ?5, ?6, version
    FROM payout_states WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))
    ORDER BY id";

/// Stores a batch in one transaction. Other writes of the file wait for its end.
pub(super) async fn store(
    store: &Store,
    batch: &NewBatch,
    mut rows: BatchRows,
) -> Result<BatchInsertion, RepositoryError> {
    let mut write = store.begin().await.map_err(repository_error)?;
    let now = write.now;
    let insert = sqlx::query_as::<_, BatchRow>(INSERT)
        .bind(batch.id.as_uuid())
        .bind(batch.external_id.as_ref().map(ExternalId::as_str))
        .bind(batch.content.as_bytes().as_slice())
        .bind(batch.description.as_str())
        .bind(batch.scheduled_at.map(|at| at.timestamp_micros()))
        .bind(i64::from(batch.payouts))
        .bind(i64::from(batch.left_out))
        .bind(now.timestamp_micros())
        .bind(batch.caller.actor.as_str())
        .bind(batch.caller.request_id.as_deref().map(without_nul));
    let inserted = insert.fetch_all(&mut *write.transaction).await;
    let Some(stored) = first(inserted.map_err(repository_error)?)? else {
        let same = sqlx::query_as::<_, BatchRow>(FIND_SAME)
            .bind(batch.external_id.as_ref().map(ExternalId::as_str))
            .bind(batch.content.as_bytes().as_slice())
            .fetch_all(&mut *write.transaction)
            .await;
        let known = first(same.map_err(repository_error)?)?;
        write.transaction.rollback().await.map_err(repository_error)?;
        return known
            .map(BatchInsertion::Known)
            .ok_or_else(|| RepositoryError::refused("a batch that is there cannot be found"));
    };
    let mut charges = Charges::default();
    let mut count = 0;
    while let Some(part) = rows.next().await {
        count += part.len();
        if !write_members(&part, &store.keyring, &mut write).await? {
            write.transaction.rollback().await.map_err(repository_error)?;
            return Ok(BatchInsertion::ExternalIdTaken);
        }
        charges.add(&part);
    }
    check_count(batch, count)?;
    if let Err(over) = charge(&mut write, &charges).await? {
        write.transaction.rollback().await.map_err(repository_error)?;
        return Ok(BatchInsertion::OverLimit(over));
    }
    let created = Announcement::of_batch(EventType::BatchCreated, &stored, &batch.caller);
    feed::tell(&mut write.transaction, now, &created).await?;
    write.transaction.commit().await.map_err(repository_error)?;
    Ok(BatchInsertion::Stored(stored))
}

/// Charges the batch to its daily totals, if it fits.
async fn charge(write: &mut Write, charges: &Charges) -> Result<Result<(), OverLimit>, RepositoryError> {
    if charges.is_empty() {
        return Ok(Ok(()));
    }
    let buckets = charges.buckets();
    let mut left = daily::read(write, &buckets).await?;
    for charge in charges.iter() {
        if let Err(over) = left.take(charge, write.now.date_naive()) {
            return Ok(Err(over));
        }
    }
    daily::keep(write, &buckets, &left).await?;
    Ok(Ok(()))
}

pub(super) async fn find(store: &Store, id: BatchId) -> Result<Option<Batch>, RepositoryError> {
    first(store.read(sqlx::query_as(FIND).bind(id.as_uuid())).await?)
}

pub(super) async fn find_same(
    store: &Store,
    external_id: Option<&ExternalId>,
    content: &ContentHash,
) -> Result<Option<Batch>, RepositoryError> {
    let statement = sqlx::query_as(FIND_SAME)
        .bind(external_id.map(ExternalId::as_str))
        .bind(content.as_bytes().as_slice());
    first(store.read(statement).await?)
}

pub(super) async fn list(
    store: &Store,
    before: Option<BatchId>,
    limit: u32,
) -> Result<Vec<Batch>, RepositoryError> {
    let statement = sqlx::query_as::<_, BatchRow>(LIST)
        .bind(before.map(BatchId::as_uuid))
        .bind(i64::from(limit));
    let rows = store.read(statement).await?;
    rows.into_iter().map(BatchRow::restore).collect()
}

pub(super) async fn sum(store: &Store, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError> {
    let statement = sqlx::query_as::<_, BatchTotalRow>(TOTALS)
        .bind(batch.created_at.timestamp_micros())
        .bind(batch.id.as_uuid());
    totals(store.read_costly(Cost::Dear, statement).await?)
}

pub(super) async fn members(
    store: &Store,
    batch: &Batch,
    query: &MembersQuery,
) -> Result<Vec<ListedMember>, RepositoryError> {
    let statuses: Vec<&str> = query
        .statuses
        .iter()
        .map(|status| Status::as_str(*status))
        .collect();
    let statement = sqlx::query_as::<_, PayoutRow>(MEMBERS)
        .bind(batch.created_at.timestamp_micros())
        .bind(query.after.map_or(Uuid::nil(), PayoutId::as_uuid))
        .bind(batch.id.as_uuid())
        .bind(json(&statuses)?)
        .bind(i64::from(query.limit))
        .bind(
            query
                .approvable_by
                .as_ref()
                .map(|person| person.as_str().to_owned()),
        );
    let rows = store.read_costly(Cost::Light, statement).await?;
    Ok(restored(rows, &store.keyring))
}

pub(super) async fn taken_external_ids(
    store: &Store,
    ids: &[ExternalId],
) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
    let ids: Vec<&str> = ids.iter().map(ExternalId::as_str).collect();
    taken(store.read(sqlx::query_as(TAKEN).bind(json(&ids)?)).await?)
}

pub(super) async fn cancel(
    store: &Store,
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let events = (EventKind::Cancelled, EventType::BatchCancelled);
    end(store, PENDING, events, batch, caller, limit).await
}

pub(super) async fn reject(
    store: &Store,
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let events = (EventKind::Rejected, EventType::BatchRejected);
    end(store, AWAITING, events, batch, caller, limit).await
}

/// Cancels the payouts that a statement finds.
async fn end(
    store: &Store,
    find: &'static str,
    (event, event_type): (EventKind, EventType),
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let (store, batch, caller) = (store.clone(), batch.clone(), caller.clone());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let found = sqlx::query_as::<_, (Uuid,)>(find)
            .bind(batch.created_at.timestamp_micros())
            .bind(batch.id.as_uuid())
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let count = found.len() as u64;
        if count == 0 {
            transaction.rollback().await.map_err(repository_error)?;
            return Ok(0);
        }
        let ids = super::claim::hexes(found.into_iter().map(|(id,)| id))?;
        let cancel = sqlx::query(CANCEL).bind(&ids).bind(now.timestamp_micros());
        cancel
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        let log = sqlx::query(LOG_CANCELLED)
            .bind(&ids)
            .bind(now.timestamp_micros())
            .bind(event.as_str())
            .bind(caller.actor.as_str().to_owned())
            .bind(caller.request_id.as_deref().map(without_nul))
            .bind(caller.reason.as_deref().map(without_nul));
        log.execute(&mut *transaction).await.map_err(repository_error)?;
        let ended = Announcement::of_members(event_type, &batch, count, &caller);
        feed::tell(&mut transaction, now, &ended).await?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(count)
    })
    .await
}
