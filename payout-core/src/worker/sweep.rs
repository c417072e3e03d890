//! The sweep: claims whatever is due. With it alone, every payout finishes; hints only make it sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::outage::Outage;
use crate::ports::Signal;
use crate::worker::Shared;

impl Shared {
    /// Sweeps at start-up and then about every [`sweep_every`](super::WorkerSettings::sweep_every); at once again
    /// while there is more than one batch.
    pub(super) async fn sweep(self: Arc<Self>) {
        // New payouts, which come by hints, must not wait behind a storm of retries: a few slots are mostly theirs. No
        // more than a few, since without hints they lie idle.
        let reserve = (self.settings.concurrency / 16).min(16);
        let mut outage = Outage::default();
        let mut pause = Duration::ZERO;
        while !self.shut_down_within(pause).await {
            let Some(permits) = self.free_slots(self.settings.batch, reserve).await else {
                return;
            };
            let asked = permits.num_permits();
            let begun = self.ambient.monotonic();
            let claimed = self.claim(None, permits, &HashMap::new()).await;
            let took = self.ambient.monotonic().saturating_sub(begun);
            self.observer.observe(&Signal::Swept { took });
            pause = match claimed {
                Ok(won) => {
                    if outage.ends() {
                        tracing::info!("the store is back; claims go on");
                    }
                    if won == asked {
                        Duration::ZERO
                    } else {
                        self.about(self.settings.sweep_every)
                    }
                }
                Err(error) => {
                    if outage.begins() {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot claim payouts; waiting for the store"
                        );
                    }
                    self.about(self.settings.sweep_every)
                }
            };
        }
    }
}
