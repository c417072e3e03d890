//! The state of providers that workers share: which are paused, and how many workers divide a rate of calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::provider::ProviderName;
use crate::worker::Shared;
use crate::worker::lane::Lane;

const EVERY: Duration = Duration::from_secs(1);
/// The age at which a worker that was not seen again counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(3);

impl Shared {
    /// Looks about once a second. While the store is unavailable, everything stays as it was.
    pub(super) async fn follow_states(self: Arc<Self>, lanes: Arc<[Arc<Lane>]>) {
        let Some(states) = self.provider_states.clone() else {
            return;
        };
        let is_limited = lanes.iter().any(|lane| lane.throttle.is_limited());
        loop {
            if let Ok(paused) = states.paused_providers().await {
                let paused: HashSet<ProviderName> = paused.into_iter().map(|paused| paused.name).collect();
                for lane in lanes.iter() {
                    lane.pause(lane.name.as_ref().is_some_and(|name| paused.contains(name)));
                }
            }
            if is_limited && let Ok(workers) = states.count_workers(&self.settings.name, GONE_AFTER).await {
                for lane in lanes.iter() {
                    lane.throttle.share(workers);
                    lane.recheck_throttle.share(workers);
                }
            }
            if self.shut_down_within(EVERY).await {
                return;
            }
        }
    }
}
