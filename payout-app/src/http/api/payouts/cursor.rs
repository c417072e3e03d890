//! A place in a list as clients carry it: opaque text that fits only the list it came from.
//!
//! Base64url of: a version, the direction, the time, the id, and a checksum of these together with the list's order
//! and filters. The checksum keeps no secret; it tells a cursor of this list from one of another, or one that was
//! edited by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use payout_core::payout::PayoutId;
use payout_core::ports::{Cursor, Deleted, Filter, Order, Position};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const VERSION: u8 = 1;
const PLACE: usize = 1 + 1 + 8 + 16;
const CHECKSUM: usize = 8;

/// Which way a page lies from its cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The page that follows.
    After,
    /// The page before.
    Before,
}

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not a cursor of this list: follow `next` or `previous`, or start without one.")]
pub(crate) struct InvalidCursor;

/// Writes a place down.
pub(crate) fn encode(cursor: Cursor, direction: Direction, order: Order, filter: &Filter) -> String {
    let mut bytes = [0; PLACE + CHECKSUM];
    bytes[0] = VERSION;
    bytes[1] = match direction {
        Direction::After => b'a',
        Direction::Before => b'b',
    };
    bytes[2..10].copy_from_slice(&cursor.created_at.timestamp_micros().to_be_bytes());
    bytes[10..PLACE].copy_from_slice(cursor.id.as_uuid().as_bytes());
    let checksum = checksum(&bytes[..PLACE], order, filter);
    bytes[PLACE..].copy_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a place of the list that has this order and these filters.
///
/// # Errors
/// [`InvalidCursor`] for whatever [`encode`] has not written for this very list.
pub(crate) fn decode(text: &str, order: Order, filter: &Filter) -> Result<Position, InvalidCursor> {
    let mut bytes = [0; PLACE + CHECKSUM];
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, &mut bytes)
        .map_err(|_| InvalidCursor)?;
    let (place, sum) = bytes.split_at(PLACE);
    if length != bytes.len() || place[0] != VERSION || checksum(place, order, filter) != *sum {
        return Err(InvalidCursor);
    }
    let micros = place[2..10]
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| InvalidCursor)?;
    let id = Uuid::from_slice(&place[10..]).map_err(|_| InvalidCursor)?;
    let created_at = DateTime::from_timestamp_micros(micros).ok_or(InvalidCursor)?;
    let cursor = Cursor {
        created_at,
        id: PayoutId::from(id),
    };
    match place[1] {
        b'a' => Ok(Position::After(cursor)),
        b'b' => Ok(Position::Before(cursor)),
        _ => Err(InvalidCursor),
    }
}

fn checksum(place: &[u8], order: Order, filter: &Filter) -> [u8; CHECKSUM] {
    let Filter {
        statuses,
        currency,
        created_after,
        created_before,
        needs_review,
        search,
        deleted,
    } = filter;
    let mut statuses: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let micros = |at: &Option<payout_core::Timestamp>| at.map(|at| at.timestamp_micros());
    // As it was before deleted payouts could be asked for, where they are not.
    let hidden = match deleted {
        Deleted::Without => "",
        Deleted::Only => " only deleted",
        Deleted::With => " with deleted",
    };
    let list = format!(
        "{order:?} {statuses:?} {currency:?} {:?} {:?} {needs_review:?} {:?}{hidden}",
        micros(created_after),
        micros(created_before),
        search.as_ref().map(|search| search.account()),
    );
    let digest = Sha256::new().chain_update(place).chain_update(list).finalize();
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&digest[..CHECKSUM]);
    checksum
}

#[cfg(test)]
mod tests {
    use payout_core::payout::Status;
    use payout_core::ports::Search;

    use super::*;

    fn place() -> Cursor {
        Cursor {
            created_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
            id: Uuid::from_u128(0x0193_5d2c_7f3a_7bcd_8123_4567_89ab_cdef).into(),
        }
    }

    #[test]
    fn a_cursor_reads_back_in_both_directions() {
        let filter = Filter {
            statuses: vec![Status::Failed],
            ..Filter::default()
        };
        for (direction, position) in [
            (Direction::After, Position::After(place())),
            (Direction::Before, Position::Before(place())),
        ] {
            let text = encode(place(), direction, Order::OldestFirst, &filter);
            assert_eq!(decode(&text, Order::OldestFirst, &filter), Ok(position));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let filter = Filter::default();
        let text = encode(place(), Direction::After, Order::NewestFirst, &filter);
        assert_eq!(decode(&text, Order::OldestFirst, &filter), Err(InvalidCursor));
        let others = [
            Filter {
                statuses: vec![Status::Pending],
                ..Filter::default()
            },
            Filter {
                currency: "EUR".parse().ok(),
                ..Filter::default()
            },
            Filter {
                created_after: Some(place().created_at),
                ..Filter::default()
            },
            Filter {
                created_before: Some(place().created_at),
                ..Filter::default()
            },
            Filter {
                needs_review: Some(false),
                ..Filter::default()
            },
            Filter {
                search: Search::new("Ada"),
                ..Filter::default()
            },
        ];
        for other in others {
            assert_eq!(
                decode(&text, Order::NewestFirst, &other),
                Err(InvalidCursor),
                "{other:?}"
            );
        }
    }

    #[test]
    fn the_order_in_which_statuses_are_given_does_not_matter() {
        let one = Filter {
            statuses: vec![Status::Pending, Status::Failed],
            ..Filter::default()
        };
        let other = Filter {
            statuses: vec![Status::Failed, Status::Pending, Status::Failed],
            ..Filter::default()
        };
        let text = encode(place(), Direction::After, Order::NewestFirst, &one);
        assert!(decode(&text, Order::NewestFirst, &other).is_ok());
    }

    #[test]
    fn a_cursor_edited_by_hand_is_refused() {
        let text = encode(place(), Direction::After, Order::NewestFirst, &Filter::default());
        for position in 0..text.len() {
            for replacement in ["A", "z", "_", "é", "", "AA"] {
                let mut edited = text.clone();
                edited.replace_range(position..=position, replacement);
                if edited != text {
                    let read = decode(&edited, Order::NewestFirst, &Filter::default());
                    assert_eq!(read, Err(InvalidCursor), "{edited}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,80}") {
            let _ = decode(&text, Order::NewestFirst, &Filter::default());
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            proptest::prop_assert_eq!(decode(&text, Order::NewestFirst, &Filter::default()), Err(InvalidCursor));
        }
    }
}
