//! The endpoints of clients, by aggregate.

pub(super) mod api_keys;
pub(super) mod batches;
pub(super) mod events;
pub(super) mod index;
pub(super) mod payouts;
pub(super) mod providers;
pub(super) mod recipients;
pub(super) mod schema;
pub(super) mod stats;
pub(super) mod webhooks;
