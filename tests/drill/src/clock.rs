//! The time of day, shared by the processes of this machine and its database.

use std::time::Duration;

pub(crate) type Time = chrono::DateTime<chrono::Utc>;

#[expect(
    clippy::disallowed_methods,
    reason = "the drill compares what really happened when"
)]
pub(crate) fn now() -> Time {
    chrono::Utc::now()
}

/// Returns the time from `earlier` to `later`, or zero when `later` comes first.
pub(crate) fn between(earlier: Time, later: Time) -> Duration {
    (later - earlier).to_std().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the drill's deadlines are real")]
pub(crate) fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
