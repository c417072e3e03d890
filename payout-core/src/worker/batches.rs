//! Tells the event feed which batches are completed.

use std::sync::Arc;
use std::time::Duration;

use crate::worker::Shared;

/// The interval between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// The largest number of batches that are reported in one look.
const AT_ONCE: u32 = 100;
/// The share of the time that is spent while few batches end: one part in this number, and one more.
const LONG_REST: u32 = 30;

impl Shared {
    /// Looks about once a second, and less often if a look takes long: nothing waits for it.
    pub(super) async fn complete_batches(self: Arc<Self>) {
        let Some(batches) = self.batches.clone() else {
            return;
        };
        let mut rest = EVERY;
        while !self.shut_down_within(self.about(rest)).await {
            let begun = self.environment.monotonic();
            let completed = batches.complete_batches(&self.settings.name, AT_ONCE).await;
            let took = self.environment.monotonic().saturating_sub(begun);
            rest = match completed {
                Ok(completed) if completed >= u64::from(AT_ONCE) => Duration::ZERO,
                Ok(_) => EVERY.max(took * LONG_REST),
                // The sweep reports that the store is unavailable.
                Err(error) => {
                    tracing::debug!(error = %crate::Causes(&error), "completed batches are told later");
                    EVERY
                }
            };
        }
    }
}
