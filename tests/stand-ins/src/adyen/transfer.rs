//! Transfers as Adyen describes them.

use serde_json::{Value, json};

use super::request::Asked;
use super::{BALANCE_ACCOUNT, DECLINES};
use crate::clock::{self, Time};
use crate::ledger::{Payment, Standing};

/// Returns the answer to the creation of a transfer.
pub(super) fn first(id: &str, asked: &Asked, standing: Standing, code: Option<&str>) -> Value {
    let (status, reason) = status(standing, code, false);
    let mut body = common(id, &asked.body, status, reason, clock::now());
    body["categoryData"] = json!({"type": "bank", "priority": asked.priority()});
    body
}

/// Returns a transfer with its events.
pub(super) fn data(payment: &Payment) -> Value {
    let request = &payment.detail["request"];
    let is_instant = request["priority"] == "instant";
    let (status, reason) = status(payment.standing, payment.code.as_deref(), is_instant);
    let mut body = common(&payment.id, request, status, reason, payment.created_at);
    body["categoryData"] = json!({"type": "bank", "priority": request["priority"]});
    body["balancePlatform"] = json!("STAND_IN");
    body["updatedAt"] = json!(payment.changed_at.to_rfc3339());
    body["sequenceNumber"] = json!(payment.sequence);
    body["events"] = Value::Array(events(payment, status));
    body
}

fn common(id: &str, request: &Value, status: &str, reason: &str, created: Time) -> Value {
    let mut body = json!({
        "id": id,
        "amount": request["amount"],
        "balanceAccount": {"id": BALANCE_ACCOUNT},
        "category": "bank",
        "counterparty": request["counterparty"],
        "createdAt": created.to_rfc3339(),
        "creationDate": created.to_rfc3339(),
        "direction": "outgoing",
        "reason": reason,
        "status": status,
        "type": "bankTransfer",
    });
    for field in ["reference", "description"] {
        if request[field].is_string() {
            body[field] = request[field].clone();
        }
    }
    body
}

/// Returns the status and the reason. An instant transfer that comes back is `failed`, any other is `returned`.
fn status(standing: Standing, code: Option<&str>, is_instant: bool) -> (&'static str, &str) {
    let code = code.unwrap_or(DECLINES[0]);
    match standing {
        Standing::Accepted => ("received", "pending"),
        Standing::Paid => ("booked", "approved"),
        Standing::Declined => ("failed", code),
        Standing::Refused => ("refused", code),
        Standing::Returned => (if is_instant { "failed" } else { "returned" }, code),
    }
}

fn events(payment: &Payment, status: &str) -> Vec<Value> {
    let event = |nth: u32, status: &str, at: Time| {
        json!({
            "id": format!("EVJN{}{nth}", payment.id),
            "type": "accounting",
            "status": status,
            "bookingDate": at.to_rfc3339(),
        })
    };
    let mut events = vec![event(1, "received", payment.created_at)];
    if let Some(paid_at) = payment.paid_at {
        events.push(event(2, "authorised", paid_at));
        events.push(event(3, "booked", paid_at));
    }
    match payment.standing {
        Standing::Accepted | Standing::Paid => (),
        Standing::Declined | Standing::Refused | Standing::Returned => {
            events.push(event(4, status, payment.changed_at));
        }
    }
    events
}
