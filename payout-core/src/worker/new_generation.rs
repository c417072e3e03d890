//! New generations that a worker begins: after a provider's definite refusal for now that has spent the key.

use std::time::Duration;

use crate::attempt::Verdict;
use crate::payout::Change;
use crate::ports::{RepositoryError, Signal};
use crate::provider::WaitReason;
use crate::worker::lane::Lane;

/// The pause before the write is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// The number of tries. If none succeeds, the next claim looks the key up and receives the refusal again.
const TRIES: u32 = 5;

impl Lane {
    /// Writes the change that begins a new generation. Its guard is the version of this claim, so a worker that has
    /// lost its lease changes nothing, and a repeated write changes nothing more.
    pub(super) async fn begin_generation(&self, change: Change) {
        let id = change.after.id();
        for tried in 1..=TRIES {
            let error = match self.shared.repository.apply(&change, None).await {
                Ok(_) => {
                    let verdict = Verdict::KeySpent {
                        why: String::new(),
                        after: Duration::ZERO,
                        waiting_for: change.after.parts().waiting_for.unwrap_or(WaitReason::Provider),
                    };
                    return self.shared.observer.observe(&Signal::Settled(&verdict));
                }
                // Written by an earlier try, or the lease is lost.
                Err(RepositoryError::VersionConflict) => return,
                Err(error) => error,
            };
            if tried == TRIES || self.shared.shut_down_within(PAUSE).await {
                tracing::warn!(
                    payout_id = %id, error = %crate::Causes(&error),
                    "a new generation could not be written; the payout is looked at again when its lease ends"
                );
                return;
            }
        }
    }
}
