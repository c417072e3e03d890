//! The cases for a `PayoutRepository`.
//!
//! Each file tests one of the port's promises. Cases begin with an empty store and use only the port, so all that they
//! expect is in the port's documentation.

pub mod approvals;
pub mod changes;
pub mod claims;
pub mod duplicates;
pub mod events;
pub mod external_ids;
pub mod fields;
pub mod filters;
pub mod idempotency;
pub mod insert;
pub mod late;
pub mod lists;
pub mod payout_stats;
pub mod prefix_search;
pub mod races;
pub mod raises;
pub mod recipients;
pub mod references;
pub mod scopes;
pub mod settlements;
pub mod totals;
pub mod whole_name_search;
