//! Adapters that keep their state in the process's memory: for `memory:` URLs, tests and simulations.
//!
//! - [`MemoryRepository`] gives every guarantee of a repository except durability: one mutex serializes its
//!   transactions.
//! - [`MemoryApiKeys`] gives the same guarantees for API keys, [`MemoryConsoleSessions`] for sessions of the console,
//!   [`MemoryBulkActions`] for bulk actions, and [`MemoryWebhooks`] for webhooks.
//!
//! All are deterministic. Time comes from the clock that they are given. Nothing runs in the background, and no answer depends on the iteration order of a hash map.

mod batch_completions;
mod batches;
mod bulk;
mod console_sessions;
mod export;
mod feed;
mod import;
mod keys;
mod list;
mod rechecks;
mod recipients;
mod reconciliation;
mod repository;
mod row;
mod store;
mod webhooks;

pub use bulk::MemoryBulkActions;
pub use console_sessions::MemoryConsoleSessions;
pub use keys::MemoryApiKeys;
pub use repository::MemoryRepository;
pub use webhooks::MemoryWebhooks;
