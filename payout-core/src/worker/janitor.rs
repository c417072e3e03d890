//! Deletes idempotency records that have reached their age limit.

use std::sync::Arc;
use std::time::Duration;

use crate::worker::Shared;

const EVERY: Duration = Duration::from_secs(60 * 60);
const BATCH: u32 = 1_000;

impl Shared {
    /// Looks once an hour, and deletes in small batches that block no other statement for long.
    pub(super) async fn forget_old_answers(self: Arc<Self>) {
        while !self.shut_down_within(self.about(EVERY)).await {
            loop {
                match self
                    .repository
                    .forget_answers(self.settings.keep_answers, BATCH)
                    .await
                {
                    Ok(forgotten) if forgotten == u64::from(BATCH) && !self.shutdown.is_cancelled() => (),
                    Ok(_) => break,
                    Err(error) => {
                        tracing::debug!(
                            error = %crate::Causes(&error),
                            "old idempotency records stay for now"
                        );
                        break;
                    }
                }
            }
        }
    }
}
