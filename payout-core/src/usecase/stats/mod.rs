//! The use case for statistics of payouts.

mod by_list;

use std::sync::Arc;

pub use by_list::CountedList;

use crate::concurrency::single_flight::SingleFlight;
use crate::ports::{RepositoryError, StatsRepository};
use crate::stats::{Days, Grouping, Stats};

/// Statistics of payouts. Cheap to clone.
#[derive(Clone)]
pub struct PayoutStatistics {
    /// Equal questions at the same time are answered once.
    reads: SingleFlight<(Days, Option<Grouping>), Arc<Stats>>,
}

impl PayoutStatistics {
    /// Creates the use case over a store. Must be called within a tokio runtime.
    pub fn new(repository: Arc<dyn StatsRepository>) -> Self {
        let reads = SingleFlight::new(move |(days, by)| {
            let repository = repository.clone();
            Box::pin(async move {
                let rows = repository.stats(days, by).await?;
                Ok(Arc::new(rows.into_iter().collect()))
            })
        });
        Self { reads }
    }

    /// Summarizes the payouts that were created in these days: all of them and, if asked for, by groups.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    pub async fn summarize(&self, days: Days, by: Option<Grouping>) -> Result<Arc<Stats>, RepositoryError> {
        self.reads.ask((days, by)).await
    }
}
