//! PayPal's errors.

use serde_json::{Value, json};

use crate::http::Answer;

/// Builds an error without links.
pub(super) fn answer(status: u16, name: &str, details: &[Value]) -> Answer {
    let body = json!({
        "name": name,
        "message": name.to_ascii_lowercase().replace('_', " "),
        "debug_id": "0a1b2c3d4e5f6",
        "information_link": "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors",
        "details": details,
        "links": [],
    });
    Answer::json(status, &body)
}

/// Builds the refusal of one field.
pub(super) fn invalid(field: &str, issue: &str) -> Answer {
    let detail = json!({"field": field, "location": "body", "issue": issue});
    answer(400, "VALIDATION_ERROR", &[detail])
}

/// Builds the refusal of a repeat. PayPal writes the link under `link`.
pub(super) fn repeated(batch: Option<String>) -> Answer {
    let detail = match batch {
        Some(href) => json!({
            "field": "SENDER_BATCH_ID",
            "location": "body",
            "issue": "Batch with given sender_batch_id already exists",
            "link": [{"href": href, "rel": "self", "method": "GET", "encType": "application/json"}],
        }),
        None => json!({"field": "SENDER_BATCH_ID", "issue": "Duplicate batch request"}),
    };
    answer(400, "USER_BUSINESS_ERROR", &[detail])
}

pub(super) fn not_found() -> Answer {
    answer(404, "RESOURCE_NOT_FOUND", &[])
}

pub(super) fn unauthorized() -> Answer {
    let body = json!({
        "error": "invalid_token",
        "error_description": "Token signature verification failed",
        "name": "AUTHENTICATION_FAILURE",
        "message": "Authentication failed due to invalid authentication credentials.",
        "debug_id": "0a1b2c3d4e5f6",
    });
    Answer::json(401, &body)
}

/// Returns the error that a sandbox value in the note of the first item causes.
pub(super) fn of_sandbox_note(note: &str) -> Option<Answer> {
    let (status, name) = match note {
        "ERRPYO001" => (403, "SENDER_RESTRICTED"),
        "ERRPYO002" => (403, "SENDER_EMAIL_UNCONFIRMED"),
        "ERRPYO003" => (403, "AUTHORIZATION_ERROR"),
        "ERRPYO005" => (422, "INSUFFICIENT_FUNDS"),
        "ERRPYO006" => (500, "INTERNAL_ERROR"),
        "ERRPYO010" => (400, "VALIDATION_ERROR"),
        "ERRPYO011" => (403, "REQUIRED_SCOPE_MISSING"),
        "ERRPYO012" => (403, "SENDER_LOCKED"),
        "ERRPYO014" => (400, "USER_BUSINESS_ERROR"),
        _ => return None,
    };
    Some(answer(status, name, &[]))
}
