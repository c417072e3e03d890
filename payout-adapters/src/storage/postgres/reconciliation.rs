//! Reconciliation reads, and the claims that a restored store presumes.

use payout_core::payout::{Actor, Event};
use payout_core::ports::{ReconciliationQuery, Record, RepositoryError};

use super::link::{Link, only};
use super::state_of_payout;
use crate::storage::reads::Cost;
use crate::storage::sql::record::{RecordRow, record_columns, window};

/// The longest page: a constant limit tells the planner that few rows are wanted.
const LONGEST_PAGE: u32 = 1000;

/// Reads existing and deleted payouts, each along its own index, then merges them.
const RECORDS: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM ((
        SELECT * FROM payout_details
        WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)
        ORDER BY created_at, id LIMIT 1000
    ) UNION ALL (
        SELECT * FROM payout_details
        WHERE deleted_at IS NOT NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)
        ORDER BY created_at, id LIMIT 1000
    )) AS payout ",
    state_of_payout!(),
    " ORDER BY payout.created_at, payout.id LIMIT $5"
);

const PRESUME_CLAIMED: &str = "
    WITH due AS (
        SELECT id FROM payout_states
        WHERE id = ANY (ARRAY(
            (SELECT id FROM payout_states WHERE status = 'pending' AND due_at <= now() ORDER BY due_at LIMIT $1)
            UNION ALL
            (SELECT id FROM payout_states WHERE batch_due_at <= now() ORDER BY provider, batch_id LIMIT $1)
            UNION ALL
            (SELECT id FROM payout_states
            WHERE status = 'awaiting_approval' AND deleted_at IS NULL AND first_submitted_at IS NULL
            ORDER BY created_at, id LIMIT $1)
            LIMIT $1))
            AND CASE status WHEN 'pending' THEN COALESCE(batch_due_at, due_at, 'infinity') <= now()
                WHEN 'awaiting_approval' THEN deleted_at IS NULL AND first_submitted_at IS NULL
                ELSE false END
        ORDER BY id
        FOR UPDATE
    ), claimed AS (
        UPDATE payout_states
        SET status = CASE status WHEN 'pending' THEN 'processing' ELSE status END,
            fence = fence + 1,
            claims = claims + 1,
            version = version + 1,
            -- Presumed sent as early as the last write, so that an old payout is reviewed instead of sent again.
            claimed_at = GREATEST(updated_at, claimed_at + interval '1 microsecond'),
            first_submitted_at = GREATEST(updated_at, claimed_at + interval '1 microsecond'),
            quiet_at = GREATEST(quiet_at, now()),
            due_at = CASE status WHEN 'pending' THEN now() END,
            batch_due_at = NULL,
            updated_at = now(),
            feed_key = GREATEST(feed_key, payout_feed_key())
        WHERE id = ANY (ARRAY(SELECT id FROM due))
        RETURNING id, generation, fence, status, version, feed_key
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, detail, version, feed_key
        )
        SELECT id, generation, fence, now(), 'claimed', status, $2, $3, version, feed_key FROM claimed
    )
    SELECT count(*) FROM claimed";

pub(super) async fn records(
    link: &Link,
    query: &ReconciliationQuery,
) -> Result<Vec<Record>, RepositoryError> {
    let window = window(query);
    let rows = link
        .read_costly(Cost::Own, || {
            sqlx::query_as::<_, RecordRow>(RECORDS)
                .bind(window.above.0)
                .bind(window.above.1)
                .bind(window.below.0)
                .bind(window.below.1)
                .bind(i64::from(query.limit.min(LONGEST_PAGE)))
        })
        .await?;
    rows.into_iter().map(|row| row.restore(&link.keyring)).collect()
}

pub(super) async fn presume_claimed(link: &Link, limit: u32, by: &Actor) -> Result<u64, RepositoryError> {
    let statement = sqlx::query_as::<_, (i64,)>(PRESUME_CLAIMED)
        .bind(i64::from(limit))
        .bind(by.as_str())
        .bind(Event::PRESUMED_CLAIM);
    let (count,) = only(link.write(statement).await?)?;
    Ok(count.unsigned_abs())
}
