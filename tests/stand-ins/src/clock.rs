//! The time of day.

/// A moment.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Returns the time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in is a process of its own, with the time of the machine"
)]
pub fn now() -> Time {
    chrono::Utc::now()
}
