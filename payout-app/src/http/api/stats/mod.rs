//! The endpoint for statistics.

pub(crate) mod get;
