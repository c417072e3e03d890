//! The queues of batches, as this process last saw them: which batches have payouts that wait for their first claim.
//!
//! Most services have none most of the time, and a claim then costs nothing more than without batches. A batch that
//! another process stores is seen within a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::link::Link;

/// The time for which a process believes what it saw.
const FRESH: Duration = Duration::from_secs(1);

/// The largest number of batches that are claimed from in turn. The others follow once these are empty.
const MOST: i64 = 256;

/// Finds the batches of a provider one by one: each step jumps to the next batch, past all payouts of the one before.
const OPEN: &str = "
    WITH RECURSIVE open (batch_id) AS (
        (SELECT batch_id FROM payout_states WHERE batch_due_at IS NOT NULL AND provider = $1
            ORDER BY batch_id LIMIT 1)
        UNION ALL
        SELECT (
            SELECT batch_id FROM payout_states
            WHERE batch_due_at IS NOT NULL AND provider = $1 AND batch_id > open.batch_id
            ORDER BY batch_id LIMIT 1
        )
        FROM open
        WHERE open.batch_id IS NOT NULL
    )
    SELECT batch_id FROM open
    WHERE batch_id IS NOT NULL AND EXISTS (
        SELECT FROM payout_states
        WHERE batch_due_at <= now() AND provider = $1 AND batch_id = open.batch_id)
    LIMIT $2";

/// The queues by provider.
#[derive(Default)]
pub(super) struct BatchQueues {
    seen: Mutex<HashMap<String, Seen>>,
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Seen {
    at: Duration,
    open: Arc<[Uuid]>,
}

impl BatchQueues {
    /// Returns the batches of a provider with due payouts.
    pub(super) async fn open(&self, link: &Link, provider: &str) -> Result<Arc<[Uuid]>, RepositoryError> {
        let now = link.monotonic();
        let seen = self.seen().get(provider).cloned();
        if let Some(Seen { at, open }) = seen
            && now.saturating_sub(at) < FRESH
        {
            return Ok(open);
        }
        let rows = link
            .read(|| sqlx::query_as::<_, (Uuid,)>(OPEN).bind(provider).bind(MOST))
            .await?;
        let open: Arc<[Uuid]> = rows.into_iter().map(|(id,)| id).collect();
        let seen = Seen {
            at: now,
            open: open.clone(),
        };
        self.seen().insert(provider.to_owned(), seen);
        Ok(open)
    }

    /// Looks again at the next claim.
    pub(super) fn doubt(&self) {
        self.seen().clear();
    }

    /// Returns the number of the next turn.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
