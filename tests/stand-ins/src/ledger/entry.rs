//! Payments, and the lines of the ledger's file.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Time;

/// The standing of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The vendor took the payment and has paid nothing yet.
    Accepted,
    /// The money was paid.
    Paid,
    /// The payment was declined; nothing was paid.
    Declined,
    /// The payment was refused for now, such as for lack of funds; nothing was paid.
    Refused,
    /// The money was paid and came back.
    Returned,
}

/// A change of a payment that is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The time.
    pub at: Time,
    /// The standing after the change.
    pub standing: Standing,
    /// The vendor's code for it.
    pub code: Option<String>,
}

/// A payment that is not in the ledger yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// The vendor's reference, which no other payment has.
    pub id: String,
    /// The service's key, wherever the vendor's request carries it.
    pub key: String,
    /// The text by which the vendor recognises a repetition. Absent: the request is always a new payment.
    pub idempotency: Option<String>,
    /// The amount, as it was sent.
    pub amount: String,
    /// The currency.
    pub currency: String,
    /// The recipient, as one text.
    pub recipient: String,
    /// The standing from the start.
    pub standing: Standing,
    /// The vendor's code for it.
    pub code: Option<String>,
    /// The changes that follow, in order.
    pub plan: Vec<Planned>,
    /// Whatever the vendor's module needs for its answers.
    pub detail: Value,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The vendor's reference.
    pub id: String,
    /// The service's key.
    pub key: String,
    /// The text by which the vendor recognises a repetition.
    pub idempotency: Option<String>,
    /// The amount, as it was sent.
    pub amount: String,
    /// The currency.
    pub currency: String,
    /// The recipient, as one text.
    pub recipient: String,
    /// The standing.
    pub standing: Standing,
    /// The vendor's code for it.
    pub code: Option<String>,
    /// The time of the creation.
    pub created_at: Time,
    /// The time at which it was paid.
    pub paid_at: Option<Time>,
    /// The time of the last change.
    pub changed_at: Time,
    /// The number of changes, the creation included.
    pub sequence: u32,
    /// The number of repeated creations that were answered with this payment.
    pub repeats: u32,
    /// The changes that follow, in order.
    pub plan: Vec<Planned>,
    /// Whatever the vendor's module needs for its answers.
    pub detail: Value,
}

impl Payment {
    /// Returns whether the money is with the recipient.
    pub fn is_paid(&self) -> bool {
        self.standing == Standing::Paid
    }
}

/// An answer that the vendor replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The request that it answered, where the vendor compares a repetition with it.
    pub request: Option<String>,
}

/// A line of the ledger's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// A payment was created.
    Created {
        /// The payment.
        payment: Payment,
    },
    /// A payment changed.
    Changed {
        /// The payment after the change.
        payment: Payment,
    },
    /// A creation was repeated under its idempotency key.
    Repeated {
        /// The time.
        at: Time,
        /// The vendor's reference for the payment.
        id: String,
    },
    /// An answer was stored under an idempotency key.
    Stored {
        /// The time.
        at: Time,
        /// The idempotency key.
        idempotency: String,
        /// The answer.
        answer: StoredAnswer,
    },
}

/// Reads the lines of a file, or none if it does not exist. A last line that was cut off is ignored: its answer never
/// left.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<Entry>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or(""));
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(std::io::Error::other))
        .collect()
}
