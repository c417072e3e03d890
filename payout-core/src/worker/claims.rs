//! Claims payouts into free slots and starts an attempt at each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::attempt::jittered;
use crate::crash::{self, Point};
use crate::payout::PayoutId;
use crate::ports::{ClaimRequest, Claims, Randomness, RepositoryError, Signal, TraceContext};
use crate::provider::ProviderName;
use crate::worker::Shared;
use crate::worker::lane::Lane;

/// The payouts that a claim asks for.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Those that are due.
    Due,
    /// Those that are due and of which nothing may have been sent.
    Unsent,
    /// These, where they are due.
    Named(Vec<PayoutId>),
}

/// Trace contexts that hints brought. A payout that the sweep finds begins its own trace: its row holds none.
pub(super) type Traces = HashMap<PayoutId, TraceContext>;

impl Lane {
    /// Claims up to as many payouts as there are permits, and starts them; returns how many it claimed.
    pub(super) async fn claim(
        self: &Arc<Self>,
        wanted: Wanted,
        mut permits: OwnedSemaphorePermit,
        traces: &Traces,
    ) -> Result<usize, RepositoryError> {
        let mut claimed = 0;
        for provider in self.served() {
            if permits.num_permits() == 0 {
                break;
            }
            claimed += self
                .claim_of(provider, wanted.clone(), &mut permits, traces)
                .await?;
        }
        Ok(claimed)
    }

    async fn claim_of(
        self: &Arc<Self>,
        provider: Option<ProviderName>,
        wanted: Wanted,
        permits: &mut OwnedSemaphorePermit,
        traces: &Traces,
    ) -> Result<usize, RepositoryError> {
        let shared = &self.shared;
        let unsent_only = matches!(wanted, Wanted::Unsent);
        let only = match wanted {
            Wanted::Due | Wanted::Unsent => None,
            Wanted::Named(ids) => Some(ids),
        };
        let swept = only.is_none();
        // The lease starts after this moment, so a deadline counted from here is never too late.
        let asked_at = shared.environment.monotonic();
        crash::pass(Point::BeforeClaim);
        let request = ClaimRequest {
            only,
            unsent_only,
            provider,
            limit: u32::try_from(permits.num_permits()).unwrap_or(u32::MAX),
            calls_end_after: shared.settings.lease + self.call_timeout,
            ..shared.claim_request()
        };
        let Claims { won, unreadable } = shared.repository.claim(&request).await?;
        let claimed = won.len() + unreadable.len();
        if claimed > 0 {
            crash::pass(Point::AfterClaim);
            let takeovers = won.iter().filter(|claim| claim.is_takeover()).count();
            shared.observer.observe(&Signal::Claimed {
                count: claimed,
                takeovers,
                swept,
            });
        }
        let deadline = asked_at + shared.settings.lease.saturating_sub(self.call_timeout);
        let mut slot = || {
            let slot = permits.split(1);
            debug_assert!(slot.is_some(), "a repository claimed more than it was asked to");
            slot
        };
        for claim in won {
            let slot = slot();
            let trace = traces.get(&claim.payout().id()).copied();
            shared
                .attempts
                .spawn(self.clone().attempt(claim, deadline, slot, trace));
        }
        for claim in unreadable {
            shared.attempts.spawn(shared.clone().put_aside(claim, slot()));
        }
        Ok(claimed)
    }
}

impl Shared {
    /// Returns a claim of any due payout without a provider's name, for the worker's lease.
    pub(super) fn claim_request(&self) -> ClaimRequest {
        ClaimRequest {
            only: None,
            provider: None,
            unsent_only: false,
            limit: 0,
            lease: self.settings.lease,
            calls_end_after: self.settings.lease + self.settings.call_timeout,
            worker: self.settings.name.clone(),
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
