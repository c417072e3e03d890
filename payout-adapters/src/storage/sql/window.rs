//! A list query as bounds, a direction and a shape.
//!
//! Every bound of a list, the filter's times and the cursor, is a place in the order of a time and the id: the time of
//! creation, or the schedule. So each statement has the same two bounds: strictly after one place and strictly before
//! another. Where nothing bounds a side, its place lies beyond every row.

use payout_core::Timestamp;
use payout_core::payout::{MetadataEntry, Status};
use payout_core::ports::{Count, Filter, ListQuery, Position, Search};
use uuid::Uuid;

use super::stored::whole_micros;
use crate::storage::reads::Cost;

/// The bounds of a list; both ends are excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) above: (Timestamp, Uuid),
    pub(crate) below: (Timestamp, Uuid),
}

/// The direction in which a statement walks the window: an index into its pair of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    NewestFirst = 0,
    OldestFirst = 1,
}

/// The shape of a filter, which decides which statement and which index serve it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape<'a> {
    /// No condition.
    All,
    /// One status and nothing else.
    Status(Status),
    /// A search, with any other conditions.
    Search(&'a Search),
    /// An external id, with any other conditions but a search.
    ExternalId,
    /// A stored recipient, with any other conditions but those above.
    Recipient,
    /// A batch, with any other conditions but those above.
    Batch,
    /// An entry of the metadata, with any other conditions but those above.
    Metadata(&'a MetadataEntry),
    /// Any other conditions.
    Other,
}

/// A page to be read.
pub(crate) struct Page {
    pub(crate) window: Window,
    pub(crate) direction: Direction,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
    /// Reports whether the rows come in the reverse of the list's order.
    reversed: bool,
}

/// A range of names that begin with a prefix, in the order of code points: from the first up to, but not including, the
/// second.
pub(crate) struct NameRange {
    pub(crate) from: String,
    pub(crate) to: String,
}

const FIRST: (Timestamp, Uuid) = (Timestamp::UNIX_EPOCH, Uuid::nil());

/// The end of the year 9999, the last year that RFC 3339 can write.
const LAST: (Timestamp, Uuid) = match Timestamp::from_timestamp(253_402_300_799, 0) {
    Some(at) => (at, Uuid::max()),
    None => (Timestamp::MAX_UTC, Uuid::max()),
};

/// Rounds a time up to a microsecond.
fn micros_from(at: Timestamp) -> Timestamp {
    let whole = whole_micros(at);
    if whole < at {
        whole + chrono::TimeDelta::microseconds(1)
    } else {
        whole
    }
}

/// Rounds a time of a filter up to a microsecond, within the times that every store has.
pub(crate) fn within(at: Timestamp) -> Timestamp {
    micros_from(at.clamp(FIRST.0, LAST.0))
}

impl Window {
    /// Returns the bounds that a filter's times of creation set.
    pub(crate) fn of(filter: &Filter) -> Self {
        Self::between(filter.created_after, filter.created_before)
    }

    fn between(after: Option<Timestamp>, before: Option<Timestamp>) -> Self {
        let above = after.map_or(FIRST, |after| {
            (within(after) - chrono::TimeDelta::microseconds(1), Uuid::max())
        });
        let below = before.map_or(LAST, |before| (within(before), Uuid::nil()));
        Self { above, below }
    }
}

impl Page {
    /// Returns the window and the direction of a query.
    pub(crate) fn of(query: &ListQuery) -> Self {
        let filter = &query.filter;
        let mut window = if query.order.is_by_schedule() {
            Window::between(filter.scheduled_after, filter.scheduled_before)
        } else {
            Window::of(filter)
        };
        let (mut offset, mut reversed) = (0, false);
        let cursor = match query.position {
            Position::Offset(rows) => {
                offset = i64::try_from(rows).unwrap_or(i64::MAX);
                None
            }
            Position::After(cursor) => Some(cursor),
            // Read from the place backwards, and reversed afterwards.
            Position::Before(cursor) => {
                reversed = true;
                Some(cursor)
            }
        };
        let direction = if query.order.is_descending() == reversed {
            Direction::OldestFirst
        } else {
            Direction::NewestFirst
        };
        if let Some(cursor) = cursor {
            // A client sends the cursor, and it can name times earlier than PostgreSQL supports.
            let place = (cursor.at, cursor.id.as_uuid()).clamp(FIRST, LAST);
            match direction {
                Direction::NewestFirst => window.below = window.below.min(place),
                Direction::OldestFirst => window.above = window.above.max(place),
            }
        }
        Self {
            window,
            direction,
            offset,
            limit: i64::from(query.limit),
            reversed,
        }
    }

    /// Puts the rows in the list's order.
    pub(crate) fn in_order<Row>(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if self.reversed {
            rows.reverse();
        }
        rows
    }
}

impl<'a> Shape<'a> {
    pub(crate) fn of(filter: &'a Filter) -> Self {
        if let Some(search) = &filter.search {
            return Self::Search(search);
        }
        if filter.external_id.is_some() {
            return Self::ExternalId;
        }
        if filter.recipient_id.is_some() {
            return Self::Recipient;
        }
        if filter.batch.is_some() {
            return Self::Batch;
        }
        if let Some(entry) = filter.metadata.first() {
            return Self::Metadata(entry);
        }
        let is_bare = filter.currency.is_none()
            && filter.needs_review.is_none()
            && filter.created_by.is_none()
            && filter.approvable_by.is_none()
            && filter.scheduled_after.is_none()
            && filter.scheduled_before.is_none();
        match (filter.statuses.as_slice(), is_bare) {
            ([], true) => Self::All,
            ([status], true) => Self::Status(*status),
            _ => Self::Other,
        }
    }
}

/// Returns the cost of reading one page, or of counting up to a bound.
pub(crate) fn cost(filter: &Filter) -> Cost {
    match Shape::of(filter) {
        Shape::All | Shape::Status(_) | Shape::ExternalId => Cost::Light,
        Shape::Batch | Shape::Recipient if is_only_of_one(filter) => Cost::Light,
        Shape::Batch | Shape::Recipient | Shape::Search(_) | Shape::Metadata(_) | Shape::Other => Cost::Dear,
    }
}

fn is_only_of_one(filter: &Filter) -> bool {
    let only = Filter {
        batch: filter.batch,
        recipient_id: filter.recipient_id,
        created_after: filter.created_after,
        created_before: filter.created_before,
        ..Filter::default()
    };
    *filter == only
}

impl NameRange {
    /// The maximum number of ranges of a search.
    pub(crate) const MOST: usize = 3;

    /// Returns the ranges of names that a search finds: usually one, and one more for each other way in which the
    /// prefix may have been folded.
    pub(crate) fn of(search: &Search) -> Vec<Self> {
        search
            .name_prefixes()
            .into_iter()
            .map(Self::beginning_with)
            .collect()
    }

    fn beginning_with(from: String) -> Self {
        let mut to = from.clone();
        // Replaces the last code point that has a successor by it; ranges of `char` skip the surrogates.
        while let Some(last) = to.pop() {
            if let Some(next) = (last..=char::MAX).nth(1) {
                to.push(next);
                return Self { from, to };
            }
        }
        // The prefix has only the last code point: no name is longer than this.
        Self {
            from,
            to: char::MAX.to_string().repeat(1024),
        }
    }
}

/// Converts a counted number, whose limit was one above `at_most`.
pub(crate) fn counted(counted: i64, at_most: Option<u64>) -> Count {
    let counted = counted.unsigned_abs();
    match at_most {
        Some(at_most) if counted > at_most => Count {
            count: at_most,
            exact: false,
        },
        Some(_) | None => Count {
            count: counted,
            exact: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use payout_core::payout::PayoutId;
    use payout_core::ports::{Cursor, Order};

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_timestamp_micros(micros).unwrap()
    }

    fn query(order: Order, position: Position) -> ListQuery {
        let filter = Filter {
            created_after: Some(at(10)),
            created_before: Some(at(90)),
            ..Filter::default()
        };
        ListQuery {
            filter,
            order,
            position,
            limit: 5,
        }
    }

    #[test]
    fn a_cursor_bounds_the_side_that_the_reading_starts_from() {
        let id = PayoutId::from(Uuid::from_u128(7));
        let cursor = Cursor { at: at(50), id };
        let place = (at(50), id.as_uuid());
        for (order, position, direction) in [
            (
                Order::NewestFirst,
                Position::After(cursor),
                Direction::NewestFirst,
            ),
            (
                Order::OldestFirst,
                Position::Before(cursor),
                Direction::NewestFirst,
            ),
            (
                Order::OldestFirst,
                Position::After(cursor),
                Direction::OldestFirst,
            ),
            (
                Order::NewestFirst,
                Position::Before(cursor),
                Direction::OldestFirst,
            ),
        ] {
            let page = Page::of(&query(order, position));
            assert_eq!(page.direction, direction);
            match direction {
                Direction::NewestFirst => {
                    assert_eq!((page.window.below, page.window.above.0), (place, at(9)))
                }
                Direction::OldestFirst => {
                    assert_eq!((page.window.above, page.window.below.0), (place, at(90)))
                }
            }
        }
    }

    #[test]
    fn a_list_by_schedule_is_bounded_by_schedules() {
        let mut query = query(Order::LatestFirst, Position::Offset(0));
        query.filter.scheduled_before = Some(at(70));
        let page = Page::of(&query);
        assert_eq!(page.direction, Direction::NewestFirst);
        assert_eq!(page.window.below, (at(70), Uuid::nil()));
        assert_eq!(page.window.above, FIRST, "not by creation");
    }

    #[test]
    fn a_cursor_outside_the_filters_times_does_not_widen_them() {
        let cursor = Cursor {
            at: at(500),
            id: PayoutId::from(Uuid::nil()),
        };
        let page = Page::of(&query(Order::NewestFirst, Position::After(cursor)));
        assert_eq!(page.window.below, (at(90), Uuid::nil()));
    }

    #[test]
    fn times_finer_than_the_store_keeps_bound_the_same_rows() {
        let fine = Timestamp::from_timestamp_nanos(10_500);
        let filter = Filter {
            created_after: Some(fine),
            created_before: Some(fine),
            ..Filter::default()
        };
        let window = Window::of(&filter);
        assert_eq!(
            window.above,
            (at(10), Uuid::max()),
            "a row at 10 µs was created before 10.5 µs"
        );
        assert_eq!(window.below, (at(11), Uuid::nil()));
    }

    #[test]
    fn a_prefix_ends_before_the_next_text_that_does_not_have_it() {
        let range = |text: &str| NameRange::beginning_with(text.to_lowercase()).to;
        assert_eq!(range("Ada"), "adb");
        assert_eq!(range("a%_\\"), "a%_]");
        assert_eq!(range("a\u{10ffff}"), "b");
        assert_eq!(range("\u{d7ff}"), "\u{e000}");
        assert!(range("\u{10ffff}").starts_with("\u{10ffff}\u{10ffff}"));
    }
}
