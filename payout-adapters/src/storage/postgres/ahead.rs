//! Corrects due times that were written while the clock was ahead, after it was set back: the step of
//! `Payout::brought_back`.

use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::link::{Link, only};

/// Condition on a waiting row: its due time comes from a clock that was ahead, not from a schedule or a retry.
macro_rules! is_ahead {
    () => {
        "(due_at > now()
            -- A schedule is a date that a client chose.
            AND (fence > 0 OR due_at = created_at)
            AND (fence = 0 OR updated_at > now() + interval '1 second' OR "
    };
}

/// Condition on a row whose wait no component can have asked for: a lease that ends after the claim's own
/// last call, or a wait that exceeds the longest one by an hour.
macro_rules! is_impossible {
    () => {
        "CASE WHEN status = 'processing' AND updated_at = claimed_at
            THEN due_at > quiet_at ELSE due_at > updated_at + interval '25 hours' END"
    };
}

/// Finds candidates in three bounded index scans: payouts that are due next, payouts in flight, and payouts with a
/// creation time in the future.
const FIND: &str = concat!(
    "WITH waiting AS (
        (SELECT * FROM payout_states WHERE due_at > now() ORDER BY due_at LIMIT 2000)
        UNION ALL
        (SELECT * FROM payout_states WHERE deleted_at IS NULL AND status = 'processing' AND NOT needs_review
            ORDER BY created_at, id LIMIT 10000)
        UNION ALL
        (SELECT * FROM payout_states WHERE deleted_at IS NULL AND status = 'pending' AND created_at > now()
            ORDER BY created_at, id LIMIT 1000)
    )
    SELECT DISTINCT id FROM waiting WHERE ",
    is_ahead!(),
    is_impossible!(),
    ")) LIMIT $1"
);

const BRING_BACK: &str = concat!(
    "WITH ahead AS (
        SELECT id, ",
    is_impossible!(),
    " AS impossible FROM payout_states WHERE id = ANY ($1) AND ",
    is_ahead!(),
    is_impossible!(),
    ")) ORDER BY id FOR UPDATE SKIP LOCKED
    ), brought_back AS (
        UPDATE payout_states AS state
        SET due_at = now() + CASE WHEN fence = 0 OR ahead.impossible THEN interval '0'
                ELSE GREATEST(due_at - updated_at, interval '0') END,
            updated_at = LEAST(updated_at, now())
        FROM ahead
        WHERE state.id = ahead.id
        RETURNING state.id
    )
    SELECT count(*) FROM brought_back"
);

pub(super) async fn count(link: &Link, at_most: u32) -> Result<u64, RepositoryError> {
    Ok(find(link, at_most).await?.len() as u64)
}

pub(super) async fn bring_back(link: &Link, limit: u32) -> Result<u64, RepositoryError> {
    let ids = find(link, limit).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let statement = sqlx::query_as::<_, (i64,)>(BRING_BACK).bind(ids);
    let (count,) = only(link.write(statement).await?)?;
    Ok(count.unsigned_abs())
}

async fn find(link: &Link, limit: u32) -> Result<Vec<Uuid>, RepositoryError> {
    let found: Vec<(Uuid,)> = link.read(|| sqlx::query_as(FIND).bind(i64::from(limit))).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}
