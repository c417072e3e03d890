//! The part of a worker that serves one provider. Each has slots, a pace and a rate of its own, so that the trouble of
//! one provider leaves the others their throughput.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::attempt::Policy;
use crate::ports::Processor;
use crate::provider::{ProviderName, ReturnWindow};
use crate::worker::Shared;
use crate::worker::calls::CallCount;
use crate::worker::pace::Pace;
use crate::worker::provider::Provider;
use crate::worker::throttle::Throttle;

/// The share of a provider's limit of calls that rechecks may use.
const RECHECKS: f64 = 0.25;
/// The longest wait for more free slots.
const GATHERING: Duration = Duration::from_millis(5);

/// The part of a worker that serves one provider.
pub(super) struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) name: Option<ProviderName>,
    pub(super) processor: Arc<dyn Processor>,
    pub(super) policy: Policy,
    pub(super) call_timeout: Duration,
    pub(super) pace: Pace,
    pub(super) throttle: Throttle,
    /// One permit for each payout that may be in flight.
    pub(super) slots: Arc<Semaphore>,
    pub(super) concurrency: usize,
    /// The limit of rechecks, so that payouts have the provider mostly for themselves.
    pub(super) recheck_throttle: Throttle,
    pub(super) calls: Arc<CallCount>,
    adopts_unnamed: bool,
    paused: AtomicBool,
    /// False until the worker knows whether the provider is paused. Until then, the provider is not called.
    knows_state: AtomicBool,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, provider: Provider) -> Arc<Self> {
        let Provider {
            name,
            processor,
            capabilities,
            settings,
        } = provider;
        let mut policy = shared.settings.policy.towards(&capabilities);
        policy.key_window = settings.key_window.unwrap_or(policy.key_window);
        policy.poll_interval = settings.poll_interval.unwrap_or(policy.poll_interval);
        policy.returns = settings
            .return_window
            .map_or(policy.returns, ReturnWindow::Within);
        let wanted = settings.concurrent_calls.or(capabilities.concurrent_calls);
        let concurrency = wanted
            .unwrap_or(shared.settings.concurrency)
            .clamp(1, Semaphore::MAX_PERMITS);
        let calls_per_second = settings.calls_per_second.or(capabilities.calls_per_second);
        let now = shared.environment.monotonic();
        let alone = shared.provider_states.is_none();
        // The protocol depends on this: a call that begins before its deadline ends before the lease does.
        let call_timeout = settings
            .call_timeout
            .unwrap_or(shared.settings.call_timeout)
            .min(shared.settings.lease / 3);
        Arc::new(Self {
            calls: CallCount::new(name.clone()),
            pace: Pace::new(shared.observer.clone(), name.clone()),
            throttle: Throttle::new(calls_per_second, now, alone),
            recheck_throttle: Throttle::of_share(calls_per_second, RECHECKS, now, alone),
            slots: Arc::new(Semaphore::new(concurrency)),
            adopts_unnamed: settings.adopts_unnamed && name.is_some(),
            paused: AtomicBool::new(false),
            knows_state: AtomicBool::new(alone || name.is_none()),
            shared,
            name,
            processor,
            policy,
            call_timeout,
            concurrency,
        })
    }

    /// Returns the names whose payouts this lane serves; `None` is a payout without a provider.
    pub(super) fn served(&self) -> impl Iterator<Item = Option<ProviderName>> {
        let unnamed = self.adopts_unnamed.then_some(None);
        std::iter::once(self.name.clone()).chain(unnamed)
    }

    /// Returns whether this lane serves the payouts of a provider.
    pub(super) fn serves(&self, provider: Option<&ProviderName>) -> bool {
        self.name.as_ref() == provider || (self.adopts_unnamed && provider.is_none())
    }

    /// Returns whether an operator has paused the provider, or may have.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) || !self.knows_state.load(Ordering::Acquire)
    }

    /// Records whether an operator has paused the provider.
    pub(super) fn pause(&self, paused: bool) {
        if self.paused.swap(paused, Ordering::AcqRel) != paused {
            let provider = self.name.as_ref().map(ProviderName::as_str);
            if paused {
                tracing::warn!(provider, "the provider is paused; its payouts wait");
            } else {
                tracing::info!(provider, "the provider is resumed");
                self.pace.forget(self.shared.environment.monotonic());
                self.pace.changed.notify_one();
            }
        }
        if !self.knows_state.swap(true, Ordering::AcqRel) {
            self.pace.changed.notify_one();
        }
    }

    /// Returns whether the provider may be sent a call from every free slot.
    pub(super) fn is_open(&self) -> bool {
        !self.is_paused() && self.pace.is_full(self.shared.environment.monotonic())
    }

    /// Waits for a free slot, and acquires up to `most` of the free slots, leaving `reserve`. Returns `None` at
    /// shutdown.
    pub(super) async fn free_slots(&self, most: usize, reserve: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => return None,
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
        let half = most.min(self.concurrency.saturating_sub(reserve)) / 2;
        if self.slots.available_permits() >= half {
            return;
        }
        if let Ok(half) = u32::try_from(half) {
            // The permits are released at once: only the moment at which they are free matters.
            let enough = tokio::time::timeout(GATHERING, self.slots.acquire_many(half));
            let _ = enough.await.map(drop);
        }
    }
}
