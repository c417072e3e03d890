//! The event feed in memory: a log of all events, in the order of their transactions.

use payout_core::Timestamp;
use payout_core::feed::{After, Announcement, Before, FeedPosition, PublicEvent};
use payout_core::payout::PayoutId;
use payout_core::ports::{FeedPage, FeedQuery};
use uuid::Uuid;

use super::store::Store;

/// An entry of the log.
enum Entry {
    /// An event of a payout's trail, by its place there, and the payout right after it.
    Payout(usize, After),
    /// An event of something else, and its time.
    Announced(Announcement, Timestamp),
}

/// All events, in the order of their transactions. An entry's position is its number, from 1.
#[derive(Default)]
pub(super) struct Log(Vec<Entry>);

impl Store {
    /// Adds the payout's events that are not in the log yet. Each transaction adds at most one event to a payout, so the
    /// payout is still as it is right after it.
    pub(super) fn publish(&mut self, id: PayoutId) {
        let Some(row) = self.row_mut(id) else { return };
        let new = row.published..row.events.len();
        row.published = new.end;
        let parts = row.payout.parts();
        let entries: Vec<Entry> = row.events[new.clone()]
            .iter()
            .zip(new)
            .map(|(event, place)| {
                let after = After {
                    id,
                    batch_id: parts.batch,
                    version: parts.version,
                    money: row.payout.money(),
                    scheduled_at: After::date_ahead(event, parts.details.scheduled_at),
                };
                Entry::Payout(place, after)
            })
            .collect();
        self.log.0.extend(entries);
    }

    /// Adds an event of something other than a payout.
    pub(super) fn announce(&mut self, announcement: Announcement, now: Timestamp) {
        self.log.0.push(Entry::Announced(announcement, now));
    }

    pub(super) fn feed(&self, query: &FeedQuery) -> FeedPage {
        // The entry at the position may tell more events than were shown.
        let first = query
            .after
            .major
            .saturating_sub(u64::from(!query.after.is_second));
        let start = usize::try_from(first).unwrap_or(usize::MAX);
        let limit = query.limit.clamp(1, FeedPage::LONGEST) as usize;
        let mut page = FeedPage {
            events: Vec::new(),
            next: query.after,
            is_last: true,
        };
        let is_wanted = |event: &PublicEvent| {
            event.position > query.after
                && (query.types.is_empty() || query.types.contains(&event.event_type))
        };
        for (number, entry) in self.log.0.iter().enumerate().skip(start) {
            if page.events.len() == limit && position(number) > page.next {
                page.is_last = false;
                return page;
            }
            for event in self.public(entry, number).into_iter().filter(is_wanted) {
                if page.events.len() == limit {
                    page.is_last = false;
                    return page;
                }
                page.next = event.position;
                page.events.push(event);
            }
            page.next = page.next.max(self.end_of(number));
        }
        page
    }

    pub(super) fn feed_end(&self) -> FeedPosition {
        match self.log.0.len() {
            0 => FeedPosition::START,
            length => self.end_of(length - 1),
        }
    }

    /// Returns the position behind all events of an entry.
    fn end_of(&self, number: usize) -> FeedPosition {
        let last = self
            .log
            .0
            .get(number)
            .and_then(|entry| self.public(entry, number).pop());
        let place = position(number);
        last.map_or(place, |event| event.position.max(place))
    }

    fn public(&self, entry: &Entry, number: usize) -> Vec<PublicEvent> {
        let place = position(number);
        match entry {
            Entry::Payout(index, after) => {
                let Some(row) = self.row_of(after.id) else {
                    return Vec::new();
                };
                let (Some(event), Some(trail)) = (row.events.get(*index), row.events.get(..*index)) else {
                    return Vec::new();
                };
                let own = PublicEvent::of(event, Before::after(trail), place, after);
                own.into_iter()
                    .chain(PublicEvent::second_of(event, place, after))
                    .collect()
            }
            Entry::Announced(announcement, at) => {
                let at_microsecond = u128::from(at.timestamp_micros().unsigned_abs());
                let id = Uuid::from_u128(at_microsecond << 64 | number as u128);
                vec![announcement.clone().published(id, place, *at)]
            }
        }
    }
}

fn position(number: usize) -> FeedPosition {
    FeedPosition {
        major: number as u64 + 1,
        ..FeedPosition::START
    }
}
