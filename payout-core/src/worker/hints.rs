//! Follows the queue's hints.

use std::sync::Arc;
use std::time::Duration;

use crate::concurrency::outage::Outage;
use crate::crash::{self, Point};
use crate::payout::PayoutId;
use crate::ports::{Delivery, Receipt};
use crate::worker::Shared;
use crate::worker::claims::Traces;
use crate::worker::pace::LOOK_AGAIN;

/// The longest duration of one wait for hints.
const WAIT: Duration = Duration::from_secs(1);
/// The pause after the queue or the store has failed.
const PAUSE: Duration = Duration::from_millis(250);

impl Shared {
    /// Receives hints while slots are free, claims the payouts they name, and then acknowledges them.
    pub(super) async fn follow_hints(self: Arc<Self>) {
        let mut outage = Outage::default();
        loop {
            // While the provider may not be called at full speed, the sweep claims what is due, in order. Every payout
            // that a waiting hint names is one that the sweep finds.
            while !self.pace.is_full(self.environment.monotonic()) {
                if self.shut_down_within(LOOK_AGAIN).await {
                    return;
                }
            }
            // This worker leaves hints to other workers while it has no slot for them.
            let Some(permits) = self.free_slots(1, 0).await else {
                return;
            };
            drop(permits);
            let most = self.slots.available_permits().clamp(1, self.settings.batch);
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
                        && !self.take(deliveries).await
                        && self.shut_down_within(self.about(PAUSE)).await
                    {
                        return;
                    }
                }
                Err(error) => {
                    // The queue's health check warns of it.
                    if outage.begins() {
                        tracing::info!(
                            error = &error as &dyn std::error::Error,
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

    /// Claims the payouts that the hints name; returns false when the store failed.
    async fn take(self: &Arc<Self>, deliveries: Vec<Delivery>) -> bool {
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
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let permits = tokio::select! {
            biased;
            // The hints are not lost: the queue delivers them to another worker, since they are not acknowledged.
            () = self.shutdown.cancelled() => return true,
            permits = self.slots.clone().acquire_many_owned(count) => permits,
        };
        let Ok(permits) = permits else { return true };
        let may_send = self.pace.is_full(self.environment.monotonic());
        if may_send && self.claim(Some(ids), permits, &traces).await.is_err() {
            return false;
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
                    error = &error as &dyn std::error::Error,
                    "hints were not acknowledged; they may be delivered again"
                );
            }
        });
        true
    }
}
