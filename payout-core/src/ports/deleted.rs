//! Deleted payouts: hidden from every read but those that ask for them.

use crate::Timestamp;
use crate::payout::Payout;

/// Whether a list or a count is about payouts that are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// About those that are not.
    #[default]
    Without,
    /// About those alone that are.
    Only,
    /// About both.
    With,
}

impl Deleted {
    /// Whether those are among them that are deleted.
    pub fn has_deleted(self) -> bool {
        match self {
            Self::Without => false,
            Self::Only | Self::With => true,
        }
    }

    /// Whether those are among them that are not.
    pub fn has_others(self) -> bool {
        match self {
            Self::Only => false,
            Self::Without | Self::With => true,
        }
    }
}

/// A deleted payout, as it stands hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedPayout {
    /// The payout.
    pub payout: Payout,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}
