//! Exports: all payouts of a list.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ports::{
    Cursor, ExportQuery, ExportedRows, ListQuery, Listed, PayoutExport, PayoutRepository, Position,
    RepositoryError,
};
use crate::usecase::payouts::{Payouts, ServiceError};

/// The number of rows that are read at once.
const PAGE: u32 = 500;
/// The largest number of exports at once.
const AT_ONCE: usize = 2;

impl Payouts {
    /// Sets the port that exports read from. Without this call they read the pages of the repository's lists, which are
    /// not from one moment.
    #[must_use]
    pub fn exporting(mut self, exports: Arc<dyn PayoutExport>) -> Self {
        self.exports = exports;
        self
    }

    /// Begins an export.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, ServiceError> {
        Ok(self.exports.export(query).await?)
    }
}

/// Exports the pages of a repository's lists, for a repository that has no exports of its own.
///
/// Each page is read at another moment. A payout that was created after the export began is not part of it, but later
/// changes to the others are seen, and a payout that leaves the filter in the meantime is missed.
pub struct ListPages {
    repository: Arc<dyn PayoutRepository>,
    places: Arc<Semaphore>,
}

impl ListPages {
    /// Creates the exports of this repository.
    pub fn new(repository: Arc<dyn PayoutRepository>) -> Self {
        Self {
            repository,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

#[async_trait]
impl PayoutExport for ListPages {
    async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, RepositoryError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|full| RepositoryError::Overloaded(Box::new(full)))?;
        let mut filter = query.filter.clone();
        // Payouts that are created at this very moment are part of it.
        let end = self.repository.now().await? + chrono::TimeDelta::microseconds(1);
        filter.created_before = Some(filter.created_before.map_or(end, |before| before.min(end)));
        let mut pages = Pages {
            repository: self.repository.clone(),
            query: ListQuery {
                filter,
                order: query.order,
                position: Position::Offset(0),
                limit: PAGE,
            },
            first: None,
            ended: false,
            _place: place,
        };
        // A store that cannot be read is an error of the beginning.
        pages.first = pages.read().await?;
        Ok(Box::new(pages))
    }
}

/// The pages of one export.
struct Pages {
    repository: Arc<dyn PayoutRepository>,
    query: ListQuery,
    /// The page that was read at the beginning.
    first: Option<Vec<Listed>>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Pages {
    async fn read(&mut self) -> Result<Option<Vec<Listed>>, RepositoryError> {
        if self.ended {
            return Ok(None);
        }
        let rows = self.repository.list(&self.query).await?;
        let last: Option<Cursor> = rows.last().map(|row| row.place(self.query.order));
        self.ended = rows.len() < self.query.limit as usize;
        match last {
            Some(last) => {
                self.query.position = Position::After(last);
                Ok(Some(rows))
            }
            None => Ok(None),
        }
    }
}

#[async_trait]
impl ExportedRows for Pages {
    async fn next(&mut self) -> Result<Option<Vec<Listed>>, RepositoryError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read().await,
        }
    }
}
