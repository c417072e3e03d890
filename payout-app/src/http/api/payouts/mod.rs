//! Payouts over HTTP.

pub(crate) mod approve;
pub(crate) mod bodies;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod cursor;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod get;
pub(in crate::http) mod guess;
pub(crate) mod list;
pub(crate) mod query;
pub(crate) mod reject;
pub(crate) mod retry;
