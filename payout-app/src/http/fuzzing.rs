//! Entry points of the fuzz targets (feature `fuzzing`, which no release has). Each panics when an invariant is
//! violated.

use chrono::DateTime;
use payout_core::payout::{PaymentDetails, PayoutId};
use payout_core::ports::{Cursor, Position};
use uuid::Uuid;

use super::api::payouts::bodies::{Changes, EditBody, NewPayout, Replacement};
use super::api::payouts::cursor::{self, Direction};
use super::api::payouts::query::{ListIdentity, ListParams};
use super::extract::json::JsonBody;
use super::extract::query::Query;
use super::problem::Problem;
use crate::batch_file::{BatchFile, DecimalSign};

/// Parses a body as a new payout, as changes and as a replacement. A body that makes a payout must make an equal one
/// when it is sent in the form of the answer.
///
/// # Panics
/// When it does not.
pub fn body(body: &[u8]) {
    if let Ok(draft) = draft(body) {
        let again = serde_json::json!({
            "amount": draft.money.amount().to_string(),
            "currency": draft.money.currency().code(),
            "recipient_account": draft.recipient.account().as_str(),
            "recipient_name": draft.recipient.name().as_str(),
            "description": draft.description.as_str(),
        });
        let read = self::draft(again.to_string().as_bytes());
        assert!(read.is_ok_and(|read| read == draft), "{again}");
    }
    let _ = Changes::parse(body).map(EditBody::from);
    let _ = Replacement::parse(body).map(EditBody::from);
}

/// Reads a batch file with both decimal signs. A file that can be read has rows in ascending order, and the same ones
/// whenever it is read: a batch is checked in one reading and stored in another.
///
/// # Panics
/// When it has not.
pub fn batch_file(bytes: &[u8]) {
    for decimal in [DecimalSign::Point, DecimalSign::Comma] {
        let Ok(file) = BatchFile::open(bytes.to_vec(), decimal) else {
            continue;
        };
        let rows: Vec<_> = file.rows().collect();
        assert!(!rows.is_empty());
        assert!(rows.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(file.rows().eq(rows));
    }
}

fn draft(body: &[u8]) -> Result<PaymentDetails, Problem> {
    NewPayout::parse(body)?.into_details(None)
}

fn list(query: &str) -> ListIdentity {
    ListParams::parse(query)
        .map(|params| params.list)
        .unwrap_or_default()
}

/// Decodes a cursor, which must be valid in its own list and in no other. A text that decodes as a cursor must be one
/// that the service encodes.
///
/// # Panics
/// When an invariant is violated.
pub fn cursor(micros: i64, id: u128, after: bool, text: &str) {
    let (own, other) = (list(""), list("needs_review=true"));
    if let Some(created_at) = DateTime::from_timestamp_micros(micros) {
        let place = Cursor {
            at: created_at,
            id: PayoutId::from(Uuid::from_u128(id)),
        };
        let (direction, position) = if after {
            (Direction::After, Position::After(place))
        } else {
            (Direction::Before, Position::Before(place))
        };
        let written = cursor::encode(place, direction, &own);
        assert_eq!(cursor::decode(&written, &own), Ok(position));
        assert!(cursor::decode(&written, &other).is_err());
        assert!(cursor::decode(&format!("{written}{text}"), &own).is_err() || text.is_empty());
    }
    let written = match cursor::decode(text, &own) {
        Ok(Position::After(place)) => cursor::encode(place, Direction::After, &own),
        Ok(Position::Before(place)) => cursor::encode(place, Direction::Before, &own),
        Ok(Position::Offset(_)) | Err(_) => return,
    };
    assert_eq!(written, text);
}
