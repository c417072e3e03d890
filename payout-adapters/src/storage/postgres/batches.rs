//! Batches: stored in one transaction, and read by the time of creation that all payouts of a batch have.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use payout_core::approval::Person;
use payout_core::batch::{Batch, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Caller, EventKind, ExternalId, PayoutId, Status};
use payout_core::ports::{
    BatchInsertion, BatchRows, ListedMember, LockedPart, MembersQuery, RepositoryError,
};
use payout_core::spending::OverLimit;
use uuid::Uuid;

use super::feed;
use super::insert::write_members;
use super::link::{Link, only};
use super::list::approvable;
use super::state_of_payout;
use super::totals::{HOLDERS, LockedTotals};
use super::transaction::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::batches::{
    BatchRow, BatchTotalRow, Charges, batch_columns, check_count, first, members as restored, taken, totals,
};
use crate::storage::sql::error::unavailable;
use crate::storage::sql::row::{PayoutRow, payout_columns};
use crate::storage::sql::stored::without_nul;

/// Inserts the batch, unless another one has its external id or its content. It waits for another session that is
/// storing such a batch.
const INSERT: &str = concat!(
    "INSERT INTO payout_batches (
        id, external_id, content, description, scheduled_at, payouts, left_out, created_at, created_by, created_in
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, now(), $8, $9)
    ON CONFLICT DO NOTHING
    RETURNING ",
    batch_columns!()
);

const FIND: &str = concat!("SELECT ", batch_columns!(), " FROM payout_batches WHERE id = $1");

/// Finds the batch with an external id, or else with a content.
const FIND_SAME: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches WHERE external_id = $1 OR content = $2
    ORDER BY external_id IS NOT DISTINCT FROM $1 DESC LIMIT 1"
);

const LIST: &str = concat!(
    "SELECT ",
    batch_columns!(),
    " FROM payout_batches
    WHERE $1::uuid IS NULL
        OR (created_at, id) < (SELECT created_at, id FROM payout_batches WHERE id = $1)
    ORDER BY created_at DESC, id DESC LIMIT $2"
);

/// Counts the payouts of a batch, along the index of batches.
const TOTALS: &str = concat!(
    "SELECT
        state.status, payout.currency, payout.amount, count(*) AS count,
        count(*) FILTER (WHERE state.needs_review) AS in_review, max(state.updated_at) AS updated_at
    FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.deleted_at IS NULL AND payout.created_at = $1 AND payout.batch_id = $2
    GROUP BY state.status, payout.currency, payout.amount"
);

const MEMBERS: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.deleted_at IS NULL AND payout.created_at = $1 AND payout.id > $2
        AND payout.batch_id = $3 AND (cardinality($4::text[]) = 0 OR state.status = ANY ($4))",
    approvable!("$6"),
    "
    ORDER BY payout.created_at, payout.id LIMIT $5"
);

/// Cancels payouts of a batch in some states. Only the states are written: the details, and the MAC over them, stay as
/// they are. A payout in these states has no open claim.
macro_rules! cancel_those {
    ($statuses:literal) => {
        concat!(
            "
    WITH target AS (
        SELECT id FROM payout_states
        WHERE deleted_at IS NULL AND status IN (",
            $statuses,
            ") AND created_at = $1 AND batch_id = $2
        ORDER BY id LIMIT $3
        FOR UPDATE SKIP LOCKED
    ), cancelled AS (
        UPDATE payout_states
        SET status = 'cancelled',
            version = version + 1,
            feed_key = GREATEST(feed_key, payout_feed_key()),
            updated_at = now(),
            due_at = NULL,
            batch_due_at = NULL,
            waiting_for = NULL,
            waiting_since = NULL
        WHERE id = ANY (ARRAY(SELECT id FROM target))
        RETURNING id, generation, fence, updated_at, version, feed_key
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, feed_key
        )
        SELECT id, generation, fence, updated_at, $4, 'cancelled', $5, $6, $7, version, feed_key FROM cancelled
    )
    SELECT count(*) FROM cancelled"
        )
    };
}

