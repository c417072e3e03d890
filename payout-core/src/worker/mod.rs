//! The worker.
pub struct Worker;
