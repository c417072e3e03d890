//! The sweep: claims every due payout. The sweep alone finishes every payout; hints only make it sooner.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::concurrency::outage::Outage;
use crate::ports::{Randomness, Signal};
use crate::worker::claims::Wanted;
use crate::worker::lane::Lane;
use crate::worker::pace::Step;

impl Lane {
    /// Sweeps at start-up and then about every [`sweep_every`](super::WorkerSettings::sweep_every); repeats at once
    /// while more than one batch is due.
    pub(super) async fn sweep(self: Arc<Self>) {
        // New payouts, which arrive by hints, must not wait behind many retries: a few slots are mostly reserved for
        // them. The reserve is small, since it is idle where no hints arrive.
        let reserve = (self.concurrency / 16).min(16);
        let mut outage = Outage::default();
        let mut pause = Duration::ZERO;
        // Whether the last claim won as many as it asked for.
        let mut has_backlog = false;
        while !self.shut_down_before(pause).await {
            let (now, chance) = (
                self.shared.environment.monotonic(),
                &*self.shared.environment as &dyn Randomness,
            );
            if self.is_paused() {
                pause = self.shared.settings.sweep_every;
                continue;
            }
            let (most, wanted) = match self.pace.next(now, self.shared.settings.batch, chance) {
                Step::Claim(most) => (most, Wanted::Due),
                Step::ClaimUnsent => (1, Wanted::Unsent),
                Step::Wait(wait) => {
                    pause = wait.min(self.shared.settings.sweep_every);
                    continue;
                }
                Step::Probe => {
                    if let Some(look_up) = self.pace.next_probe() {
                        self.shared.attempts.spawn(self.clone().probe(look_up));
                    }
                    pause = Duration::ZERO;
                    continue;
                }
            };
            let allowed = match self.throttle.take(now, most) {
                Ok(allowed) => allowed,
                Err(wait) => {
                    pause = wait.min(self.shared.settings.sweep_every);
                    continue;
                }
            };
            let most = allowed;
            if has_backlog {
                self.let_slots_gather(most, reserve).await;
            }
            let Some(mut permits) = self.free_slots(most, reserve).await else {
                return;
            };
            // The pace may have changed while all slots were taken.
            let asked = self
                .pace
                .take(self.shared.environment.monotonic(), permits.num_permits());
            self.throttle.give_back(allowed.saturating_sub(asked));
            if asked == 0 {
                pause = Duration::ZERO;
                continue;
            }
            drop(permits.split(permits.num_permits() - asked));
            let begun = self.shared.environment.monotonic();
            let claimed = self.claim(wanted, permits, &HashMap::new()).await;
            let now = self.shared.environment.monotonic();
            let took = now.saturating_sub(begun);
            self.shared.observer.observe(&Signal::Swept { took });
            let won = claimed.as_ref().map_or(0, |won| *won);
            self.throttle.give_back(asked.saturating_sub(won));
            has_backlog = won == asked;
            self.pace
                .claimed(now, asked, won, &*self.shared.environment as &dyn Randomness);
            pause = match claimed {
                Ok(won) => {
                    if outage.ends() {
                        tracing::info!("the store is back; claims go on");
                    }
                    if won == asked {
                        Duration::ZERO
                    } else {
                        self.shared.about(self.shared.settings.sweep_every)
                    }
                }
                Err(error) => {
                    if outage.begins() {
                        tracing::warn!(
                            error = %crate::Causes(&error),
                            "cannot claim payouts; waiting for the store"
                        );
                    }
                    self.shared.about(self.shared.settings.sweep_every)
                }
            };
        }
    }

    /// Sleeps until the pause is over or the pace has changed; returns true when the shutdown ended the sleep.
    async fn shut_down_before(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => true,
            () = self.pace.changed.notified() => false,
            () = tokio::time::sleep(pause) => false,
        }
    }
}
