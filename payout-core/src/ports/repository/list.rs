//! Queries for lists and counts: filter, order and position.

use crate::Timestamp;
use crate::approval::Person;
use crate::batch::BatchId;
use crate::money::Currency;
use crate::payout::{Actor, ExternalId, MetadataEntry, Payout, PayoutId, Status};
use crate::ports::{Deleted, DeletedPayout, Search};
use crate::stored_recipient::RecipientId;

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
    /// Only the payout with this external id; of deleted payouts, several may have it.
    pub external_id: Option<ExternalId>,
    /// Only payouts that have all of these entries in their metadata.
    pub metadata: Vec<MetadataEntry>,
    /// Only payouts that this actor created.
    pub created_by: Option<Actor>,
    /// Only payouts whose recipient was copied from this stored one.
    pub recipient_id: Option<RecipientId>,
    /// Only payouts of this batch.
    pub batch: Option<BatchId>,
    /// Only payouts scheduled for this time or later.
    pub scheduled_after: Option<Timestamp>,
    /// Only payouts scheduled for a time before this.
    pub scheduled_before: Option<Timestamp>,
    /// Only payouts that await approval and that this person may approve.
    pub approvable_by: Option<Person>,
    /// Selects whether deleted payouts are included.
    pub deleted: Deleted,
}

/// A position in a list, identified by a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The time that orders the list: the payout's creation, or its schedule.
    pub at: Timestamp,
    /// The payout's id, because several payouts may have the same time.
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
    /// Returns the row's position in a list of this order.
    pub fn place(&self, order: Order) -> Cursor {
        match self {
            Self::Payout(payout) => Cursor::of(payout, order),
            Self::Deleted(deleted) => Cursor::of(&deleted.payout, order),
            Self::Unreadable(place) => *place,
        }
    }
}

/// The order of a list, by a time and then by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By time of creation, newest first.
    #[default]
    NewestFirst,
    /// By time of creation, oldest first.
    OldestFirst,
    /// By schedule, soonest first. The list has only payouts with a schedule.
    SoonestFirst,
    /// By schedule, latest first. The list has only payouts with a schedule.
    LatestFirst,
}

impl Order {
    /// Returns whether the list has only payouts with a schedule, in the order of these.
    pub fn is_by_schedule(self) -> bool {
        match self {
            Self::SoonestFirst | Self::LatestFirst => true,
            Self::NewestFirst | Self::OldestFirst => false,
        }
    }

    /// Returns whether later times come first.
    pub fn is_descending(self) -> bool {
        match self {
            Self::NewestFirst | Self::LatestFirst => true,
            Self::OldestFirst | Self::SoonestFirst => false,
        }
    }
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
