//! The status of a payout.

use std::fmt;

/// The status of a payout. See [`Payout`](super::Payout) for the steps between statuses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::of)]
pub enum Status {
    /// Waits for a worker; nothing of this generation was sent.
    Pending,
    /// A worker has claimed it, and money may have been sent. With `needs_review`, a person must decide.
    Processing,
    /// The provider paid. Final.
    Completed,
    /// The provider declined the payment for good, or a person resolved it as failed. Final unless a person retries it.
    Failed,
    /// A person cancelled it before anything was sent. Final.
    Cancelled,
}

/// The text is not the name of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not a status: use pending, processing, completed, failed or cancelled.")]
pub struct UnknownStatus;

impl UnknownStatus {
    fn of(_: &str) -> Self {
        Self
    }
}

impl Status {
    /// Every status, in the order of a payout's life.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
