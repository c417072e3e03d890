//! Resets the due times that a clock that was ahead has written.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::Signal;
use crate::worker::Shared;

const BATCH: u32 = 1_000;
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

impl Shared {
    /// Looks at start-up and then every few sweeps. A payout that was in flight when the clock was set back is thus
    /// taken over within its lease.
    pub(super) async fn bring_back(self: Arc<Self>) {
        let every = (self.settings.sweep_every * 2).max(AT_LEAST_EVERY);
        let mut pause = Duration::ZERO;
        while !self.shut_down_within(pause).await {
            pause = self.about(every);
            match self.repository.bring_back(BATCH).await {
                Ok(0) => (),
                Ok(count) => {
                    tracing::warn!(
                        count,
                        "the store's clock was set back: due times that were ahead are reset to now"
                    );
                    self.observer.observe(&Signal::BroughtBack { count });
                    if count == u64::from(BATCH) {
                        pause = Duration::ZERO;
                    }
                }
                // The sweep reports that the store is unavailable.
                Err(error) => tracing::debug!(
                    error = %crate::Causes(&error),
                    "due times that are ahead could not be checked"
                ),
            }
        }
    }
}
