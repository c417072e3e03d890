//! The endpoints of operators: whether the process is alive and ready, and its metrics.

pub(super) mod health;
pub(super) mod metrics;