const CANCEL: &str = cancel_those!("'awaiting_approval', 'pending'");

const REJECT: &str = cancel_those!("'awaiting_approval'");

/// The longest pause between two parts of a batch.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Stores a batch: the whole batch in one transaction, its payouts by the statement that stores single ones.
///
/// The daily totals are locked last and for a moment, so that single payouts of the same API key do not wait for the
/// batch. A payout of the batch may hold the external id that a holder of the totals waits for: the server ends one of
/// the two, and its client tries again.
pub(super) async fn store(
    link: &Link,
    batch: &NewBatch,
    mut rows: BatchRows,
) -> Result<BatchInsertion, RepositoryError> {
    let mut transaction = Transaction::begin(link).await?;
    let insert = sqlx::query_as::<_, BatchRow>(INSERT)
        .bind(batch.id.as_uuid())
        .bind(batch.external_id.as_ref().map(ExternalId::as_str))
        .bind(batch.content.as_bytes().as_slice())
        .bind(batch.description.as_str())
        .bind(batch.scheduled_at)
        .bind(i64::from(batch.payouts))
        .bind(i64::from(batch.left_out))
        .bind(batch.caller.actor.as_str())
        .bind(batch.caller.request_id.as_deref().map(without_nul));
    let Some(stored) = first(transaction.run(insert).await?)? else {
        transaction.rollback().await?;
        let same = find_same(link, batch.external_id.as_ref(), &batch.content).await?;
        return same
            .map(BatchInsertion::Known)
            .ok_or_else(|| unavailable("a batch that was there is gone"));
    };
    let mut charges = Charges::default();
    let mut count = 0;
    while let Some(part) = rows.next().await {
        let others = Others::since(link);
        count += part.len();
        if !write_members(&part, &link.keyring, &mut transaction).await? {
            transaction.rollback().await?;
            return Ok(BatchInsertion::ExternalIdTaken);
        }
        charges.add(&part);
        others.go_first().await;
    }
    check_count(batch, count)?;
    let created = Announcement::of_batch(EventType::BatchCreated, &stored, &batch.caller);
    feed::tell(&mut transaction, &created).await?;
    let charged = charge(transaction, &charges).await?;
    link.queues.doubt();
    match charged {
        Ok(()) => Ok(BatchInsertion::Stored(stored)),
        Err(over) => Ok(BatchInsertion::OverLimit(over)),
    }
}

/// The single payouts that this process stores beside a batch.
struct Others<'a> {
    link: &'a Link,
    began: Duration,
    inserts: u64,
}

impl<'a> Others<'a> {
    fn since(link: &'a Link) -> Self {
        Self {
            link,
            began: link.monotonic(),
            inserts: link.single_inserts.load(Ordering::Relaxed),
        }
    }

    /// Pauses the batch for as long as its part took, if there were any: then they keep most of their rate.
    async fn go_first(self) {
        if self.link.single_inserts.load(Ordering::Relaxed) != self.inserts {
            let took = self.link.monotonic().saturating_sub(self.began);
            tokio::time::sleep(took.min(LONGEST_PAUSE)).await;
        }
    }
}

/// Charges the batch to its daily totals and commits, or rolls back.
async fn charge(
    transaction: Transaction<'_>,
    charges: &Charges,
) -> Result<Result<(), OverLimit>, RepositoryError> {
    if charges.is_empty() {
        return transaction.commit().await.map(Ok);
    }
    let mut locked_totals = LockedTotals::hold(transaction, charges.buckets()).await?;
    if locked_totals.waited_past_midnight() {
        // The payouts are dated on the day before, to which nothing may be charged any more.
        locked_totals.rollback().await?;
        return Err(RepositoryError::Locked {
            part: LockedPart::DailyTotal,
            source: "a new day began while the batch was stored".into(),
        });
    }
    for charge in charges.iter() {
        if let Err(over) = locked_totals.take(charge) {
            locked_totals.rollback().await?;
            return Ok(Err(over));
        }
    }
    locked_totals.commit().await.map(Ok)
}

