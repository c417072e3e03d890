//! Statistics of payouts, at a cost that does not grow with their number.
//!
//! Open payouts are in two partial indexes and are counted, up to a bound. The rest is estimated from a sample of whole
//! pages. The sample always has the same pages, so that the estimate changes only when they do. A table with no more
//! pages than the sample is read whole, and then every number is exact.

use std::time::Duration;

use payout_core::ports::{PayoutStats, RepositoryError};

use super::link::{Link, only};
use crate::storage::reads::Cost;
use crate::storage::sql::payout_stats::{StatusCountRow, counts, in_review, total};

/// The number of pages in the sample: about fifty payouts each.
const PAGES: f64 = 200.0;

/// Reads how long the oldest due payout has been overdue, and the size of the table. The queues of batches are visited
/// one by one: each step jumps to the next queue, past all payouts of the one before.
const OVERDUE_AND_SIZE: &str = "
    WITH RECURSIVE queue (provider, batch_id, batch_due_at) AS (
        (SELECT provider, batch_id, batch_due_at FROM payout_states WHERE batch_due_at IS NOT NULL
            ORDER BY provider, batch_id, batch_due_at LIMIT 1)
        UNION ALL
        SELECT next.provider, next.batch_id, next.batch_due_at
        FROM queue CROSS JOIN LATERAL (
            SELECT provider, batch_id, batch_due_at FROM payout_states
            WHERE batch_due_at IS NOT NULL AND (provider, batch_id) > (queue.provider, queue.batch_id)
            ORDER BY provider, batch_id, batch_due_at LIMIT 1
        ) AS next
    )
    SELECT
        COALESCE(EXTRACT(EPOCH FROM now() - LEAST(
            (SELECT due_at FROM payout_states WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1),
            (SELECT min(batch_due_at) FROM queue))), 0)::float8,
        (pg_relation_size('payout_details') / current_setting('block_size')::bigint)::float8";

/// Counts open payouts: those under review, and those with a due time. No payout is in both parts, since a payout under
/// review has no due time.
///
/// Both parts are sorted in the order of their index, although the result needs no order. Without it, a planner that
/// has no statistics, as after a restore, expects half of the table to match, and reads all of it.
const OPEN: &str = "
    SELECT status, currency, count(*), count(*) FILTER (WHERE needs_review)
    FROM (
        (SELECT id, status, needs_review FROM payout_states WHERE needs_review ORDER BY created_at, id LIMIT $1)
        UNION ALL
        (SELECT id, status, needs_review FROM payout_states WHERE due_at IS NOT NULL ORDER BY due_at LIMIT $1)
    ) AS open
    CROSS JOIN LATERAL (SELECT currency FROM payout_details WHERE payout_details.id = open.id OFFSET 0) AS payout
    GROUP BY status, currency";

const SAMPLED: &str = "
    SELECT status, currency, count(*), count(*) FILTER (WHERE needs_review)
    FROM payout_details AS payout TABLESAMPLE SYSTEM ($1) REPEATABLE (0)
    CROSS JOIN LATERAL (
        SELECT status, needs_review FROM payout_states WHERE payout_states.id = payout.id OFFSET 0
    ) AS state
    WHERE deleted_at IS NULL
    GROUP BY status, currency";

pub(super) async fn payout_stats(link: &Link) -> Result<PayoutStats, RepositoryError> {
    let facts = link
        .read_costly(Cost::Own, || sqlx::query_as::<_, (f64, f64)>(OVERDUE_AND_SIZE))
        .await?;
    let (overdue, pages) = only(facts)?;
    let bound = i64::from(PayoutStats::COUNTED);
    let open = link
        .read_costly(Cost::Own, || {
            sqlx::query_as::<_, StatusCountRow>(OPEN).bind(bound)
        })
        .await?;
    let share = (PAGES / pages.max(1.0)).min(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the server takes a percentage of this type"
    )]
    let percent = (share * 100.0) as f32;
    let sampled = link
        .read_costly(Cost::Own, || {
            sqlx::query_as::<_, StatusCountRow>(SAMPLED).bind(percent)
        })
        .await?;
    let in_review = in_review(&open);
    // Each of the two parts has its own bound.
    let to_the_end = total(&open) - in_review.cast_signed() < bound && in_review < bound.unsigned_abs();
    Ok(PayoutStats {
        counts: PayoutStats::merge(counts(&sampled, 1.0 / share)?, &counts(&open, 1.0)?, to_the_end),
        in_review,
        overdue: Duration::try_from_secs_f64(overdue).unwrap_or_default(),
    })
}
