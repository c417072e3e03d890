//! Middleware: every request passes it on the way to its handler, and every answer on the way back.

pub(crate) mod access;
pub(super) mod browser;
pub(crate) mod context;
pub(super) mod edge;
pub(crate) mod open;
pub(super) mod parameters;
