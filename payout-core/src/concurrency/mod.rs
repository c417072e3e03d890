//! Tools for concurrent tasks.
//!
//! - `batcher` makes one batch of the requests that arrive during a round trip to the store.
//! - `single_flight` makes one read for all callers that ask the same question at the same time.
//! - `count_cache` remembers which lists are too long to be counted.
//! - `detached` runs a write in a task of its own, so that a client that disconnects cannot cancel it.
//! - `outage` reports the beginning and the end of an outage once each.

pub(crate) mod batcher;
pub(crate) mod count_cache;
pub(crate) mod detached;
pub(crate) mod outage;
pub(crate) mod single_flight;
