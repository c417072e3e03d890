//! Waiting for events.

use std::sync::LazyLock;
use std::time::Duration;

use payout_core::ports::{Clock, System};

static SYSTEM: LazyLock<System> = LazyLock::new(System::default);

/// The time that any operation may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Returns the time since an arbitrary moment of this process.
pub fn now() -> Duration {
    SYSTEM.monotonic()
}

/// Calls `look` repeatedly until it finds something; fails the test when it does not within the bound.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    let begun = now();
    async move {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                now() - begun < within,
                "{caller}: waited {within:?} in vain: {what}"
            );
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}
