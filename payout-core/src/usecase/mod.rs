//! The use cases, one folder per aggregate. Each reads, asks the domain for a step, and writes under the step's guard.
//!
//! - [`Payouts`] serves requests about payouts.
//! - [`api_keys`] administers API keys and authenticates requests.
//! - [`reconciliation`] compares the store with the provider's ledger.

pub mod api_keys;
mod payouts;
pub mod reconciliation;

#[doc(hidden)]
pub use api_keys as keys;
pub use payouts::{
    Answered, CountMode, EditError, EditRequest, IntakeSettings, Page, PageRequest, Payouts, ServiceError,
    Sight, Step,
};
