//! The payouts of a bulk action, each with what became of it.

use crate::payout::PayoutId;

/// A payout that a bulk action is about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlannedPayout {
    /// The payout.
    pub payout: PayoutId,
    /// The only version at which the action may change it; zero for a row that cannot be read.
    pub version: u64,
}

/// The result for one payout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BulkResult {
    /// It is planned. A worker is changing it, or will.
    Planned,
    /// The action changed it.
    Changed,
    /// The action did not change it, for this reason.
    Refused(String),
}

impl BulkResult {
    /// The maximum number of characters of a reason.
    pub const MAX_CHARS: usize = 500;

    /// Builds the result of a payout that was not changed. A long reason is cut.
    pub fn refused(why: impl AsRef<str>) -> Self {
        Self::Refused(why.as_ref().chars().take(Self::MAX_CHARS).collect())
    }
}

/// A payout of a bulk action, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BulkOutcome {
    /// The number of the payout within its action, from 1.
    pub number: u64,
    /// The payout, and the version at which it may be changed.
    pub planned: PlannedPayout,
    /// The result.
    pub result: BulkResult,
}
