//! Approvals of many payouts of a batch in one transaction.

use payout_core::Timestamp;
use payout_core::access::ApiKeyId;
use payout_core::batch::{Batch, BatchApprovals};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Caller, Change, EventKind, NewApproval, PayoutId, Status};
use payout_core::ports::RepositoryError;

use super::feed;
use super::store::{Store, Write, run_detached};
use super::writer::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::approvals::ApprovalColumns;
use crate::storage::sql::batches::{ApprovalCountsRow, approvals_of};
use crate::storage::sql::error::{refused, repository_error};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::without_nul;

/// Counts the payouts of a batch that require approval, as one person sees them.
pub(super) const COUNT: &str = "
    SELECT
        count(*) FILTER (WHERE state.status = 'awaiting_approval') AS awaiting,
        count(*) FILTER (WHERE state.status = 'awaiting_approval' AND given.person IS NULL AND (
            payout.created_person = ?3 OR payout.edited_person = ?3
            OR (payout.created_person IS NULL AND payout.created_by = ?4))) AS own,
        count(*) FILTER (WHERE state.status = 'awaiting_approval' AND given.person IS NOT NULL) AS given,
        count(*) FILTER (WHERE state.status <> 'awaiting_approval' AND given.person IS NOT NULL) AS settled_with,
        count(*) FILTER (WHERE state.status <> 'awaiting_approval' AND given.person IS NULL) AS settled_without,
        count(*) FILTER (WHERE state.status = 'cancelled') AS cancelled
    FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    LEFT JOIN payout_approvals AS given
        ON given.payout_id = state.id AND given.round = state.approval_round AND given.person = ?3
    WHERE payout.deleted_at IS NULL AND payout.created_at = ?1 AND payout.batch_id = ?2
        AND state.approvals_required > 0";

/// Records an approval, if the payout still has the version and awaits it. A trigger refuses people who may not approve.
const RECORD: &str = "
    INSERT INTO payout_approvals (payout_id, round, person, name, api_key_id, at, digest)
    SELECT id, approval_round, ?3, ?4, ?5, ?6, ?7 FROM payout_states
    WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL AND status = 'awaiting_approval'";

/// Applies an approval that was recorded. Only the state is written: the details, and the MAC over them, stay as they
/// are. An approved payout waits in the queue of its batch.
const APPLY: &str = "
    UPDATE payout_states
    SET status = ?2,
        version = version + 1,
        updated_at = ?3,
        due_at = CASE WHEN ?2 = 'pending' THEN 253370764800000000 END,
        batch_due_at = CASE WHEN ?2 = 'pending' THEN ?4 END,
        approvals_given = ?5,
        approved_digest = ?6
    WHERE id = ?1";

const LOG: &str = "
    INSERT INTO payout_events (
        payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, scheduled_at
    )
    SELECT
        id, generation, fence, ?2, ?3, status, ?4, ?5, ?6, version,
        CASE WHEN status = 'pending' THEN (
            SELECT payout.scheduled_at FROM payout_details AS payout WHERE payout.id = ?1 AND payout.scheduled_at > ?2
        ) END
    FROM payout_states WHERE id = ?1";

pub(super) async fn count(
    store: &Store,
    batch: &Batch,
    caller: &Caller,
) -> Result<BatchApprovals, RepositoryError> {
    let statement = sqlx::query_as::<_, ApprovalCountsRow>(COUNT)
        .bind(batch.created_at.timestamp_micros())
        .bind(batch.id.as_uuid())
        .bind(caller.person().as_str().to_owned())
        .bind(caller.actor.as_str().to_owned());
    let rows = store.read_costly(Cost::Dear, statement).await?;
    let row = rows.into_iter().next();
    row.map(BatchApprovals::from)
        .ok_or_else(|| refused("a count has no row"))
}

pub(super) async fn approve(
    store: &Store,
    batch: &Batch,
    changes: &[Change],
) -> Result<Vec<PayoutId>, RepositoryError> {
    let approvals = approvals_of(changes)?;
    let Some((first, _)) = approvals.first() else {
        return Ok(Vec::new());
    };
    let (store, batch, caller) = (store.clone(), batch.clone(), first.caller.clone());
    let changes = changes.to_vec();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let mut written = Vec::with_capacity(changes.len());
        for (change, new) in approvals_of(&changes)? {
            if approve_one(&mut transaction, change, new, now).await? {
                written.push(change.after.id());
            }
        }
        if !written.is_empty() {
            let count = written.len() as u64;
            let approved = Announcement::of_members(EventType::BatchApproved, &batch, count, &caller);
            feed::tell(&mut transaction, now, &approved).await?;
        }
        transaction.commit().await.map_err(repository_error)?;
        Ok(written)
    })
    .await
}

/// Writes one approval; returns false if the payout does not await it any more.
async fn approve_one(
    transaction: &mut Transaction,
    change: &Change,
    new: &NewApproval,
    now: Timestamp,
) -> Result<bool, RepositoryError> {
    let (caller, id) = (&change.caller, change.after.id().as_uuid());
    let record = sqlx::query(RECORD)
        .bind(id)
        .bind(as_i64("version", change.expected_version)?)
        .bind(new.person.as_str().to_owned())
        .bind(caller.actor.as_str().to_owned())
        .bind(caller.api_key.map(ApiKeyId::as_uuid))
        .bind(now.timestamp_micros())
        .bind(new.digest.as_bytes().to_vec());
    let recorded = record
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?;
    if recorded.rows_affected() == 0 {
        return Ok(false);
    }
    let made = change.made_at(now);
    let parts = made.parts();
    let approval = ApprovalColumns::of(parts)?;
    let due = match parts.status {
        Status::Pending => Some(parts.due_at.unwrap_or(now)),
        Status::AwaitingApproval
        | Status::Processing
        | Status::Completed
        | Status::Returned
        | Status::Failed
        | Status::Cancelled => None,
    };
    let apply = sqlx::query(APPLY)
        .bind(id)
        .bind(parts.status.as_str())
        .bind(now.timestamp_micros())
        .bind(due.map(|at| at.timestamp_micros()))
        .bind(approval.given)
        .bind(approval.digest.map(|digest| digest.to_vec()));
    apply
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?;
    let log = sqlx::query(LOG)
        .bind(id)
        .bind(now.timestamp_micros())
        .bind(EventKind::Approved.as_str())
        .bind(caller.actor.as_str().to_owned())
        .bind(caller.request_id.as_deref().map(without_nul))
        .bind(caller.reason.as_deref().map(without_nul));
    log.execute(&mut **transaction).await.map_err(repository_error)?;
    Ok(true)
}
