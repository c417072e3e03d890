//! Pages of payouts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Timestamp;
use crate::concurrency::single_flight::Collapse;
use crate::payout::{Payout, PayoutId};
use crate::ports::{
    Count, Cursor, DeletedPayout, Filter, ListQuery, Listed, Order, PayoutRepository, Position,
    RepositoryError,
};
use crate::usecase::payouts::{Payouts, ServiceError};

/// How far a list counts what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountMode {
    /// Exactly, up to [`Payouts::COUNTED_EXACTLY`]; past that, "at least so many".
    #[default]
    Bounded,
    /// Exactly, whatever it costs.
    Exact,
}

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Of which payouts.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Where it lies.
    pub position: Position,
    /// How many payouts it has at the most.
    pub size: u32,
    /// How the total is counted.
    pub count: CountMode,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the list's order.
    pub payouts: Vec<Payout>,
    /// When those of them were deleted that are.
    pub deleted: HashMap<PayoutId, Timestamp>,
    /// These belong on the page too, and cannot be read.
    pub unreadable: Vec<PayoutId>,
    /// How many the whole list has.
    pub count: Count,
    /// Where the next page starts; absent on the last.
    pub next: Option<Cursor>,
    /// Where the previous page ends; absent on the first.
    pub previous: Option<Cursor>,
}

/// Pages of the repository.
pub(super) fn pages(repository: Arc<dyn PayoutRepository>) -> Collapse<ListQuery, Vec<Listed>> {
    Collapse::new(move |query| {
        let repository = repository.clone();
        Box::pin(async move { repository.list(&query).await })
    })
}

/// Counts of the repository, up to a bound if there is one.
pub(super) fn counts(repository: Arc<dyn PayoutRepository>, at_most: Option<u64>) -> Collapse<Filter, Count> {
    Collapse::new(move |filter| {
        let repository = repository.clone();
        Box::pin(async move { repository.count(&filter, at_most).await })
    })
}

impl Payouts {
    /// Up to here a list's count is exact without asking for it.
    pub const COUNTED_EXACTLY: u64 = 10_000;

    /// One page of a list. By cursor, every page costs the same.
    ///
    /// # Errors
    /// [`ServiceError::Repository`].
    pub async fn list(&self, request: &PageRequest) -> Result<Page, ServiceError> {
        let query = ListQuery {
            filter: request.filter.clone(),
            order: request.order,
            position: request.position,
            limit: request.size.saturating_add(1),
        };
        let (mut rows, count) = match request.count {
            CountMode::Bounded => {
                tokio::try_join!(self.pages.ask(query), self.bounded_count(&request.filter))?
            }
            CountMode::Exact => tokio::try_join!(
                self.pages.ask(query),
                self.exact_counts.ask(request.filter.clone())
            )?,
        };

        // One more than asked tells whether there is more in the direction of travel.
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
        // From the rows, not from what could be read of them: a page of which nothing can be read is not the last.
        let next = rows.last().filter(|_| has_next).map(Listed::place);
        let previous = rows.first().filter(|_| has_previous).map(Listed::place);
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

    async fn bounded_count(&self, filter: &Filter) -> Result<Count, RepositoryError> {
        let now = self.ambient.monotonic();
        if let Some(count) = self.counted.recall(filter, now) {
            return Ok(count);
        }
        let count = self.counts.ask(filter.clone()).await?;
        self.counted.remember(filter, count, self.ambient.monotonic());
        Ok(count)
    }
}

impl Cursor {
    /// The place of a payout.
    pub fn of(payout: &Payout) -> Self {
        Self {
            created_at: payout.parts().created_at,
            id: payout.id(),
        }
    }
}
