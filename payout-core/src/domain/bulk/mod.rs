//! Bulk actions: one step with every payout that a filter matches, in the background.
//!
//! - [`NewBulkAction`] is an action that a person confirmed, and [`BulkAction`] a stored one with its progress.
//! - [`BulkStep`] is the step, and [`BulkFilter`] the filter, as text.
//! - An action works in pages. A page is planned first: [`PlannedPayout`] names a payout and the version at which it may
//!   be changed. A [`BulkOutcome`] says what became of it.

mod action;
mod filter;
mod id;
mod outcome;
mod step;

pub use action::{BulkAction, BulkEnd, BulkPlace, BulkStarter, BulkState, NewBulkAction};
pub use filter::{BulkFilter, InvalidBulkFilter};
pub use id::BulkActionId;
pub use outcome::{BulkOutcome, BulkResult, PlannedPayout};
pub use step::{BulkStep, UnknownBulkStep};