pub(super) async fn find(link: &Link, id: BatchId) -> Result<Option<Batch>, RepositoryError> {
    first(link.read(|| sqlx::query_as(FIND).bind(id.as_uuid())).await?)
}

pub(super) async fn find_same(
    link: &Link,
    external_id: Option<&ExternalId>,
    content: &ContentHash,
) -> Result<Option<Batch>, RepositoryError> {
    let statement = || {
        sqlx::query_as(FIND_SAME)
            .bind(external_id.map(ExternalId::as_str))
            .bind(content.as_bytes().as_slice())
    };
    first(link.read(statement).await?)
}

pub(super) async fn list(
    link: &Link,
    before: Option<BatchId>,
    limit: u32,
) -> Result<Vec<Batch>, RepositoryError> {
    let statement = || {
        sqlx::query_as::<_, BatchRow>(LIST)
            .bind(before.map(BatchId::as_uuid))
            .bind(i64::from(limit))
    };
    let rows = link.read(statement).await?;
    rows.into_iter().map(BatchRow::restore).collect()
}

pub(super) async fn sum(link: &Link, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError> {
    let statement = || {
        sqlx::query_as::<_, BatchTotalRow>(TOTALS)
            .bind(batch.created_at)
            .bind(batch.id.as_uuid())
    };
    totals(link.read_costly(Cost::Dear, statement).await?)
}

pub(super) async fn members(
    link: &Link,
    batch: &Batch,
    query: &MembersQuery,
) -> Result<Vec<ListedMember>, RepositoryError> {
    let statuses: Vec<&str> = query
        .statuses
        .iter()
        .map(|status| Status::as_str(*status))
        .collect();
    let statement = || {
        sqlx::query_as::<_, PayoutRow>(MEMBERS)
            .bind(batch.created_at)
            .bind(query.after.map_or(Uuid::nil(), PayoutId::as_uuid))
            .bind(batch.id.as_uuid())
            .bind(statuses.clone())
            .bind(i64::from(query.limit))
            .bind(query.approvable_by.as_ref().map(Person::as_str))
    };
    let rows = link.read_costly(Cost::Light, statement).await?;
    Ok(restored(rows, &link.keyring))
}

pub(super) async fn taken_external_ids(
    link: &Link,
    ids: &[ExternalId],
) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
    let ids: Vec<&str> = ids.iter().map(ExternalId::as_str).collect();
    taken(link.read(|| sqlx::query_as(HOLDERS).bind(ids.clone())).await?)
}

pub(super) async fn cancel(
    link: &Link,
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let events = (EventKind::Cancelled, EventType::BatchCancelled);
    end(link, CANCEL, events, batch, caller, limit).await
}

pub(super) async fn reject(
    link: &Link,
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let events = (EventKind::Rejected, EventType::BatchRejected);
    end(link, REJECT, events, batch, caller, limit).await
}

async fn end(
    link: &Link,
    statement: &'static str,
    (event, event_type): (EventKind, EventType),
    batch: &Batch,
    caller: &Caller,
    limit: u32,
) -> Result<u64, RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(statement)
        .bind(batch.created_at)
        .bind(batch.id.as_uuid())
        .bind(i64::from(limit))
        .bind(event.as_str())
        .bind(caller.actor.as_str())
        .bind(caller.request_id.as_deref().map(without_nul))
        .bind(caller.reason.as_deref().map(without_nul));
    let mut transaction = Transaction::begin(link).await?;
    let (count,) = only(transaction.run(statement).await?)?;
    let count = count.unsigned_abs();
    if count > 0 {
        let ended = Announcement::of_members(event_type, batch, count, caller);
        feed::tell(&mut transaction, &ended).await?;
    }
    transaction.commit().await?;
    Ok(count)
}
