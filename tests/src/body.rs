//! Request bodies.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// The recipient's name in the tests' payouts.
pub const NAME: &str = "Ada Qlovelace";
/// The prefix of every account in the tests.
pub const ACCOUNT: &str = "ZZ99QACC";
/// Parts of each account and name in the tests, which no log may contain.
pub const PERSONAL: [&str; 2] = ["Qlovelace", ACCOUNT];

/// Makes a text that no other test of this process has.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{prefix}{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a body: 10.50 USD to an account of its own.
pub fn payout() -> Value {
    json!({
        "amount": "10.50",
        "currency": "USD",
        "recipient_account": unique(ACCOUNT),
        "recipient_name": NAME,
        "description": "Invoice 7",
    })
}

/// Makes a payout's body with one field set.
pub fn payout_with(field: &str, value: impl Into<Value>) -> Value {
    with(payout(), field, value)
}

/// Makes a payout's body without one field.
pub fn payout_without(field: &str) -> Value {
    let mut body = payout();
    body.as_object_mut().unwrap().remove(field);
    body
}

/// Sets one field of a body.
pub fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Makes a body as text, with the amount written exactly like this.
pub fn payout_with_raw_amount(amount: &str, currency: &str) -> String {
    let account = unique(ACCOUNT);
    format!(
        r#"{{"amount": {amount}, "currency": "{currency}", "recipient_account": "{account}", "recipient_name": "{NAME}"}}"#
    )
}
