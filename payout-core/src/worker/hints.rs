//! Follows the queue's hints.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::concurrency::outage::Outage;
use crate::crash::{self, Point};
use crate::payout::PayoutId;
use crate::ports::{Delivery, Receipt};
use crate::worker::Shared;
use crate::worker::claims::{Traces, Wanted};
use crate::worker::lane::Lane;
use crate::worker::pace::LOOK_AGAIN;

/// The longest duration of one wait for hints.
const WAIT: Duration = Duration::from_secs(1);
/// The pause after the queue or the store has failed.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause before the slots of several providers are looked at again.
const SLOTS_AGAIN: Duration = Duration::from_millis(5);

impl Shared {
    /// Receives hints while slots are free, claims the payouts they name, and then acknowledges them.
    pub(super) async fn follow_hints(self: Arc<Self>, lanes: Arc<[Arc<Lane>]>) {
        let mut outage = Outage::default();
        loop {
            let Some(most) = self.free_slots_of(&lanes).await else {
                return;
            };
            let received = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                received = self.queue.receive(most, WAIT) => received,
            };
            match received {
                Ok(deliveries) => {
                    if outage.ends() {
                        tracing::info!("the queue delivers hints again");
                    }
                    if !deliveries.is_empty()
                        && !self.take(&lanes, deliveries).await
                        && self.shut_down_within(self.about(PAUSE)).await
                    {
                        return;
                    }
                }
                Err(error) => {
                    // The queue's health check warns of it.
                    if outage.begins() {
                        tracing::info!(
                            error = %crate::Causes(&error),
                            "no hints; the sweep finds what is due"
                        );
                    }
                    if self.shut_down_within(self.about(PAUSE)).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until a provider may be called at full speed and has a free slot; returns how many hints to receive.
    /// Returns `None` at shutdown.
    ///
    /// While a provider may not be called at full speed, the sweep claims what is due, in order. Every payout that a
    /// waiting hint names is one that the sweep finds. This worker leaves hints to other workers while it has no slot
    /// for them.
    async fn free_slots_of(&self, lanes: &[Arc<Lane>]) -> Option<usize> {
        loop {
            let open = lanes.iter().filter(|lane| lane.is_open());
            match (open.clone().count(), lanes) {
                (0, _) => {
                    if self.shut_down_within(LOOK_AGAIN).await {
                        return None;
                    }
                    continue;
                }
                (_, [only]) => drop(only.free_slots(1, 0).await?),
                (_, _) => (),
            }
            let free: usize = open.map(|lane| lane.slots.available_permits()).sum();
            if free > 0 || lanes.len() == 1 {
                return Some(free.clamp(1, self.settings.batch));
            }
            if self.shut_down_within(SLOTS_AGAIN).await {
                return None;
            }
        }
    }

    /// Claims the payouts that the hints name; returns false when the store failed.
    async fn take(self: &Arc<Self>, lanes: &[Arc<Lane>], deliveries: Vec<Delivery>) -> bool {
        let mut ids: Vec<PayoutId> = deliveries
            .iter()
            .map(|delivery| delivery.hint.payout_id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let traces: Traces = deliveries
            .iter()
            .filter_map(|delivery| Some((delivery.hint.payout_id, delivery.hint.trace?)))
            .collect();
        for lane in lanes {
            let Some(permits) = lane.slots_for(ids.len(), lanes.len() == 1).await else {
                // The hints are not lost: the queue delivers them to another worker, since they are not acknowledged.
                if self.shutdown.is_cancelled() {
                    return true;
                }
                continue;
            };
            let asked = permits.num_permits();
            let claimed = lane.claim(Wanted::Named(ids.clone()), permits, &traces).await;
            let won = claimed.as_ref().map_or(0, |won| *won);
            lane.throttle.give_back(asked.saturating_sub(won));
            if claimed.is_err() {
                return false;
            }
        }
        // Claimed, not claimable, or left to the sweep: in each case the hint is no longer needed.
        let receipts: Vec<Receipt> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
        let queue = self.queue.clone();
        self.attempts.spawn(async move {
            crash::pass(Point::BeforeAcknowledge);
            let acknowledged = queue.acknowledge(&receipts).await;
            crash::pass(Point::AfterAcknowledge);
            if let Err(error) = acknowledged {
                tracing::debug!(
                    error = %crate::Causes(&error),
                    "hints were not acknowledged; they may be delivered again"
                );
            }
        });
        true
    }
}

impl Lane {
    /// Acquires slots for up to `most` payouts that hints name, within the provider's rate. `patient` waits until there
    /// are that many. Returns `None` if the provider may not be called now, or at shutdown: the sweep finds the payouts.
    async fn slots_for(&self, most: usize, patient: bool) -> Option<OwnedSemaphorePermit> {
        let count = if patient {
            most
        } else {
            most.min(self.slots.available_permits())
        };
        if count == 0 || (!patient && !self.is_open()) {
            return None;
        }
        let permits = u32::try_from(count).ok()?;
        let slots = self.slots.clone();
        let mut permits = if patient {
            tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => return None,
                permits = slots.acquire_many_owned(permits) => permits.ok()?,
            }
        } else {
            // The sweep may just have taken them: the hints of other providers do not wait for this one.
            slots.try_acquire_many_owned(permits).ok()?
        };
        if !self.is_open() {
            return None;
        }
        let allowed = self
            .throttle
            .take(self.shared.environment.monotonic(), count)
            .ok()?;
        drop(permits.split(count.saturating_sub(allowed)));
        Some(permits)
    }
}
