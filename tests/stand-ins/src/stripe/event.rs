//! Stripe's events about transfers, with their signature.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{SIGNING_SECRET, answers, is_transfer};
use crate::clock;
use crate::ledger::{Payment, Standing};
use crate::notifier::Push;

/// Builds the event of a change. A forged one is signed with another secret.
pub(super) fn of(payment: &Payment, forged: bool) -> Option<Push> {
    if !is_transfer(payment) {
        return None;
    }
    let kind = match payment.standing {
        Standing::Returned => "transfer.reversed",
        Standing::Paid | Standing::Accepted | Standing::Declined | Standing::Refused => "transfer.created",
    };
    let now = clock::now().timestamp();
    let event = json!({
        "id": format!("evt_{}_{}", payment.id, payment.sequence), "object": "event",
        "api_version": "2020-08-27", "created": payment.changed_at.timestamp(), "livemode": true,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
        "data": {"object": answers::transfer(payment)},
    });
    let body = event.to_string().into_bytes();
    let secret = if forged { "whsec_forged" } else { SIGNING_SECRET };
    let signature = sign(secret, now, &body)?;
    Some(Push {
        headers: vec![
            (
                "Content-Type".to_owned(),
                "application/json; charset=utf-8".to_owned(),
            ),
            (
                "Stripe-Signature".to_owned(),
                format!("t={now},v1={signature},v0=00"),
            ),
        ],
        body,
    })
}

fn sign(secret: &str, time: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    let signature = mac.finalize().into_bytes();
    Some(signature.iter().map(|byte| format!("{byte:02x}")).collect())
}
