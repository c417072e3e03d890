//! The use cases, one folder per aggregate. Each reads, asks the domain for a step, and writes under the step's guard.
//!
//! - [`Payouts`] serves requests about payouts.
//! - [`batches`] serves requests about batches.
//! - [`bulk`] takes steps with every payout that a filter matches, in the background.
//! - [`providers`] pauses and resumes providers, and takes their notifications.
//! - [`api_keys`] administers API keys and authenticates requests.
//! - [`console_sessions`] signs people in to the console.
//! - [`recipients`] stores recipients for further payouts.
//! - [`stats`] summarizes payouts.
//! - [`feed`] serves readers of the event feed.
//! - [`webhooks`] administers the endpoints of webhooks, and shows and repeats deliveries.
//! - [`reconciliation`] compares the store with the provider's ledger.

pub mod api_keys;
pub mod batches;
pub mod bulk;
pub mod console_sessions;
pub mod feed;
mod payouts;
pub mod providers;
pub mod recipients;
pub mod reconciliation;
pub mod stats;
pub mod webhooks;

pub use payouts::{
    Answered, CountMode, CreateBatcherSettings, CreateOptions, EditError, EditRequest, Edited, ListPages,
    MetadataEdit, Page, PageRequest, Payouts, RecipientEdit, ServiceError, Sight, Step,
};
