//! Claims of due payouts, a batch per statement.

use std::collections::HashMap;

use payout_core::payout::PayoutId;
use payout_core::ports::{ClaimRequest, Claims, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::link::Link;
use super::{interval, payout_of_state, state_of_payout};
use crate::storage::sql::row::{PayoutRow, claims, payout_columns};

/// Claims the rows that `due` has chosen and locked; `$2` is the lease, `$3` the quiet time, `$4` the worker.
///
/// The rows are named by an array, not joined. The server always looks up an array in the primary key, whatever the
/// planner estimates for the size of `due`.
///
/// The claim's event is carried by the state until the outcome is written. If the event of an earlier claim is still
/// carried there, it becomes a row.
///
/// A state is read as it is when it is locked, but details are read as they were when the statement began. A change may
/// come between the two, so each row reports whether its details belong to its state.
macro_rules! claim_due {
    ($due:expr) => {
        concat!(
            "WITH due AS (",
            $due,
            "), claimed AS (
                UPDATE payout_states
                SET status = 'processing',
                    claimed_by = $4,
                    fence = fence + 1,
                    claims = claims + 1,
                    version = version + 1,
                    updated_at = now(),
                    -- Strictly later than the claim before, whatever the clock does: whether the next two times are
                    -- equal shows whether an earlier claim may have sent something.
                    claimed_at = GREATEST(now(), claimed_at + interval '1 microsecond'),
                    due_at = now() + $2,
                    quiet_at = GREATEST(
                        -- Where a clock that was ahead wrote the claim, its worker has as long left as it had then.
                        CASE WHEN claimed_at > now() AND quiet_at > claimed_at
                            THEN now() + (quiet_at - claimed_at) ELSE quiet_at END,
                        now() + $3),
                    -- The first submission is not later than now, whatever a clock that was ahead has written.
                    first_submitted_at = CASE WHEN first_submitted_at IS NULL
                        THEN GREATEST(now(), claimed_at + interval '1 microsecond')
                        ELSE LEAST(first_submitted_at, now()) END
                WHERE id = ANY (ARRAY(SELECT id FROM due))
                RETURNING *
            ), taken_over AS (
                INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor)
                SELECT id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by
                FROM due
                WHERE claimed_by IS NOT NULL
            )
            SELECT ",
            payout_columns!(),
            ", payout.revision = state.revision AS is_current FROM claimed AS state JOIN due USING (id) ",
            payout_of_state!(),
            " ORDER BY due.waiting_since"
        )
    };
}

/// Condition that this process can decrypt the payout. A payout that is encrypted with a key which the database knows
/// and this process lacks is left to processes that have the key. `$5` has the ids of this process's keys. Usually it
/// has all keys, and the rows are not read.
macro_rules! not_of_others {
    () => {
        "(NOT EXISTS (SELECT FROM sealing_keys WHERE id <> ALL ($5))
            OR NOT EXISTS (
                SELECT FROM sealing_keys AS other
                JOIN payout_details AS payout ON payout.id = payout_states.id
                WHERE other.id <> ALL ($5)
                    -- An encrypted value begins like its key's proof: with the key's id.
                    AND substring(payout.sealed FROM 1 FOR 2 + length(other.id))
                        = substring(proof FROM 1 FOR 2 + length(other.id))
            ))"
    };
}

/// Claims the payouts that have been due the longest. The constant inner limit shows the planner that few rows are
/// wanted, so that it walks the partial index in order and never sorts a backlog of millions. The parameter alone would
/// not.
const SWEEP: &str = claim_due!(concat!(
    "SELECT * FROM (
        SELECT id, due_at AS waiting_since, generation, fence, claimed_at, claimed_by
        FROM payout_states
        WHERE due_at <= now() AND ",
    not_of_others!(),
    " ORDER BY due_at
        LIMIT 2048
        FOR UPDATE SKIP LOCKED
    ) AS oldest LIMIT $1"
));

/// Claims these payouts where they are due. COALESCE hides the condition from the partial index. With statistics from a
/// time when few payouts were due, the planner would walk that index, the whole backlog, instead of a hundred lookups
/// by id.
const BY_ID: &str = claim_due!(concat!(
    "SELECT id, due_at AS waiting_since, generation, fence, claimed_at, claimed_by
    FROM payout_states
    WHERE id = ANY ($6) AND COALESCE(due_at, 'infinity') <= now() AND ",
    not_of_others!(),
    " ORDER BY id
    LIMIT $1
    FOR UPDATE SKIP LOCKED"
));

/// Reads claimed payouts whose details were changed while the claim was made. Nothing changes them once they are
/// claimed.
const CHANGED_MEANWHILE: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.id = ANY ($1)"
);

/// A row that the claim won.
#[derive(FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    row: PayoutRow,
    is_current: bool,
}

pub(super) async fn claim(link: &Link, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
    let mut statement = sqlx::query_as::<_, ClaimedRow>(if request.only.is_some() { BY_ID } else { SWEEP })
        .bind(i64::from(request.limit))
        .bind(interval(request.lease))
        .bind(interval(request.calls_end_after))
        .bind(request.worker.as_str())
        .bind(link.keyring.ids().collect::<Vec<_>>());
    if let Some(ids) = &request.only {
        if ids.is_empty() {
            return Ok(Claims::default());
        }
        statement = statement.bind(ids.iter().map(|id| id.as_uuid()).collect::<Vec<Uuid>>());
    }
    let rows = current(link, link.write(statement).await?).await;
    let mut claims = claims(rows, &link.keyring);
    if let Some(ids) = &request.only {
        let places: HashMap<PayoutId, usize> = ids.iter().copied().zip(0..).collect();
        claims
            .won
            .sort_by_key(|claim| places.get(&claim.payout().id()).copied());
    }
    Ok(claims)
}

/// Returns the rows with the details that belong to their states. A row that cannot be read, or that another worker has
/// claimed since, is left until its lease expires.
async fn current(link: &Link, rows: Vec<ClaimedRow>) -> Vec<PayoutRow> {
    if rows.iter().all(|claimed| claimed.is_current) {
        return rows.into_iter().map(|claimed| claimed.row).collect();
    }
    let stale = rows.iter().filter(|claimed| !claimed.is_current);
    let stale: Vec<Uuid> = stale.map(|claimed| claimed.row.id).collect();
    let read = || sqlx::query_as::<_, PayoutRow>(CHANGED_MEANWHILE).bind(&stale);
    let read = link.read(read).await.inspect_err(|error| {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            payouts = stale.len(),
            "payouts were changed while they were claimed and cannot be read; they wait until their leases end"
        );
    });
    let mut changed: HashMap<Uuid, PayoutRow> = read
        .unwrap_or_default()
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    rows.into_iter()
        .filter_map(|ClaimedRow { row, is_current }| {
            if is_current {
                return Some(row);
            }
            changed
                .remove(&row.id)
                .filter(|read| read.is_under_the_claim_of(&row))
        })
        .collect()
}
