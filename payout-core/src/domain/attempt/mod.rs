//! What a worker does with a payout: it claims it for the time of a lease, and the claim ends in one settlement.
//!
//! - `lease` makes a claim of what is due; [`Claim`] is what the worker then holds.
//! - `conclusion` turns what the provider said into a [`Verdict`], and `settlement` writes it under the claim's fence.
//! - `unreadable` ends claims whose rows cannot be read.
//! - `policy` says when to try again, and when to stop trying.
//! - `ahead` takes back what a clock that was ahead has written.

mod ahead;
mod claim;
mod conclusion;
mod lease;
mod policy;
mod settlement;
mod unreadable;
mod verdict;

pub use claim::Claim;
pub use lease::NotDue;
pub use policy::Policy;
pub(crate) use policy::jittered;
pub use settlement::{Guarded, Settlement};
pub use unreadable::UnreadableClaim;
pub use verdict::{SettledRow, Verdict};
