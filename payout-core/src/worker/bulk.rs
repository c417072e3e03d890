//! Goes on with bulk actions, a page at a time, beside the lanes.

use std::sync::Arc;
use std::time::Duration;

use crate::concurrency::outage::Outage;
use crate::worker::Shared;

/// The interval at which a worker looks for an action.
const EVERY: Duration = Duration::from_secs(1);

impl Shared {
    /// Does one page after the other while there is an action, until the shutdown. A page that has begun is finished.
    pub(super) async fn act_in_bulk(self: Arc<Self>) {
        let Some(runner) = self.bulk.clone() else { return };
        let mut outage = Outage::default();
        loop {
            let rest = match runner.work(&self.settings.name).await {
                Ok(worked) => {
                    if outage.ends() {
                        tracing::info!("the store is back; bulk actions go on");
                    }
                    if worked { Duration::ZERO } else { EVERY }
                }
                Err(error) => {
                    if outage.begins() {
                        tracing::warn!(error = %crate::Causes(&error), "bulk actions cannot go on; they wait");
                    }
                    EVERY
                }
            };
            let is_shut_down = if rest.is_zero() {
                self.shutdown.is_cancelled()
            } else {
                self.shut_down_within(self.about(rest)).await
            };
            if is_shut_down {
                return;
            }
        }
    }
}
