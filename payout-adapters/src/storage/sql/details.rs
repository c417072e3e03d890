//! The columns of a payout's further details: the client's own reference, the metadata, and the text for the statement.

use std::collections::BTreeMap;

use payout_core::payout::{ExternalId, Metadata, StatementText};
use payout_core::ports::RepositoryError;

use super::error::refused;
use super::row::broken;

pub(crate) fn external_id(text: Option<&str>) -> Result<Option<ExternalId>, RepositoryError> {
    text.map(ExternalId::restore)
        .transpose()
        .map_err(broken("external_id"))
}

pub(crate) fn statement_text(text: Option<&str>) -> Result<Option<StatementText>, RepositoryError> {
    text.map(StatementText::new)
        .transpose()
        .map_err(broken("statement_text"))
}

/// Reads metadata from a JSON object of texts. The parser's errors quote positions, not values.
pub(crate) fn metadata(json: Option<&str>) -> Result<Metadata, RepositoryError> {
    let Some(json) = json else {
        return Ok(Metadata::default());
    };
    let entries = serde_json::from_str(json)
        .map_err(|error| broken("metadata")(format!("line {}, column {}", error.line(), error.column())))?;
    Ok(Metadata::restore(entries))
}

/// Writes metadata as a JSON object of texts; absent if they are empty.
pub(crate) fn metadata_column(metadata: &Metadata) -> Result<Option<String>, RepositoryError> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let entries: BTreeMap<&str, &str> = metadata.iter().collect();
    serde_json::to_string(&entries).map(Some).map_err(refused)
}
