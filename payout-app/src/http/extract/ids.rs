//! Ids in requests: UUIDs in their canonical form.

use std::str::FromStr;

use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

/// Parses an id. Returns `None` for every form but the canonical one, of 36 characters.
pub(crate) fn canonical<T: FromStr>(text: &str) -> Option<T> {
    Some(text).filter(|text| text.len() == 36)?.parse().ok()
}

/// Returns the schema of an id.
pub(crate) fn uuid() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
}
