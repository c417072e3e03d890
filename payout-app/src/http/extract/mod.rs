//! Reads a request: its body, its headers and its path.

pub(super) mod body;
pub(super) mod conditions;
pub(super) mod fields;
pub(super) mod headers;
pub(super) mod moment;
pub(super) mod near;
pub(super) mod negotiation;
