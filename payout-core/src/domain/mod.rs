//! The domain: values that are valid once they exist, a state machine whose steps consume the previous state, and pure
//! functions that decide what a worker does next. It does not depend on the ports: use cases and workers connect the
//! two.

pub mod access;
pub mod approval;
pub mod attempt;
pub mod batch;
pub mod bulk;
pub mod feed;
pub mod idempotency;
pub mod money;
pub mod payout;
pub mod provider;
pub(crate) mod randomness;
pub mod spending;
pub mod stats;
pub mod stored_recipient;
pub mod text;
pub mod webhook;
