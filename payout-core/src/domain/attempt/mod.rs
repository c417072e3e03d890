//! Attempts: a worker claims a payout for the duration of a lease, and the claim ends in one settlement.
//!
//! - `lease` turns a due payout into a [`Claim`], which the worker holds.
//! - `conclusion` turns the provider's answer into a [`Verdict`], and `settlement` writes it under the claim's fence.
//! - `unreadable` ends claims whose rows cannot be read.
//! - `policy` decides when to try again, and when to stop.
//! - `recheck` decides whether a completed payment has come back, and when to look again.
//! - `approved` compares a claimed payout with what was approved.
//! - `ahead` corrects times that were written by a clock that was ahead.

mod ahead;
mod approved;
mod claim;
mod conclusion;
mod lease;
mod policy;
mod recheck;
mod settlement;
mod unreadable;
mod verdict;

pub use claim::Claim;
pub use lease::NotDue;
pub(crate) use lease::later;
pub use policy::Policy;
pub(crate) use policy::jittered;
pub use recheck::{Recheck, RecheckFinding};
pub use settlement::{Settlement, SettlementOutcome};
pub use unreadable::UnreadableClaim;
pub use verdict::{SettledRow, Verdict};
