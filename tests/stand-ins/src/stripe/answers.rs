//! Stripe's answers: transfers, lists and errors.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Answer;
use crate::ledger::{Payment, Standing};

/// Writes a transfer. The ledger's `code` of a returned one may be a number: the part that was reversed.
pub(super) fn transfer(payment: &Payment) -> Value {
    let amount: u64 = payment.amount.parse().unwrap_or_default();
    let reversed = match payment.standing {
        Standing::Returned => payment
            .code
            .as_deref()
            .and_then(|part| part.parse().ok())
            .unwrap_or(amount),
        Standing::Accepted | Standing::Paid | Standing::Declined | Standing::Refused => 0,
    };
    let id = &payment.id;
    let reversals: Vec<Value> = (reversed > 0)
        .then(|| {
            json!({
                "id": id.replacen("tr_", "trr_", 1), "object": "transfer_reversal", "amount": reversed,
                "balance_transaction": null, "created": payment.changed_at.timestamp(),
                "currency": payment.currency, "destination_payment_refund": null, "metadata": {},
                "source_refund": null, "transfer": id,
            })
        })
        .into_iter()
        .collect();
    json!({
        "id": id, "object": "transfer", "amount": amount, "amount_reversed": reversed,
        "balance_transaction": id.replacen("tr_", "txn_", 1), "created": payment.created_at.timestamp(),
        "currency": payment.currency, "description": payment.detail["description"],
        "destination": payment.recipient, "destination_payment": id.replacen("tr_", "py_", 1),
        "livemode": true, "metadata": payment.detail["metadata"],
        "reversals": {
            "object": "list", "data": reversals, "has_more": false, "url": format!("/v1/transfers/{id}/reversals"),
        },
        "reversed": reversed == amount, "source_transaction": null, "source_type": "card",
        "transfer_group": payment.key,
    })
}

/// Writes the platform's balance, which no transfer changes here.
pub(super) fn balance() -> Answer {
    let funds = |currency: &str, amount: i64| json!({"amount": amount, "currency": currency, "source_types": {"card": amount}});
    let available = [funds("eur", 100_000_000), funds("usd", 100_000_000)];
    let pending = [funds("eur", 0), funds("usd", 0)];
    Answer::json(
        200,
        &json!({"object": "balance", "available": available, "livemode": true, "pending": pending}),
    )
}

pub(super) fn list(transfers: &[Payment], limit: usize) -> Answer {
    let data: Vec<Value> = transfers.iter().take(limit).map(transfer).collect();
    let has_more = transfers.len() > data.len();
    Answer::json(
        200,
        &json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/transfers"}),
    )
}

pub(super) fn error(
    status: u16,
    r#type: &str,
    code: Option<&str>,
    parameter: Option<&str>,
    message: &str,
) -> Answer {
    Answer::json(status, &error_body(r#type, code, parameter, message))
}

pub(super) fn error_body(r#type: &str, code: Option<&str>, parameter: Option<&str>, message: &str) -> Value {
    let mut error = json!({"type": r#type, "message": message});
    if let Some(code) = code {
        error["code"] = json!(code);
        error["doc_url"] = json!(format!(
            "https://stripe.com/docs/error-codes/{}",
            code.replace('_', "-")
        ));
    }
    if let Some(parameter) = parameter {
        error["param"] = json!(parameter);
    }
    json!({"error": error})
}

pub(super) fn missing(what: &str, id: &str, parameter: &str) -> Answer {
    let message = format!("No such {what}: '{id}'");
    error(
        404,
        "invalid_request_error",
        Some("resource_missing"),
        Some(parameter),
        &message,
    )
}

pub(super) fn unknown_url() -> Answer {
    error(
        404,
        "invalid_request_error",
        None,
        None,
        "Unrecognized request URL.",
    )
}

pub(super) fn server_error(status: u16) -> Answer {
    error(status, "api_error", None, None, "An unknown error occurred.")
}

pub(super) fn throttled(wait: Duration) -> Answer {
    let message = "Too many requests hit the API too quickly.";
    error(429, "invalid_request_error", Some("rate_limit"), None, message)
        .with_header("Retry-After", &wait.as_secs().to_string())
}

pub(super) fn conflict() -> Answer {
    let message = "There is currently another in-progress request using this idempotent key.";
    error(
        409,
        "idempotency_error",
        Some("idempotency_key_in_use"),
        None,
        message,
    )
}

pub(super) fn other_body() -> Answer {
    let message =
        "Keys for idempotent requests can only be used with the same parameters they were first used with.";
    error(400, "idempotency_error", None, None, message)
}
