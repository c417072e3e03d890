//! Claiming what is due, a batch per statement.

use std::collections::HashMap;

use payout_core::payout::PayoutId;
use payout_core::ports::{ClaimRequest, Claims, RepositoryError};
use uuid::Uuid;

use super::interval;
use super::link::Link;
use crate::sql::row::{PayoutRow, claims, payout_columns};

/// What happens to the rows that `due` has chosen and locked; `$2` is the lease, `$3` the quiet time, `$4` the worker.
///
/// The rows are named by an array, not joined: an array is always looked up in the primary key, whatever the planner
/// believes of the size of `due`.
macro_rules! claim_due {
    ($due:expr) => {
        concat!(
            "WITH due AS (",
            $due,
            "), claimed AS (
                UPDATE payouts
                SET status = 'processing',
                    -- By a program that knows of provider_key.
                    keyed_claim = true,
                    fence = fence + 1,
                    claims = claims + 1,
                    version = version + 1,
                    updated_at = now(),
                    -- Strictly later than the claim before, whatever the clock does: whether the next two are equal
                    -- tells whether an earlier claim may have sent something.
                    claimed_at = GREATEST(now(), claimed_at + interval '1 microsecond'),
                    due_at = now() + $2,
                    quiet_at = GREATEST(
                        -- A worker that was claimed for by a clock that was ahead is as far from done as it was then.
                        CASE WHEN claimed_at > now() AND quiet_at > claimed_at
                            THEN now() + (quiet_at - claimed_at) ELSE quiet_at END,
                        now() + $3),
                    -- Nothing was sent later than now, whatever a clock that was ahead has written.
                    first_submitted_at = CASE WHEN first_submitted_at IS NULL
                        THEN GREATEST(now(), claimed_at + interval '1 microsecond')
                        ELSE LEAST(first_submitted_at, now()) END
                WHERE id = ANY (ARRAY(SELECT id FROM due))
                RETURNING ",
            payout_columns!(),
            "), logged AS (
                INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor)
                SELECT id, generation, fence, claimed_at, 'claimed', 'processing', $4 FROM claimed
            )
            SELECT ",
            payout_columns!(),
            " FROM claimed JOIN due USING (id) ORDER BY due.waiting_since"
        )
    };
}

/// Not sealed with a key that the database knows and this process lacks: that is left to those who have it. `$5` are the
/// ids of this process's keys. As a rule it has all of them, and the rows are not looked at.
macro_rules! not_of_others {
    () => {
        "(NOT EXISTS (SELECT FROM sealing_keys WHERE id <> ALL ($5))
            OR NOT EXISTS (
                SELECT FROM sealing_keys AS other
                WHERE other.id <> ALL ($5)
                    -- What a key has sealed begins as its proof does: with its id.
                    AND substring(sealed FROM 1 FOR 2 + length(other.id))
                        = substring(proof FROM 1 FOR 2 + length(other.id))
            ))"
    };
}

/// The longest due. The constant limit within tells the planner that few rows are wanted, so that it walks the partial
/// index in order and never sorts a backlog of millions; the parameter alone would not.
const SWEEP: &str = claim_due!(concat!(
    "SELECT id, waiting_since FROM (
        SELECT id, due_at AS waiting_since
        FROM payouts
        WHERE due_at <= now() AND ",
    not_of_others!(),
    " ORDER BY due_at
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ) AS oldest LIMIT $1"
));

/// These, where due. COALESCE hides the condition from the partial index: with statistics from a time when little was
/// due, the planner would walk that index, the whole backlog, in place of a hundred look-ups by id.
const BY_ID: &str = claim_due!(concat!(
    "SELECT id, due_at AS waiting_since
    FROM payouts
    WHERE id = ANY ($6) AND COALESCE(due_at, 'infinity') <= now() AND ",
    not_of_others!(),
    " ORDER BY id
    LIMIT $1
    FOR UPDATE SKIP LOCKED"
));

pub(super) async fn claim(link: &Link, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
    let mut statement = sqlx::query_as::<_, PayoutRow>(if request.only.is_some() { BY_ID } else { SWEEP })
        .bind(i64::from(request.limit))
        .bind(interval(request.lease))
        .bind(interval(request.quiet_after))
        .bind(request.worker.as_str())
        .bind(link.keyring.ids().collect::<Vec<_>>());
    if let Some(ids) = &request.only {
        if ids.is_empty() {
            return Ok(Claims::default());
        }
        statement = statement.bind(ids.iter().map(|id| id.as_uuid()).collect::<Vec<Uuid>>());
    }
    let rows = link.write(statement).await?;
    let mut claims = claims(rows, &link.keyring);
    if let Some(ids) = &request.only {
        let places: HashMap<PayoutId, usize> = ids.iter().copied().zip(0..).collect();
        claims
            .won
            .sort_by_key(|claim| places.get(&claim.payout().id()).copied());
    }
    Ok(claims)
}
