//! Pages of a payout's audit trail. A trail has no bound, so no answer contains all of it.

use crate::payout::Event;
use crate::ports::{Count, Deleted};

/// A query for one page of an audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery {
    /// The position after which the page begins; absent for the first page.
    pub after: Option<EventPlace>,
    /// The largest number of events.
    pub limit: u32,
    /// Selects whether the payout may be a deleted one.
    pub deleted: Deleted,
}

/// A position in an audit trail, identified by an event. Later events have greater positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPlace(pub u64);

/// One page of an audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// The position after which the next page begins; absent if this page has the newest event.
    pub next: Option<EventPlace>,
    /// The number of events in the whole trail, exact up to [`COUNTED_EXACTLY`](Self::COUNTED_EXACTLY).
    pub count: Count,
}

impl EventPage {
    /// The number of events up to which a trail is counted exactly.
    pub const COUNTED_EXACTLY: u64 = 10_000;
    /// The largest number of events in a page. A query that asks for more gets this many.
    pub const LONGEST: u32 = 1_000;
}
