//! Reads a request: its body, its query, its headers and its path.
//!
//! Bodies, queries and paths have types that are parser and schema at once ([`json`], [`query`], [`path`]), and headers have rules
//! ([`headers`]): what a request is read by is what the document says of it.

pub(super) mod body;
pub(super) mod conditions;
pub(super) mod field;
pub(super) mod fields;
pub(super) mod headers;
pub(super) mod json;
pub(super) mod moment;
pub(super) mod near;
pub(super) mod negotiation;
pub(super) mod path;
pub(super) mod query;
pub(super) mod query_values;
pub(super) mod values;
