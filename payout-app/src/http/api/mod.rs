//! The endpoints of clients, by aggregate.

pub(super) mod api_keys;
pub(super) mod index;
pub(super) mod payouts;
pub(super) mod schema;
