//! Queries for lists and counts: filter, order and position.

use crate::Timestamp;
use crate::money::Currency;
use crate::payout::{Payout, PayoutId, Status};
use crate::ports::{Deleted, DeletedPayout, Search};

/// A filter for lists and counts. Every condition that is set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Any of these statuses; all if empty.
    pub statuses: Vec<Status>,
    /// Only payouts in this currency.
    pub currency: Option<Currency>,
    /// Only payouts created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Only payouts created before this time.
    pub created_before: Option<Timestamp>,
    /// Only payouts that wait for an operator's review, or only those that do not.
    pub needs_review: Option<bool>,
    /// Only payouts that match this search.
    pub search: Option<Search>,
    /// Selects whether deleted payouts are included.
    pub deleted: Deleted,
}

/// A position in a list, identified by a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The payout's time of creation.
    pub created_at: Timestamp,
    /// The payout's id, because several payouts may have the same time of creation.
    pub id: PayoutId,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A payout.
    Payout(Payout),
    /// A deleted payout, if the query asks for those.
    Deleted(DeletedPayout),
    /// A payout whose row cannot be read, because it was altered or its encryption key is missing.
    Unreadable(Cursor),
}

impl Listed {
    /// Returns the row's position in the list.
    pub fn place(&self) -> Cursor {
        match self {
            Self::Payout(payout) => Cursor::of(payout),
            Self::Deleted(deleted) => Cursor::of(&deleted.payout),
            Self::Unreadable(place) => *place,
        }
    }
}

/// The order of a list, by time of creation and then by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// The position of a page in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// After this number of payouts. The cost grows with the number.
    Offset(u64),
    /// The payouts that follow this position, in the list's order.
    After(Cursor),
    /// The payouts directly before this position, also in the list's order.
    Before(Cursor),
}

/// A query for one page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// The filter.
    pub filter: Filter,
    /// The order.
    pub order: Order,
    /// The position of the page.
    pub position: Position,
    /// The largest number of rows.
    pub limit: u32,
}

/// A number of payouts, exact or a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub count: u64,
    /// Set if the number is exact. Unset if counting stopped at it, so that it is a lower bound.
    pub exact: bool,
}
