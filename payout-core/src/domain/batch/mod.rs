//! Batches: payouts that are stored together or not at all.
//!
//! - [`NewBatch`] is a batch that was requested, [`Batch`] a stored one, and [`BatchProgress`] the state of its payouts.
//!   [`FinishedPayouts`] are those of a batch that has no open one.
//! - [`ContentHash`] recognizes a batch that is sent again. The provider keys of its payouts are derived from the
//!   [`BatchIdentity`], so that a provider recognizes their payments too.
//! - [`Mistakes`] name what is wrong with its rows.

mod content;
mod finished;
mod id;
mod mistakes;
mod new;
mod stored;

pub use content::{BatchIdentity, ContentHash, ContentHasher};
pub use finished::FinishedPayouts;
pub use id::BatchId;
pub use mistakes::{Mistake, Mistakes};
pub use new::{BatchPlace, NewBatch};
pub use stored::{Batch, BatchApprovals, BatchProgress, BatchTotal};
