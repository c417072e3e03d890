//! A part of an audit trail, from the rows that both dialects read.

use payout_core::ports::{Count, EventPage, EventPlace, EventQuery, RepositoryError};

use super::row::EventRow;

/// Returns the parameters of the statement that reads a part: the number to start after, and the number of rows. It
/// asks for one row more than the query, which shows whether there are more. The first event has place 0.
pub(crate) fn bounds(query: EventQuery) -> (i64, i64) {
    let after = query
        .after
        .map_or(-1, |EventPlace(place)| i64::try_from(place).unwrap_or(i64::MAX));
    (after, i64::from(query.limit.clamp(1, EventPage::LONGEST)) + 1)
}

/// The number up to which a trail is counted.
pub(crate) const COUNTED: i64 = EventPage::COUNTED_EXACTLY.cast_signed() + 1;

/// A part without its count. The count is known already if the part is the whole trail.
pub(crate) struct Part {
    page: EventPage,
    is_whole: bool,
}

impl Part {
    pub(crate) fn of(mut rows: Vec<EventRow>, query: EventQuery) -> Result<Self, RepositoryError> {
        let limit = query.limit.clamp(1, EventPage::LONGEST) as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(EventRow::place);
        let events = rows
            .into_iter()
            .map(EventRow::restore)
            .collect::<Result<Vec<_>, _>>()?;
        let count = Count {
            count: events.len() as u64,
            exact: true,
        };
        // Every payout has the event of its creation.
        let is_whole = query.after.is_none() && !more && count.count > 0;
        Ok(Self {
            page: EventPage { events, next, count },
            is_whole,
        })
    }

    /// Returns the page, if nothing more has to be counted.
    pub(crate) fn whole(self) -> Result<EventPage, Self> {
        if self.is_whole { Ok(self.page) } else { Err(self) }
    }

    /// Returns the page with the counted number of events; absent when that is zero: there is no such payout.
    pub(crate) fn counted(mut self, counted: i64) -> Option<EventPage> {
        let counted = counted.unsigned_abs();
        self.page.count = Count {
            count: counted.min(EventPage::COUNTED_EXACTLY),
            exact: counted <= EventPage::COUNTED_EXACTLY,
        };
        (counted > 0).then_some(self.page)
    }
}
