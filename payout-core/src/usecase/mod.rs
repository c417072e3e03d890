//! The use cases, one folder per aggregate. Each reads, asks the domain for a step, and writes under the step's guard.
//!
//! - [`Payouts`] serves requests about payouts.
//! - [`api_keys`] administers API keys and authenticates requests.
//! - [`reconciliation`] compares the store with the provider's ledger.

pub mod api_keys;
mod payouts;
pub mod reconciliation;

pub use payouts::{
    Answered, CountMode, CreateBatcherSettings, EditError, EditRequest, Page, PageRequest, Payouts,
    ServiceError, Sight, Step,
};
