//! Claims of due payouts, many per statement.

use std::collections::HashMap;

use payout_core::payout::PayoutId;
use payout_core::ports::{ClaimRequest, Claims, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::link::{Link, Statement};
use super::{interval, payout_of_state, state_of_payout};
use crate::storage::sql::row::{PayoutRow, claims, payout_columns, provider_column};
use crate::storage::sql::shares::Shares;

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
                    -- An earlier claim's event becomes a row.
                    feed_key = CASE WHEN claimed_by IS NOT NULL THEN GREATEST(feed_key, payout_feed_key())
                        ELSE feed_key END,
                    claimed_by = $4,
                    fence = fence + 1,
                    claims = claims + 1,
                    version = version + 1,
                    updated_at = now(),
                    -- Strictly later than the claim before, whatever the clock does: whether the next two times are
                    -- equal shows whether an earlier claim may have sent something.
                    claimed_at = GREATEST(now(), claimed_at + interval '1 microsecond'),
                    due_at = now() + $2,
                    batch_due_at = NULL,
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
                INSERT INTO payout_events (
                    payout_id, generation, fence, at, kind, status, actor, version, feed_key
                )
                SELECT
                    id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, version,
                    GREATEST(feed_key, payout_feed_key())
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

/// Condition that the claim asks for the payout (`$7`: only if nothing may have been sent), and that this process can
/// decrypt it. A payout that is encrypted with a key which the database knows
/// and this process lacks is left to processes that have the key. `$5` has the ids of this process's keys. Usually it
/// has all keys, and the rows are not read.
macro_rules! not_of_others {
    () => {
        "(NOT $7 OR first_submitted_at IS NULL) AND (NOT EXISTS (SELECT FROM sealing_keys WHERE id <> ALL ($5))
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
///
/// The condition on the provider is a constant where none has a name, so that the planner can choose the index.
macro_rules! sweep {
    ($of_provider:expr) => {
        claim_due!(concat!(
            "SELECT * FROM (
                SELECT id, due_at AS waiting_since, generation, fence, claimed_at, claimed_by, version,
                    feed_key
                FROM payout_states
                WHERE ",
            $of_provider,
            " AND due_at <= now() AND ",
            not_of_others!(),
            " ORDER BY due_at
                LIMIT 2048
                FOR UPDATE SKIP LOCKED
            ) AS oldest LIMIT $1"
        ))
    };
}

const SWEEP: &str = sweep!("provider = '' AND $6::text IS NOT NULL");
const SWEEP_OF_PROVIDER: &str = sweep!("provider = $6 AND provider <> ''");

/// Claims these payouts where they are due. COALESCE hides the condition from the partial index. With statistics from a
/// time when few payouts were due, the planner would walk that index, the whole backlog, instead of a hundred lookups
/// by id.
const BY_ID: &str = claim_due!(concat!(
    "SELECT id, due_at AS waiting_since, generation, fence, claimed_at, claimed_by, version,
                    feed_key
    FROM payout_states
    WHERE id = ANY ($8) AND provider = $6 AND COALESCE(due_at, 'infinity') <= now() AND ",
    not_of_others!(),
    " ORDER BY id
    LIMIT $1
    FOR UPDATE SKIP LOCKED"
));

/// Claims payouts that wait in the queues of these batches (`$8`), at most `$9` of each, in the order of the batches.
const SWEEP_OF_BATCHES: &str = claim_due!(concat!(
    "SELECT queued.* FROM UNNEST($8::uuid[]) AS open (batch_id)
    CROSS JOIN LATERAL (
        SELECT id, batch_due_at AS waiting_since, generation, fence, claimed_at, claimed_by, version,
            feed_key
        FROM payout_states
        WHERE provider = $6 AND batch_id = open.batch_id AND batch_due_at <= now() AND ",
    not_of_others!(),
    " ORDER BY batch_due_at, id
        LIMIT $9
        FOR UPDATE SKIP LOCKED
    ) AS queued
    LIMIT $1"
));

/// Reads claimed payouts whose details were changed while the claim was made. Once they are claimed, nothing of them
/// changes but their metadata.
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
    let Some(ids) = &request.only else {
        let rows = current(link, swept(link, request).await?).await;
        return Ok(claims(rows, &link.keyring));
    };
    if ids.is_empty() {
        return Ok(Claims::default());
    }
    let named = ids.iter().map(|id| id.as_uuid()).collect::<Vec<Uuid>>();
    let statement = statement(link, BY_ID, request, request.limit).bind(named);
    let rows = current(link, link.write(statement).await?).await;
    let mut claims = claims(rows, &link.keyring);
    let places: HashMap<PayoutId, usize> = ids.iter().copied().zip(0..).collect();
    claims
        .won
        .sort_by_key(|claim| places.get(&claim.payout().id()).copied());
    Ok(claims)
}

/// Sweeps: an even share of each batch that has a queue, and of everything else. Slots that one group does not need go
/// to the others. What was claimed before an error is taken over when its lease expires.
async fn swept(link: &Link, request: &ClaimRequest) -> Result<Vec<ClaimedRow>, RepositoryError> {
    let sweep = |limit: u32| {
        let sweep = if request.provider.is_some() {
            SWEEP_OF_PROVIDER
        } else {
            SWEEP
        };
        link.write(statement(link, sweep, request, limit))
    };
    let provider = provider_column(request.provider.as_ref());
    let open = link.queues.open(link, provider).await?;
    if open.is_empty() {
        return sweep(request.limit).await;
    }
    let shares = Shares::of(request.limit, &open, link.queues.next_turn());
    let mut rows = match shares.others {
        0 => Vec::new(),
        others => sweep(others).await?,
    };
    let left = |rows: &[ClaimedRow]| {
        let claimed = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        request.limit.saturating_sub(claimed)
    };
    let others_are_left = rows.len() == shares.others as usize;
    while left(&rows) > 0 {
        let slots = left(&rows);
        let queued = statement(link, SWEEP_OF_BATCHES, request, slots)
            .bind(&shares.batches)
            .bind(i64::from(shares.of_each(slots)));
        let queued = link.write(queued).await?;
        if queued.is_empty() {
            link.queues.doubt();
            break;
        }
        rows.extend(queued);
    }
    if left(&rows) > 0 && others_are_left {
        rows.extend(sweep(left(&rows)).await?);
    }
    Ok(rows)
}

/// Builds a claim of at most `limit` payouts, without the parameters that only some claims have.
fn statement<'q>(
    link: &Link,
    sql: &'static str,
    request: &'q ClaimRequest,
    limit: u32,
) -> Statement<'q, ClaimedRow> {
    sqlx::query_as::<_, ClaimedRow>(sql)
        .bind(i64::from(limit))
        .bind(interval(request.lease))
        .bind(interval(request.calls_end_after))
        .bind(request.worker.as_str())
        .bind(link.keyring.ids().map(str::to_owned).collect::<Vec<String>>())
        .bind(provider_column(request.provider.as_ref()))
        .bind(request.unsent_only)
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
            error = %payout_core::Causes(error),
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
