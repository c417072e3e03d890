//! Notifications.

use serde_json::json;

use super::{CERTIFICATES, PayPal, WEBHOOK_ID, batch, random};
use crate::clock;
use crate::ledger::{Payment, Standing};
use crate::notifier::Push;

/// Builds the notification of a change. A forged one is signed for another webhook.
pub(super) fn of(paypal: &PayPal, payment: &Payment, forged: bool) -> Push {
    let body = body(paypal, payment).to_string().into_bytes();
    let id = random::uuid().to_string();
    let time = clock::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let webhook_id = if forged { "ANOTHERWEBHOOK" } else { WEBHOOK_ID };
    let message = format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(&body));
    let certificate = format!("{}{CERTIFICATES}{}", paypal.origin(), super::signing::CERTIFICATE);
    let headers = [
        ("Content-Type", "application/json"),
        ("Paypal-Auth-Algo", "SHA256withRSA"),
        ("Paypal-Auth-Version", "v2"),
        ("Paypal-Cert-Url", &certificate),
        ("Paypal-Transmission-Id", &id),
        ("Paypal-Transmission-Time", &time),
        (
            "Paypal-Transmission-Sig",
            &paypal.0.signing.sign(message.as_bytes()),
        ),
    ];
    Push {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body,
    }
}

fn body(paypal: &PayPal, payment: &Payment) -> serde_json::Value {
    let item = match (payment.standing, batch::status(payment)) {
        (Standing::Accepted, "UNCLAIMED") => Some("UNCLAIMED"),
        (Standing::Accepted, "ONHOLD") => Some("HELD"),
        (Standing::Accepted, _) => None,
        (Standing::Paid, _) => Some("SUCCEEDED"),
        (Standing::Declined, "BLOCKED") => Some("BLOCKED"),
        (Standing::Declined | Standing::Refused, _) => Some("FAILED"),
        (Standing::Returned, "RETURNED") => Some("RETURNED"),
        (Standing::Returned, _) => Some("REFUNDED"),
    };
    let (event_type, resource_type, resource) = match item {
        Some(item) => (
            format!("PAYMENT.PAYOUTS-ITEM.{item}"),
            "payouts_item",
            batch::item(paypal, payment),
        ),
        None => (
            "PAYMENT.PAYOUTSBATCH.PROCESSING".to_owned(),
            "payouts",
            json!({"batch_header": batch::header(payment)}),
        ),
    };
    json!({
        "id": format!("WH-{}-{}", payment.id, payment.sequence),
        "event_version": "1.0",
        "create_time": payment.changed_at,
        "resource_type": resource_type,
        "event_type": event_type,
        "summary": "A payout changed",
        "resource": resource,
        "links": [],
    })
}
