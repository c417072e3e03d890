//! Exports: a copy of the list.

use async_trait::async_trait;
use payout_core::ports::{ExportedRows, Listed, RepositoryError};

/// The number of rows that are handed over at once.
const CHUNK: usize = 256;

/// The rows that are left of a copy, the next ones last.
pub(super) struct Copied(Vec<Listed>);

impl Copied {
    pub(super) fn of(mut rows: Vec<Listed>) -> Self {
        rows.reverse();
        Self(rows)
    }
}

#[async_trait]
impl ExportedRows for Copied {
    async fn next(&mut self) -> Result<Option<Vec<Listed>>, RepositoryError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let mut rows = self.0.split_off(self.0.len().saturating_sub(CHUNK));
        rows.reverse();
        Ok(Some(rows))
    }
}
