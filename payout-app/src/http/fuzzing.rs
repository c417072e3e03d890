//! What fuzz targets call (feature `fuzzing`; no release has it). Each panics when a promise is broken.

use chrono::DateTime;
use payout_core::payout::PayoutId;
use payout_core::ports::{Cursor, Filter, Order, Position};
use uuid::Uuid;

use crate::http::api::payouts::create;
use crate::http::api::payouts::cursor::{self, Direction};
use crate::http::api::payouts::edit;
use crate::http::extract::fields::Fields;

/// Reads a body as a new payout, as changes and as a replacement. What makes a payout makes the same one again when it
/// is sent as it is answered.
///
/// # Panics
/// When it does not.
pub fn body(body: &[u8]) {
    let Ok(fields) = Fields::parse(body) else { return };
    if let Ok(draft) = create::draft(fields) {
        let again = serde_json::json!({
            "amount": draft.money.amount().to_string(),
            "currency": draft.money.currency().code(),
            "recipient_account": draft.recipient.account.as_str(),
            "recipient_name": draft.recipient.name.as_str(),
            "description": draft.description.as_str(),
        });
        let read = Fields::parse(again.to_string().as_bytes()).and_then(create::draft);
        assert!(read.is_ok_and(|read| read == draft), "{again}");
    }
    edit::read_for_fuzzing(body);
}

/// A cursor reads back in its own list and in no other, and a text that reads as one is one that this service writes.
///
/// # Panics
/// When it does not.
pub fn cursor(micros: i64, id: u128, after: bool, text: &str) {
    let (own, other) = (
        Filter::default(),
        Filter {
            needs_review: Some(true),
            ..Filter::default()
        },
    );
    let order = Order::NewestFirst;
    if let Some(created_at) = DateTime::from_timestamp_micros(micros) {
        let place = Cursor {
            created_at,
            id: PayoutId::from(Uuid::from_u128(id)),
        };
        let (direction, position) = if after {
            (Direction::After, Position::After(place))
        } else {
            (Direction::Before, Position::Before(place))
        };
        let written = cursor::encode(place, direction, order, &own);
        assert_eq!(cursor::decode(&written, order, &own), Ok(position));
        assert!(cursor::decode(&written, order, &other).is_err());
        assert!(cursor::decode(&format!("{written}{text}"), order, &own).is_err() || text.is_empty());
    }
    let written = match cursor::decode(text, order, &own) {
        Ok(Position::After(place)) => cursor::encode(place, Direction::After, order, &own),
        Ok(Position::Before(place)) => cursor::encode(place, Direction::Before, order, &own),
        Ok(Position::Offset(_)) | Err(_) => return,
    };
    assert_eq!(written, text);
}
