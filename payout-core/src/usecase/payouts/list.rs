//! Reads pages of payouts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Timestamp;
use crate::concurrency::single_flight::SingleFlight;
use crate::payout::{Payout, PayoutId};
use crate::ports::{
    Count, Cursor, DeletedPayout, Filter, ListQuery, Listed, Order, PayoutRepository, Position,
    RepositoryError,
};
use crate::usecase::payouts::{Payouts, ServiceError};

/// The way in which the payouts of a list are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountMode {
    /// Exactly up to [`Payouts::COUNTED_EXACTLY`]; a longer list reports that bound as a minimum.
    #[default]
    Bounded,
    /// Exactly, at any cost.
    Exact,
}

/// A request for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The filter.
    pub filter: Filter,
    /// The order.
    pub order: Order,
    /// The position of the page.
    pub position: Position,
    /// The largest number of payouts on the page.
    pub size: u32,
    /// The way in which the whole list is counted.
    pub count: CountMode,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The payouts, in the list's order.
    pub payouts: Vec<Payout>,
    /// The time of deletion of each payout that is deleted.
    pub deleted: HashMap<PayoutId, Timestamp>,
    /// The ids of the payouts on the page whose rows cannot be read.
    pub unreadable: Vec<PayoutId>,
    /// The number of payouts in the whole list.
    pub count: Count,
    /// The position after which the next page begins; absent on the last page.
    pub next: Option<Cursor>,
    /// The position before which the previous page ends; absent on the first page.
    pub previous: Option<Cursor>,
}

/// Reads pages from the repository, once for equal queries at the same time.
pub(super) fn pages(repository: Arc<dyn PayoutRepository>) -> SingleFlight<ListQuery, Vec<Listed>> {
    SingleFlight::new(move |query| {
        let repository = repository.clone();
        Box::pin(async move { repository.list(&query).await })
    })
}

/// Counts in the repository up to `at_most`, if given, once for equal filters at the same time.
pub(super) fn counts(
    repository: Arc<dyn PayoutRepository>,
    at_most: Option<u64>,
) -> SingleFlight<Filter, Count> {
    SingleFlight::new(move |filter| {
        let repository = repository.clone();
        Box::pin(async move { repository.count(&filter, at_most).await })
    })
}

impl Payouts {
    /// The number of payouts up to which a list is counted exactly by default.
    pub const COUNTED_EXACTLY: u64 = 10_000;

    /// Returns one page of a list. With cursors, every page costs the same.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn list(&self, request: &PageRequest) -> Result<Page, ServiceError> {
        let mut filter = request.filter.clone();
        if request.order.is_by_schedule() {
            // The count is of the same payouts.
            filter.scheduled_after.get_or_insert(Timestamp::UNIX_EPOCH);
        }
        let query = ListQuery {
            filter: filter.clone(),
            order: request.order,
            position: request.position,
            limit: request.size.saturating_add(1),
        };
        let (mut rows, count) = match request.count {
            CountMode::Bounded => tokio::try_join!(self.pages.ask(query), self.bounded_count(&filter))?,
            CountMode::Exact => tokio::try_join!(self.pages.ask(query), self.exact_counts.ask(filter))?,
        };

        // One row more than requested shows whether there is another page in this direction.
        let more = rows.len() > request.size as usize;
        let (has_previous, has_next) = match request.position {
            Position::Offset(skipped) => (skipped > 0, more),
            Position::After(_) => (true, more),
            Position::Before(_) => (more, true),
        };
        if more {
            match request.position {
                Position::Before(_) => drop(rows.remove(0)),
                Position::Offset(_) | Position::After(_) => drop(rows.pop()),
            }
        }
        // From all rows, including those that cannot be read: a page of unreadable rows is not the last.
        let place = |row: &Listed| row.place(request.order);
        let next = rows.last().filter(|_| has_next).map(place);
        let previous = rows.first().filter(|_| has_previous).map(place);
        let (mut payouts, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut deleted = HashMap::new();
        for row in rows {
            match row {
                Listed::Payout(payout) => payouts.push(payout),
                Listed::Deleted(DeletedPayout { payout, deleted_at }) => {
                    deleted.insert(payout.id(), deleted_at);
                    payouts.push(payout);
                }
                Listed::Unreadable(place) => unreadable.push(place.id),
            }
        }
        Ok(Page {
            payouts,
            deleted,
            unreadable,
            count,
            next,
            previous,
        })
    }

    /// Returns the rows of a list, without a count.
    pub(crate) async fn rows(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        self.repository.list(query).await
    }

    async fn bounded_count(&self, filter: &Filter) -> Result<Count, RepositoryError> {
        let now = self.environment.monotonic();
        if let Some(count) = self.count_cache.recall(filter, now) {
            return Ok(count);
        }
        let count = self.counts.ask(filter.clone()).await?;
        self.count_cache
            .remember(filter, count, self.environment.monotonic());
        Ok(count)
    }
}

impl Cursor {
    /// Returns the position of a payout in a list of this order.
    pub fn of(payout: &Payout, order: Order) -> Self {
        let created_at = payout.parts().created_at;
        let scheduled_at = payout.details().scheduled_at.filter(|_| order.is_by_schedule());
        Self {
            at: scheduled_at.unwrap_or(created_at),
            id: payout.id(),
        }
    }
}
