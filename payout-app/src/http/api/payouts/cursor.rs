//! Cursors: positions in a list, as opaque text that is valid only for the list that it came from.
//!
//! A cursor is the Base64url of a version, the direction, the time, the id, and a checksum of these together with the
//! list's order and filters. The checksum keeps no secret. It detects cursors of other lists, and cursors that were
//! edited by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use payout_core::payout::PayoutId;
use payout_core::ports::{Cursor, Position};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::query::ListIdentity;

/// Version 2: the checksum covers the list's order and filters by name.
const VERSION: u8 = 2;
const PLACE: usize = 1 + 1 + 8 + 16;
const CHECKSUM: usize = 8;

/// The direction of a page from its cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The page after the cursor.
    After,
    /// The page before the cursor.
    Before,
}

/// The text is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not a cursor of this list: follow `next` or `previous`, or start without one.")]
pub(crate) struct InvalidCursor;

/// Encodes a position as a cursor.
pub(crate) fn encode(cursor: Cursor, direction: Direction, list: &ListIdentity) -> String {
    let mut bytes = [0; PLACE + CHECKSUM];
    bytes[0] = VERSION;
    bytes[1] = match direction {
        Direction::After => b'a',
        Direction::Before => b'b',
    };
    bytes[2..10].copy_from_slice(&cursor.at.timestamp_micros().to_be_bytes());
    bytes[10..PLACE].copy_from_slice(cursor.id.as_uuid().as_bytes());
    let checksum = checksum(&bytes[..PLACE], list);
    bytes[PLACE..].copy_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a cursor of this list.
///
/// # Errors
/// [`InvalidCursor`] for any text that [`encode`] has not returned for this list.
pub(crate) fn decode(text: &str, list: &ListIdentity) -> Result<Position, InvalidCursor> {
    let mut bytes = [0; PLACE + CHECKSUM];
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, &mut bytes)
        .map_err(|_| InvalidCursor)?;
    let (place, sum) = bytes.split_at(PLACE);
    if length != bytes.len() || place[0] != VERSION || checksum(place, list) != *sum {
        return Err(InvalidCursor);
    }
    let micros = place[2..10]
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| InvalidCursor)?;
    let id = Uuid::from_slice(&place[10..]).map_err(|_| InvalidCursor)?;
    let created_at = DateTime::from_timestamp_micros(micros).ok_or(InvalidCursor)?;
    let cursor = Cursor {
        at: created_at,
        id: PayoutId::from(id),
    };
    match place[1] {
        b'a' => Ok(Position::After(cursor)),
        b'b' => Ok(Position::Before(cursor)),
        _ => Err(InvalidCursor),
    }
}

fn checksum(place: &[u8], list: &ListIdentity) -> [u8; CHECKSUM] {
    let digest = Sha256::new()
        .chain_update(place)
        .chain_update(list.as_str())
        .finalize();
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&digest[..CHECKSUM]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::super::query::ListParams;
    use super::*;
    use crate::http::extract::query::Query;

    fn place() -> Cursor {
        Cursor {
            at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
            id: Uuid::from_u128(0x0193_5d2c_7f3a_7bcd_8123_4567_89ab_cdef).into(),
        }
    }

    fn list(query: &str) -> ListIdentity {
        ListParams::parse(query).unwrap().list
    }

    #[test]
    fn a_cursor_reads_back_in_both_directions() {
        let list = list("status=failed&ordering=created_at");
        for (direction, position) in [
            (Direction::After, Position::After(place())),
            (Direction::Before, Position::Before(place())),
        ] {
            let text = encode(place(), direction, &list);
            assert_eq!(decode(&text, &list), Ok(position));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let lists = [
            "",
            "ordering=created_at",
            "status=pending",
            "status=failed",
            "currency=EUR",
            "created_after=2026-01-02",
            "created_before=2026-01-02",
            "needs_review=false",
            "needs_review=true",
            "search=Ada",
            "search=status=pending",
            "deleted=with",
            "deleted=only",
        ];
        for own in lists {
            let text = encode(place(), Direction::After, &list(own));
            for other in lists {
                let read = decode(&text, &list(other));
                assert_eq!(read.is_ok(), own == other, "{own} {other}");
            }
        }
    }

    #[test]
    fn a_list_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("status=pending&status=failed", "status=failed,pending,failed"),
            ("currency=eur", "currency=EUR"),
            (
                "created_after=2026-01-02",
                "created_after=2026-01-02T01:00:00%2B01:00",
            ),
            ("search=Ada", "search=%20Ada%20"),
            ("", "ordering=-created_at&page_size=7&count=exact&status="),
            ("needs_review=true&currency=EUR", "currency=EUR&needs_review=true"),
        ] {
            assert_eq!(list(one), list(other), "{one}");
        }
    }

    #[test]
    fn the_names_in_a_checksum_do_not_change_for_cursors_that_clients_have() {
        let all = "status=pending,failed&currency=eur&created_after=2026-01-02&created_before=2026-01-03&needs_review=true\
                   &search=A%26a&deleted=with&ordering=created_at";
        assert_eq!(
            list(all).as_str(),
            "status=failed%2Cpending&currency=EUR&created_after=1767312000000000&created_before=1767398400000000\
             &needs_review=true&search=A%26a&deleted=with&ordering=created_at"
        );
        assert_eq!(list("").as_str(), "ordering=-created_at");
    }

    #[test]
    fn a_cursor_edited_by_hand_is_refused() {
        let list = list("");
        let text = encode(place(), Direction::After, &list);
        for position in 0..text.len() {
            for replacement in ["A", "z", "_", "é", "", "AA"] {
                let mut edited = text.clone();
                edited.replace_range(position..=position, replacement);
                if edited != text {
                    assert_eq!(decode(&edited, &list), Err(InvalidCursor), "{edited}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,80}") {
            let _ = decode(&text, &list(""));
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            proptest::prop_assert_eq!(decode(&text, &list("")), Err(InvalidCursor));
        }
    }
}
