//! Lists: which payouts, in which order, from which place.

use crate::Timestamp;
use crate::money::Currency;
use crate::payout::{Payout, PayoutId, Status};
use crate::ports::{Deleted, DeletedPayout, Search};

/// Which payouts a list or a count is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Any of these; all when empty.
    pub statuses: Vec<Status>,
    /// Only this currency.
    pub currency: Option<Currency>,
    /// Created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    /// Only those that do, or do not, wait for a person.
    pub needs_review: Option<bool>,
    /// Only what matches.
    pub search: Option<Search>,
    /// Whether deleted ones are among them.
    pub deleted: Deleted,
}

/// A place in the list, between payouts: that of this payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// When it was created.
    pub created_at: Timestamp,
    /// Its id, since many are created at once.
    pub id: PayoutId,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A payout.
    Payout(Payout),
    /// A deleted payout, where it was asked for.
    Deleted(DeletedPayout),
    /// There is a payout at this place, and its row cannot be read: it was altered, or its key is gone.
    Unreadable(Cursor),
}

impl Listed {
    /// Its place in the list.
    pub fn place(&self) -> Cursor {
        match self {
            Self::Payout(payout) => Cursor::of(payout),
            Self::Deleted(deleted) => Cursor::of(&deleted.payout),
            Self::Unreadable(place) => *place,
        }
    }
}

/// The order of a list: by time of creation, then by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// After so many payouts; the cost grows with it.
    Offset(u64),
    /// The payouts that follow this place in the list's order.
    After(Cursor),
    /// The payouts right before this place, still in the list's order.
    Before(Cursor),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// Which payouts.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Where.
    pub position: Position,
    /// How many at the most.
    pub limit: u32,
}

/// A number of payouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub count: u64,
    /// Or at least so many, when counting stopped there.
    pub exact: bool,
}
