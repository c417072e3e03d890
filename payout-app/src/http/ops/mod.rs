//! Endpoints for operators: liveness, readiness and metrics.

pub(super) mod health;
pub(super) mod metrics;
