//! Extraction of requests: bodies, queries, headers and paths.
//!
//! The types of bodies, queries and paths are parser and schema at once ([`json`], [`query`], [`path`]), and headers
//! have rules ([`headers`]). So the document describes exactly the requests that are accepted.

pub(super) mod batch_values;
pub(super) mod body;
pub(super) mod conditions;
pub(super) mod encoding;
pub(super) mod field;
pub(super) mod fields;
pub(super) mod headers;
pub(super) mod ids;
pub(super) mod json;
pub(super) mod list;
pub(crate) mod moment;
pub(super) mod negotiation;
pub(super) mod path;
pub(super) mod payout_values;
pub(super) mod query;
pub(super) mod query_values;
pub(super) mod recipient;
pub(super) mod upload;
pub(super) mod values;
pub(super) mod webhooks;
