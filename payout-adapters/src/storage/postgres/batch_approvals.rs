//! Approvals of many payouts of a batch, recorded and applied by two statements of one transaction.

use std::collections::HashSet;

use payout_core::Timestamp;
use payout_core::access::ApiKeyId;
use payout_core::batch::{Batch, BatchApprovals};
use payout_core::feed::{Announcement, EventType};
use payout_core::payout::{Caller, Change, EventKind, PayoutId};
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::feed;
use super::link::{Link, only};
use super::state_of_payout;
use super::transaction::Transaction;
use crate::storage::reads::Cost;
use crate::storage::sql::approvals::without_time;
use crate::storage::sql::batches::{ApprovalCountsRow, approvals_of};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::without_nul;

/// Counts the payouts of a batch that require approval, as one person sees them.
const COUNT: &str = concat!(
    "SELECT
        count(*) FILTER (WHERE state.status = 'awaiting_approval') AS awaiting,
        count(*) FILTER (WHERE state.status = 'awaiting_approval' AND given.person IS NULL AND (
            payout.created_person = $3 OR payout.edited_person = $3
            OR (payout.created_person IS NULL AND payout.created_by = $4))) AS own,
        count(*) FILTER (WHERE state.status = 'awaiting_approval' AND given.person IS NOT NULL) AS given,
        count(*) FILTER (WHERE state.status <> 'awaiting_approval' AND given.person IS NOT NULL) AS settled_with,
        count(*) FILTER (WHERE state.status <> 'awaiting_approval' AND given.person IS NULL) AS settled_without,
        count(*) FILTER (WHERE state.status = 'cancelled') AS cancelled
    FROM payout_details AS payout ",
    state_of_payout!(),
    " LEFT JOIN payout_approvals AS given
        ON given.payout_id = state.id AND given.round = state.approval_round AND given.person = $3
    WHERE payout.deleted_at IS NULL AND payout.created_at = $1 AND payout.batch_id = $2
        AND state.approvals_required > 0"
);

/// Records approvals of payouts that still have the version and await it, and locks their states. A trigger refuses
/// people who may not approve.
const RECORD: &str = "
    WITH target AS (
        SELECT state.id, state.approval_round, incoming.digest
        FROM payout_states AS state
        JOIN UNNEST($1::uuid[], $2::bigint[], $3::bytea[]) AS incoming (id, version, digest)
            ON incoming.id = state.id AND incoming.version = state.version
        WHERE state.deleted_at IS NULL AND state.status = 'awaiting_approval'
        ORDER BY state.id
        FOR UPDATE OF state SKIP LOCKED
    )
    INSERT INTO payout_approvals (payout_id, round, person, name, api_key_id, at, digest)
    SELECT id, approval_round, $4, $5, $6, now(), digest FROM target
    RETURNING payout_id";

/// Applies the approvals that were recorded. Only the states are written: the details, and the MAC over them, stay as
/// they are. An approved payout waits in the queue of its batch.
const APPLY: &str = "
    WITH approved AS (
        UPDATE payout_states AS state
        SET status = incoming.status,
            version = state.version + 1,
            feed_key = GREATEST(state.feed_key, payout_feed_key()),
            updated_at = now(),
            due_at = CASE WHEN incoming.status = 'pending' THEN timestamptz '9999-01-01 UTC' END,
            batch_due_at = CASE WHEN incoming.status = 'pending' THEN GREATEST(incoming.scheduled_at, now()) END,
            approvals_given = (COALESCE(state.approvals_given::jsonb, '[]') || jsonb_build_array(
                incoming.given::jsonb || jsonb_build_object(
                    'at', (extract(epoch FROM now()) * 1000000)::bigint)))::text,
            approved_digest = incoming.approved_digest
        FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::bytea[])
            AS incoming (id, status, scheduled_at, given, approved_digest)
        WHERE state.id = incoming.id
        RETURNING state.id, state.generation, state.fence, state.updated_at, state.status, state.version, state.feed_key,
            incoming.scheduled_at
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, request_id, detail, version, feed_key, scheduled_at
        )
        SELECT
            id, generation, fence, updated_at, $6, status, $7, $8, $9, version, feed_key,
            CASE WHEN status = 'pending' AND scheduled_at > updated_at THEN scheduled_at END
        FROM approved
    )
    SELECT count(*) FROM approved";

