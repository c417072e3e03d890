//! Adapters that keep their state in the process's memory: for `memory:` URLs, tests and simulations.
//!
//! - [`MemoryRepository`] gives every guarantee of a repository except durability: one mutex serializes its
//!   transactions.
//! - [`MemoryApiKeys`] gives the same guarantees for API keys.
//! - [`MemoryQueue`] is a bounded queue of hints.
//!
//! All are deterministic. Time comes from the clock that they are given, except that the queue waits by tokio's clock,
//! which tests can pause. Nothing runs in the background, and no answer depends on the iteration order of a hash map.

mod import;
mod keys;
mod list;
mod queue;
mod reconciliation;
mod repository;
mod row;
mod store;

pub use keys::MemoryApiKeys;
pub use queue::MemoryQueue;
pub use repository::MemoryRepository;
