//! Adds payouts to the sums that statistics are read from.

use std::sync::Arc;
use std::time::Duration;

use crate::worker::Shared;

/// The interval while there is little to add.
const EVERY: Duration = Duration::from_secs(2);
/// The largest number of payouts that are added at once.
const BATCH: u32 = 5_000;
/// The share of the time that is spent while much is left to add: one part in this number, and one more.
const REST: u32 = 9;
/// The share of the time that is spent otherwise.
const LONG_REST: u32 = 30;

impl Shared {
    /// Adds payouts in small batches, with rests that are longer than the work: nothing waits for statistics.
    pub(super) async fn fold_stats(self: Arc<Self>) {
        let Some(stats) = self.stats.clone() else { return };
        let mut rest = EVERY;
        while !self.shut_down_within(self.about(rest)).await {
            let begun = self.environment.monotonic();
            let folded = stats.fold_stats(BATCH).await;
            let took = self.environment.monotonic().saturating_sub(begun);
            rest = match folded {
                Ok(folded) if folded >= u64::from(BATCH) => took * REST,
                Ok(_) => EVERY.max(took * LONG_REST),
                Err(error) => {
                    tracing::debug!(error = %crate::Causes(&error), "statistics are kept up later");
                    EVERY
                }
            };
        }
    }
}
