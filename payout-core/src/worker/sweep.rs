//! The sweep: claims every due payout. The sweep alone finishes every payout; hints only make it sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::concurrency::outage::Outage;
use crate::ports::{Randomness, Signal};
use crate::worker::Shared;
use crate::worker::pace::Step;

impl Shared {
    /// Sweeps at start-up and then about every [`sweep_every`](super::WorkerSettings::sweep_every); repeats at once
    /// while more than one batch is due.
    pub(super) async fn sweep(self: Arc<Self>) {
        // New payouts, which arrive by hints, must not wait behind many retries: a few slots are mostly reserved for
        // them. The reserve is small, since it is idle where no hints arrive.
        let reserve = (self.settings.concurrency / 16).min(16);
        let mut outage = Outage::default();
        let mut pause = Duration::ZERO;
        // Whether the last claim won as many as it asked for.
        let mut has_backlog = false;
        while !self.shut_down_before(pause).await {
            let (now, chance) = (
                self.environment.monotonic(),
                &*self.environment as &dyn Randomness,
            );
            let most = match self.pace.next(now, self.settings.batch, chance) {
                Step::Claim(most) => most,
                Step::Wait(wait) => {
                    pause = wait.min(self.settings.sweep_every);
                    continue;
                }
                Step::Probe => {
                    if let Some(key) = self.pace.probe_key() {
                        self.attempts.spawn(self.clone().probe(key));
                    }
                    pause = Duration::ZERO;
                    continue;
                }
            };
            if has_backlog {
                self.let_slots_gather(most, reserve).await;
            }
            let Some(mut permits) = self.free_slots(most, reserve).await else {
                return;
            };
            // The pace may have changed while all slots were taken.
            let asked = self
                .pace
                .take(self.environment.monotonic(), permits.num_permits());
            if asked == 0 {
                pause = Duration::ZERO;
                continue;
            }
            drop(permits.split(permits.num_permits() - asked));
            let begun = self.environment.monotonic();
            let claimed = self.claim(None, permits, &HashMap::new()).await;
            let now = self.environment.monotonic();
            let took = now.saturating_sub(begun);
            self.observer.observe(&Signal::Swept { took });
            let won = claimed.as_ref().map_or(0, |won| *won);
            has_backlog = won == asked;
            self.pace
                .claimed(now, asked, won, &*self.environment as &dyn Randomness);
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

    /// Sleeps until the pause is over or the pace has changed; returns true when the shutdown ended the sleep.
    async fn shut_down_before(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => true,
            () = self.pace.changed.notified() => false,
            () = tokio::time::sleep(pause) => false,
        }
    }
}
