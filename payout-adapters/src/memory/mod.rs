//! Adapters that live and die with the process: for `memory:`, for tests and for simulations.
//!
//! - [`MemoryRepository`] keeps the promises of a repository but durability: one mutex is its transaction.
//! - [`MemoryApiKeys`] does the same for API keys.
//! - [`MemoryQueue`] is a bounded line of hints.
//!
//! All are deterministic: time comes from the clock they are given (the queue's waits from tokio's, which tests may
//! pause), nothing runs in the background, and no answer depends on the order of a hash map.

mod books;
mod import;
mod keys;
mod list;
mod queue;
mod repository;
mod row;
mod store;

pub use keys::MemoryApiKeys;
pub use queue::MemoryQueue;
pub use repository::MemoryRepository;
