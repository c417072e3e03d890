//! The status of a payout.

use std::fmt;

/// The status of a payout. See [`Payout`](super::Payout) for the steps between statuses.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::of)]
pub enum Status {
    /// Waits for the approval of other people. No worker can see it.
    AwaitingApproval,
    /// Waits for a worker; nothing of this generation was sent.
    Pending,
    /// A worker has claimed it, and money may have been sent. With `needs_review`, a person must decide.
    Processing,
    /// The provider paid. Final unless the provider returns the payment.
    Completed,
    /// The payment was paid and came back. Final unless a person retries it.
    Returned,
    /// The provider declined the payment for good, or a person resolved it as failed. Final unless a person retries it.
    Failed,
    /// A person cancelled it before anything was sent. Final.
    Cancelled,
}

/// The text is not the name of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "This is not a status: use awaiting_approval, pending, processing, completed, returned, failed or cancelled."
)]
pub struct UnknownStatus;

impl UnknownStatus {
    fn of(_: &str) -> Self {
        Self
    }
}

impl Status {
    /// Every status, in the order of a payout's life.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns whether a payout of this status was paid or may still be: it is not failed, returned or cancelled.
    pub fn may_be_paid(self) -> bool {
        match self {
            Self::AwaitingApproval | Self::Pending | Self::Processing | Self::Completed => true,
            Self::Returned | Self::Failed | Self::Cancelled => false,
        }
    }

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
