//! Deleted payouts, which are hidden from every read that does not ask for them.

use crate::Timestamp;
use crate::payout::Payout;

/// Selects whether a list or a count includes deleted payouts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// Only payouts that are not deleted.
    #[default]
    Without,
    /// Only deleted payouts.
    Only,
    /// Both.
    With,
}

impl Deleted {
    /// Returns whether deleted payouts are included.
    pub fn has_deleted(self) -> bool {
        match self {
            Self::Without => false,
            Self::Only | Self::With => true,
        }
    }

    /// Returns whether payouts that are not deleted are included.
    pub fn has_others(self) -> bool {
        match self {
            Self::Only => false,
            Self::Without | Self::With => true,
        }
    }
}

/// A deleted payout and the time of its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedPayout {
    /// The payout.
    pub payout: Payout,
    /// The time of the deletion.
    pub deleted_at: Timestamp,
}
