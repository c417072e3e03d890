//! Claims payouts into free slots and starts an attempt at each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::attempt::jittered;
use crate::crash::{self, Point};
use crate::payout::PayoutId;
use crate::ports::{ClaimRequest, Claims, Randomness, RepositoryError, Signal, TraceContext};
use crate::worker::Shared;

/// The longest wait for more free slots.
const GATHERING: Duration = Duration::from_millis(5);

/// Trace contexts that hints brought. A payout that the sweep finds begins its own trace: its row holds none.
pub(super) type Traces = HashMap<PayoutId, TraceContext>;

impl Shared {
    /// Claims up to as many payouts as there are permits, and starts them; returns how many it claimed.
    pub(super) async fn claim(
        self: &Arc<Self>,
        only: Option<Vec<PayoutId>>,
        mut permits: OwnedSemaphorePermit,
        traces: &Traces,
    ) -> Result<usize, RepositoryError> {
        let swept = only.is_none();
        // The lease starts after this moment, so a deadline counted from here is never too late.
        let asked_at = self.environment.monotonic();
        crash::pass(Point::BeforeClaim);
        let Claims { won, unreadable } = self
            .repository
            .claim(&ClaimRequest {
                only,
                limit: u32::try_from(permits.num_permits()).unwrap_or(u32::MAX),
                lease: self.settings.lease,
                calls_end_after: self.settings.lease + self.settings.call_timeout,
                worker: self.settings.name.clone(),
            })
            .await?;
        let claimed = won.len() + unreadable.len();
        if claimed > 0 {
            crash::pass(Point::AfterClaim);
            let takeovers = won.iter().filter(|claim| claim.is_takeover()).count();
            self.observer.observe(&Signal::Claimed {
                count: claimed,
                takeovers,
                swept,
            });
        }
        let deadline = asked_at + self.settings.lease.saturating_sub(self.settings.call_timeout);
        let mut slot = || {
            let slot = permits.split(1);
            debug_assert!(slot.is_some(), "a repository claimed more than it was asked to");
            slot
        };
        for claim in won {
            let slot = slot();
            let trace = traces.get(&claim.payout().id()).copied();
            self.attempts
                .spawn(self.clone().attempt(claim, deadline, slot, trace));
        }
        for claim in unreadable {
            self.attempts.spawn(self.clone().put_aside(claim, slot()));
        }
        Ok(claimed)
    }

    /// Waits for a free slot, and acquires up to `most` of the free slots, leaving `reserve`. Returns `None` at
    /// shutdown.
    pub(super) async fn free_slots(&self, most: usize, reserve: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return None,
            permit = self.slots.clone().acquire_owned() => permit.ok()?,
        };
        let more = self
            .slots
            .available_permits()
            .saturating_sub(reserve)
            .min(most.saturating_sub(1));
        if let Ok(count) = u32::try_from(more)
            && let Ok(others) = self.slots.clone().try_acquire_many_owned(count)
        {
            permits.merge(others);
        }
        Some(permits)
    }

    /// Waits briefly until half of the slots that a claim may take are free. While calls are quick, a backlog is then
    /// claimed in large batches and not slot by slot as each call ends. Slow calls delay no claim by more than
    /// [`GATHERING`].
    pub(super) async fn let_slots_gather(&self, most: usize, reserve: usize) {
        let half = most.min(self.settings.concurrency.saturating_sub(reserve)) / 2;
        if self.slots.available_permits() >= half {
            return;
        }
        if let Ok(half) = u32::try_from(half) {
            // The permits are released at once: only the moment at which they are free matters.
            let enough = tokio::time::timeout(GATHERING, self.slots.acquire_many(half));
            let _ = enough.await.map(drop);
        }
    }

    /// Sleeps; returns true when the shutdown ended the sleep.
    pub(super) async fn shut_down_within(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => true,
            () = tokio::time::sleep(pause) => false,
        }
    }

    /// Returns a pause of `about`, plus or minus a quarter, so that workers started together do not act in step.
    pub(super) fn about(&self, about: Duration) -> Duration {
        about * 3 / 4 + jittered(about / 2, &*self.environment as &dyn Randomness)
    }
}
