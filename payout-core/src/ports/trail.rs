//! The audit trail of one payout, part by part: it has no bound, so no answer has all of it.

use crate::payout::Event;
use crate::ports::{Count, Deleted};

/// Which part of an audit trail is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery {
    /// The events that follow this place, or, absent, from the first on.
    pub after: Option<EventPlace>,
    /// At most this many.
    pub limit: u32,
    /// Whether the payout may be a deleted one.
    pub deleted: Deleted,
}

/// A place in an audit trail: that of an event. Later events have greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPlace(pub u64);

/// Part of an audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Where the next part begins; absent when this one has the newest event.
    pub next: Option<EventPlace>,
    /// How many events the whole trail has, exact up to [`COUNTED_EXACTLY`](Self::COUNTED_EXACTLY).
    pub count: Count,
}

impl EventPage {
    /// The events of a trail are counted up to here.
    pub const COUNTED_EXACTLY: u64 = 10_000;
    /// The most events in one part; a query that asks for more gets this many.
    pub const LONGEST: u32 = 1_000;
}
