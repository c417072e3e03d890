//! Statistics of payouts, at a cost that does not grow with their number.
//!
//! Open payouts are counted along their index, up to a bound. The rest is estimated from a sample of rows at a regular
//! distance: rows are numbered as they are inserted, and none is ever removed. If a table has fewer rows than the
//! sample, every row is read, and then every number is exact.

use std::time::Duration;

use payout_core::ports::{PayoutStats, RepositoryError};

use super::store::Store;
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::payout_stats::{StatusCountRow, counts, in_review, total};

/// The maximum number of payouts in the sample.
const SAMPLE: i64 = 10_000;

/// Reads the due time of the oldest due payout, that of the oldest in a queue of a batch, and the number of the last
/// row. The queues are visited one by one: each step jumps to the next, past all payouts of the one before.
const OVERDUE_AND_SIZE: &str = "
    WITH RECURSIVE queue (id) AS (
        SELECT (
            SELECT id FROM payout_states WHERE batch_due_at IS NOT NULL
            ORDER BY provider, batch_id, batch_due_at LIMIT 1)
        UNION ALL
        SELECT (
            SELECT next.id FROM payout_states AS next
            WHERE next.batch_due_at IS NOT NULL AND (next.provider, next.batch_id) > (last.provider, last.batch_id)
            ORDER BY next.provider, next.batch_id, next.batch_due_at LIMIT 1)
        FROM queue CROSS JOIN payout_states AS last ON last.id = queue.id
    )
    SELECT
        (SELECT due_at FROM payout_states WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1),
        (SELECT min(batch_due_at) FROM queue CROSS JOIN payout_states AS first ON first.id = queue.id),
        (SELECT max(rowid) FROM payout_details)";

/// Counts open payouts, the oldest first. Each status has a bound of its own, so that payouts under review are counted
/// however many are pending.
pub(super) const OPEN: &str = "
    SELECT status, currency, count(*), sum(needs_review)
    FROM (
        SELECT * FROM (
            SELECT id, status, needs_review FROM payout_states
            WHERE deleted_at IS NULL AND status = 'processing' ORDER BY created_at, id LIMIT ?1)
        UNION ALL
        SELECT * FROM (
            SELECT id, status, needs_review FROM payout_states
            WHERE deleted_at IS NULL AND status = 'pending' ORDER BY created_at, id LIMIT ?1)
    ) AS open CROSS JOIN payout_details AS payout ON payout.id = open.id
    GROUP BY status, currency";

pub(super) const SAMPLED: &str = "
    WITH RECURSIVE places (place) AS (SELECT ?1 UNION ALL SELECT place + ?1 FROM places WHERE place + ?1 <= ?2)
    SELECT status, currency, count(*), sum(needs_review)
    FROM places
    CROSS JOIN payout_details AS payout ON payout.rowid = places.place
    CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.deleted_at IS NULL
    GROUP BY status, currency";

pub(super) async fn payout_stats(store: &Store) -> Result<PayoutStats, RepositoryError> {
    let facts: Vec<(Option<i64>, Option<i64>, Option<i64>)> = store
        .read_costly(Cost::Own, sqlx::query_as(OVERDUE_AND_SIZE))
        .await?;
    let (due_at, queued, last) = facts
        .into_iter()
        .next()
        .ok_or_else(|| refused("statistics without an answer"))?;
    let bound = i64::from(PayoutStats::COUNTED);
    let open: Vec<StatusCountRow> = store
        .read_costly(Cost::Own, sqlx::query_as(OPEN).bind(bound))
        .await?;
    let to_the_end = ["pending", "processing"]
        .into_iter()
        .all(|status| total(open.iter().filter(|row| row.0 == status)) < bound);
    let last = last.unwrap_or_default();
    let step = last / SAMPLE + 1;
    let sampled: Vec<StatusCountRow> = store
        .read_costly(Cost::Own, sqlx::query_as(SAMPLED).bind(step).bind(last))
        .await?;
    let due_at = [due_at, queued].into_iter().flatten().min();
    let overdue = due_at.map_or(0, |due_at| store.now().timestamp_micros() - due_at);
    #[expect(clippy::cast_precision_loss, reason = "no table has so many rows")]
    let each_stands_for = step as f64;
    Ok(PayoutStats {
        counts: PayoutStats::merge(
            counts(&sampled, each_stands_for)?,
            &counts(&open, 1.0)?,
            to_the_end,
        ),
        in_review: in_review(&open),
        overdue: u64::try_from(overdue)
            .map(Duration::from_micros)
            .unwrap_or_default(),
    })
}
