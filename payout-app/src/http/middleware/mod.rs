//! Every request passes these before its handler, and its answer on the way back.

pub(crate) mod access;
pub(super) mod browser;
pub(crate) mod context;
pub(super) mod edge;
pub(crate) mod open;
pub(super) mod parameters;
