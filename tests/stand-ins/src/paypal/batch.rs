//! Batches and items as PayPal shows them.

use serde_json::{Value, json};

use super::{ITEMS, PAYOUTS, PayPal};
use crate::ledger::{Ledger, Payment, Standing};

fn detail<'a>(payment: &'a Payment, name: &str) -> &'a str {
    payment.detail.get(name).and_then(Value::as_str).unwrap_or("")
}

/// Returns the payment of an item.
pub(super) fn by_item(ledger: &Ledger, item: &str) -> Option<Payment> {
    ledger
        .payments()
        .into_iter()
        .find(|payment| detail(payment, "item_id") == item)
}

/// Returns the item's status.
pub(super) fn status(payment: &Payment) -> &str {
    let code = payment.code.as_deref().unwrap_or("");
    match payment.standing {
        Standing::Accepted => detail(payment, "waits_as"),
        Standing::Paid => "SUCCESS",
        Standing::Declined if matches!(code, "BLOCKED" | "REGULATORY_BLOCKED") => "BLOCKED",
        Standing::Declined | Standing::Refused => "FAILED",
        Standing::Returned if matches!(code, "REFUNDED" | "REVERSED") => code,
        Standing::Returned => "RETURNED",
    }
}

/// Returns the batch's status, which is `SUCCESS` for most items that failed.
fn batch_status(payment: &Payment) -> &'static str {
    let denied = matches!(
        payment.code.as_deref(),
        Some("INSUFFICIENT_FUNDS" | "RECEIVER_ACCOUNT_INVALID")
    );
    match payment.standing {
        Standing::Accepted if detail(payment, "waits_as") == "NEW" => "PENDING",
        Standing::Accepted if detail(payment, "waits_as") == "PENDING" => "PROCESSING",
        Standing::Declined | Standing::Refused if denied => "DENIED",
        Standing::Accepted | Standing::Paid | Standing::Declined | Standing::Refused | Standing::Returned => {
            "SUCCESS"
        }
    }
}

/// Returns the answer to a creation: always a pending batch without items.
pub(super) fn created(paypal: &PayPal, payment: &Payment) -> Value {
    json!({
        "batch_header": {
            "payout_batch_id": payment.id,
            "batch_status": "PENDING",
            "sender_batch_header": sender(payment),
        },
        "links": [link(paypal, PAYOUTS, &payment.id, "self")],
    })
}

/// Returns a batch. One that waits to be processed has no items yet.
pub(super) fn batch(paypal: &PayPal, payment: &Payment) -> Value {
    let items = if payment.standing == Standing::Accepted && detail(payment, "waits_as") == "NEW" {
        json!([])
    } else {
        let mut item = item(paypal, payment);
        if let Some(fields) = item.as_object_mut() {
            fields.remove("sender_batch_id");
        }
        json!([item])
    };
    json!({
        "batch_header": header(payment),
        "items": items,
        "links": [link(paypal, PAYOUTS, &payment.id, "self")],
    })
}

/// Returns the header of a batch.
pub(super) fn header(payment: &Payment) -> Value {
    json!({
        "payout_batch_id": payment.id,
        "batch_status": batch_status(payment),
        "time_created": payment.created_at,
        "sender_batch_header": sender(payment),
        "funding_source": "BALANCE",
        "amount": amount(payment),
        "fees": {"value": "0.00", "currency": payment.currency},
    })
}

/// Returns an item.
pub(super) fn item(paypal: &PayPal, payment: &Payment) -> Value {
    let status = status(payment);
    let item_id = detail(payment, "item_id");
    let mut item = json!({
        "payout_item_id": item_id,
        "payout_item_fee": {"value": "0.00", "currency": payment.currency},
        "payout_batch_id": payment.id,
        "sender_batch_id": payment.key,
        "payout_item": {
            "recipient_type": detail(payment, "recipient_type"),
            "amount": amount(payment),
            "note": detail(payment, "note"),
            "receiver": payment.recipient,
            "sender_item_id": detail(payment, "sender_item_id"),
            "recipient_wallet": "PAYPAL",
        },
        "time_processed": payment.changed_at,
        "links": [
            link(paypal, ITEMS, item_id, "self"),
            link(paypal, PAYOUTS, &payment.id, "batch"),
        ],
    });
    // A new item has no status yet.
    if status != "NEW" {
        item["transaction_status"] = json!(status);
    }
    let code = payment
        .code
        .as_deref()
        .or((status == "UNCLAIMED").then_some("RECEIVER_UNREGISTERED"));
    if let Some(code) = code.filter(|_| payment.standing != Standing::Paid) {
        item["errors"] = json!({
            "name": code,
            "message": code.to_ascii_lowercase().replace('_', " "),
            "debug_id": "0a1b2c3d4e5f6",
            "information_link": "https://developer.paypal.com/docs/api/payments.payouts-batch/#errors",
            "details": [],
            "links": [],
        });
    }
    item
}

fn amount(payment: &Payment) -> Value {
    json!({"value": payment.amount, "currency": payment.currency})
}

fn sender(payment: &Payment) -> Value {
    match &payment.idempotency {
        Some(key) => json!({"sender_batch_id": key}),
        None => json!({}),
    }
}

fn link(paypal: &PayPal, path: &str, id: &str, rel: &str) -> Value {
    let path = path.trim_end_matches('/');
    json!({"href": format!("{}{path}/{id}", paypal.origin()), "rel": rel, "method": "GET"})
}
