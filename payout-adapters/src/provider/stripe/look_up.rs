//! Interpretation of Stripe's answers to look-ups: the list of the transfers of a key, or one transfer by its id.
//!
//! Stripe documents no promise that a list shows a transfer as soon as it exists, and a request may still be running when
//! the list is read. So an empty list proves nothing while a worker may have sent the key recently. The key may be sent
//! again nevertheless: Stripe pays one key at most once for as long as it keeps it.

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::provider::{LookUpAnswer, ProcessorError, ProcessorKey};
use serde::Deserialize;

use super::KEY_WINDOW;
use super::answer::Transfer;
use crate::outbound::Received;

/// A page of a list.
#[derive(Deserialize)]
struct List {
    object: String,
    data: Vec<Transfer>,
    has_more: bool,
}

/// Interprets the list of the transfers of a key, which was first sent this long ago.
///
/// # Errors
/// [`ProcessorError`] if the answer is not a list of at most one transfer of this key.
pub fn of_list(
    received: &Received,
    key: &ProcessorKey,
    age: Option<Duration>,
) -> Result<LookUpAnswer, ProcessorError> {
    if received.status != 200 {
        return Err(received.no_answer());
    }
    let list: List = received.object()?;
    if list.object != "list" {
        return Err(received.unknown("not a list"));
    }
    let mut transfers = list.data.into_iter();
    match (transfers.next(), transfers.next()) {
        (None, _) if list.has_more => Err(received.unknown("a list with more than it shows")),
        (None, _) => Ok(absent(age)),
        (Some(transfer), None) if !list.has_more => {
            transfer.into_answer(received, key).map(LookUpAnswer::Found)
        }
        (Some(_), _) => Err(received.unknown("several transfers of one key")),
    }
}

/// Interprets the answer to a look-up by the transfer's id.
///
/// # Errors
/// As [`of_list`].
pub fn of_transfer(received: &Received, key: &ProcessorKey) -> Result<LookUpAnswer, ProcessorError> {
    match received.status {
        200 => {
            let transfer: Transfer = received.object()?;
            transfer.into_answer(received, key).map(LookUpAnswer::Found)
        }
        // A transfer that exists is never deleted, so this key is another account's.
        404 => Ok(LookUpAnswer::CannotTell {
            why: "the account of the secret key has no transfer with this id".to_owned(),
        }),
        _ => Err(received.no_answer()),
    }
}

/// Returns the time since a key was first sent.
pub(super) fn age(first_sent_at: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    first_sent_at.map(|sent| (now - sent).to_std().unwrap_or_default())
}

/// Returns the meaning of an empty list. A worker sends a key within half of the key window, so nothing can be running
/// once the whole window is over.
fn absent(age: Option<Duration>) -> LookUpAnswer {
    if age.is_some_and(|age| age > KEY_WINDOW) {
        LookUpAnswer::Absent
    } else {
        LookUpAnswer::CannotTell {
            why: "the list of transfers is empty, but a request may still be running".to_owned(),
        }
    }
}
