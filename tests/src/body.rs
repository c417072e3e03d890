//! Bodies of requests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// The name that payouts of tests go to.
pub const NAME: &str = "Ada Qlovelace";
/// What every account of the tests starts with.
pub const ACCOUNT: &str = "ZZ99QACC";
/// What no log may ever have: parts of each account and name that the tests use.
pub const PERSONAL: [&str; 2] = ["Qlovelace", ACCOUNT];

/// A text that no other test of this process has.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{prefix}{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// 10.50 USD to an account of its own.
pub fn payout() -> Value {
    json!({
        "amount": "10.50",
        "currency": "USD",
        "recipient_account": unique(ACCOUNT),
        "recipient_name": NAME,
        "description": "Invoice 7",
    })
}

/// The same with one field set.
pub fn payout_with(field: &str, value: impl Into<Value>) -> Value {
    with(payout(), field, value)
}

/// The same without a field.
pub fn payout_without(field: &str) -> Value {
    let mut body = payout();
    body.as_object_mut().unwrap().remove(field);
    body
}

/// A body with one field set.
pub fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// 10.50 USD, as text, whose amount is written exactly like this.
pub fn payout_with_raw_amount(amount: &str, currency: &str) -> String {
    let account = unique(ACCOUNT);
    format!(
        r#"{{"amount": {amount}, "currency": "{currency}", "recipient_account": "{account}", "recipient_name": "{NAME}"}}"#
    )
}
