//! What every `PayoutRepository` must do.
//!
//! Each file is about one of its promises. Cases begin with an empty store and go through the port alone, so what they
//! expect is written in the port's documentation.

pub mod census;
pub mod changes;
pub mod claims;
pub mod events;
pub mod filters;
pub mod idempotency;
pub mod insert;
pub mod late;
pub mod lists;
pub mod prefix_search;
pub mod races;
pub mod raises;
pub mod scopes;
pub mod settlements;
pub mod totals;
pub mod whole_name_search;