pub(super) async fn count(
    link: &Link,
    batch: &Batch,
    caller: &Caller,
) -> Result<BatchApprovals, RepositoryError> {
    let person = caller.person();
    let statement = || {
        sqlx::query_as::<_, ApprovalCountsRow>(COUNT)
            .bind(batch.created_at)
            .bind(batch.id.as_uuid())
            .bind(person.as_str())
            .bind(caller.actor.as_str())
    };
    Ok(only(link.read_costly(Cost::Dear, statement).await?)?.into())
}

pub(super) async fn approve(
    link: &Link,
    batch: &Batch,
    changes: &[Change],
) -> Result<Vec<PayoutId>, RepositoryError> {
    let approvals = approvals_of(changes)?;
    let Some((first, new)) = approvals.first() else {
        return Ok(Vec::new());
    };
    let caller = &first.caller;
    let mut transaction = Transaction::begin(link).await?;
    let ids: Vec<Uuid> = approvals
        .iter()
        .map(|(change, _)| change.after.id().as_uuid())
        .collect();
    let versions = approvals
        .iter()
        .map(|(change, _)| as_i64("version", change.expected_version));
    let digests: Vec<&[u8]> = approvals
        .iter()
        .map(|(_, new)| new.digest.as_bytes().as_slice())
        .collect();
    let record = sqlx::query_as::<_, (Uuid,)>(RECORD)
        .bind(ids)
        .bind(versions.collect::<Result<Vec<i64>, _>>()?)
        .bind(digests)
        .bind(new.person.as_str())
        .bind(caller.actor.as_str())
        .bind(caller.api_key.map(ApiKeyId::as_uuid));
    let recorded = transaction.run(record).await?;
    if recorded.is_empty() {
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    let recorded: HashSet<Uuid> = recorded.into_iter().map(|(id,)| id).collect();
    let mut columns = Columns::default();
    for (change, new) in approvals {
        let after = change.after.parts();
        if recorded.contains(&after.id.as_uuid()) {
            columns.ids.push(after.id.as_uuid());
            columns.statuses.push(after.status.as_str());
            columns.scheduled.push(after.details.scheduled_at);
            columns.given.push(without_time(new, &caller.actor)?);
            let digest = after.approval.as_ref().and_then(|approval| approval.digest);
            columns
                .digests
                .push(digest.map(|digest| digest.as_bytes().to_vec()));
        }
    }
    let written: Vec<PayoutId> = columns.ids.iter().copied().map(PayoutId::from).collect();
    let apply = sqlx::query_as::<_, (i64,)>(APPLY)
        .bind(columns.ids)
        .bind(columns.statuses)
        .bind(columns.scheduled)
        .bind(columns.given)
        .bind(columns.digests)
        .bind(EventKind::Approved.as_str())
        .bind(caller.actor.as_str())
        .bind(caller.request_id.as_deref().map(without_nul))
        .bind(caller.reason.as_deref().map(without_nul));
    transaction.run(apply).await?;
    let approved = Announcement::of_members(EventType::BatchApproved, batch, written.len() as u64, caller);
    feed::tell(&mut transaction, &approved).await?;
    transaction.commit().await?;
    link.queues.doubt();
    Ok(written)
}

/// The columns of the payouts whose approvals were recorded.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    statuses: Vec<&'static str>,
    scheduled: Vec<Option<Timestamp>>,
    given: Vec<String>,
    digests: Vec<Option<Vec<u8>>>,
}
