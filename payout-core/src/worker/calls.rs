//! Counts of the calls to each provider, which the processes share in the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::ports::{ProviderRepository, Signal};
use crate::provider::{ProviderCalls, ProviderName};
use crate::worker::Shared;
use crate::worker::lane::Lane;

/// The interval between two reports. A worker that is killed loses the counts of this time.
const EVERY: Duration = Duration::from_secs(10);
/// The time limit of the last report, at the shutdown.
const AT_LAST: Duration = Duration::from_secs(2);

/// The calls to one provider that are not reported yet.
#[derive(Debug)]
pub(super) struct CallCount {
    provider: Option<ProviderName>,
    calls: AtomicU64,
    errors: AtomicU64,
}

impl CallCount {
    pub(super) fn new(provider: Option<ProviderName>) -> Arc<Self> {
        Arc::new(Self {
            provider,
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        })
    }

    fn add(&self, calls: u64, errors: u64) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.errors.fetch_add(errors, Ordering::Relaxed);
    }

    fn take(&self) -> Option<ProviderCalls> {
        let (calls, errors) = (
            self.calls.swap(0, Ordering::Relaxed),
            self.errors.swap(0, Ordering::Relaxed),
        );
        (calls > 0 || errors > 0).then(|| ProviderCalls {
            provider: self.provider.clone(),
            calls,
            errors,
        })
    }
}

/// The counts of all providers of a worker.
#[derive(Clone)]
pub(super) struct CallCounts(Arc<[Arc<CallCount>]>);

impl CallCounts {
    pub(super) fn of(lanes: &[Arc<Lane>]) -> Self {
        Self(lanes.iter().map(|lane| lane.calls.clone()).collect())
    }

    /// Reports what was counted. Counts that the store did not take are reported again; if it took them without an
    /// answer, they are there twice.
    async fn report(&self, states: &dyn ProviderRepository) {
        let taken: Vec<(&CallCount, ProviderCalls)> = self
            .0
            .iter()
            .filter_map(|count| Some((&**count, count.take()?)))
            .collect();
        if taken.is_empty() {
            return;
        }
        let calls: Vec<ProviderCalls> = taken.iter().map(|(_, calls)| calls.clone()).collect();
        if states.add_calls(&calls).await.is_err() {
            for (count, calls) in taken {
                count.add(calls.calls, calls.errors);
            }
        }
    }

    /// Reports what was counted since the last report. The worker makes no calls any more.
    pub(super) async fn report_at_last(&self, states: Option<&dyn ProviderRepository>) {
        if let Some(states) = states {
            let _ = tokio::time::timeout(AT_LAST, self.report(states)).await;
        }
    }
}

impl Shared {
    /// Reports the calls about every ten seconds.
    pub(super) async fn report_calls(self: Arc<Self>, counts: CallCounts) {
        let Some(states) = self.provider_states.clone() else {
            return;
        };
        while !self.shut_down_within(EVERY).await {
            counts.report(&*states).await;
        }
    }
}

impl Lane {
    /// Tells the observer of a call, and counts it.
    pub(super) fn called(&self, call: &'static str, outcome: &'static str, is_error: bool, took: Duration) {
        self.calls.add(1, u64::from(is_error));
        self.shared.observer.observe(&Signal::Called {
            provider: self.provider(),
            call,
            outcome,
            took,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{MockProviderRepository, RepositoryError};

    fn counts() -> CallCounts {
        CallCounts(Arc::new([
            CallCount::new(None),
            CallCount::new("two".parse().ok()),
        ]))
    }

    fn said(calls: u64, errors: u64) -> ProviderCalls {
        ProviderCalls {
            provider: "two".parse().ok(),
            calls,
            errors,
        }
    }

    #[tokio::test]
    async fn calls_are_reported_once_and_providers_without_calls_not_at_all() {
        let counts = counts();
        counts.0[1].add(2, 1);
        let mut states = MockProviderRepository::new();
        states
            .expect_add_calls()
            .withf(|calls| calls == [said(2, 1)])
            .times(1)
            .return_once(|_| Ok(()));
        counts.report(&states).await;
        counts.report(&states).await;
    }

    #[tokio::test]
    async fn calls_that_the_store_did_not_take_are_reported_with_the_next() {
        let counts = counts();
        counts.0[1].add(2, 1);
        let mut states = MockProviderRepository::new();
        states
            .expect_add_calls()
            .times(1)
            .return_once(|_| Err(RepositoryError::Unavailable("away".into())));
        counts.report(&states).await;
        counts.0[1].add(1, 0);
        states
            .expect_add_calls()
            .withf(|calls| calls == [said(3, 1)])
            .times(1)
            .return_once(|_| Ok(()));
        counts.report_at_last(Some(&states)).await;
    }
}
