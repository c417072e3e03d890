//! Examples of real answers, for the operations that answer with a payout.

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

/// Adds an example to every answer with a payout, as it is right after that operation.
pub(super) fn add(operation: &mut Operation) {
    let example = match operation.operation_id.as_deref() {
        Some("create_payout" | "change_payout" | "replace_payout") => pending(),
        Some("retry_payout") => with(pending(), &[("updated_at", json!("2026-11-24T10:15:00.246810Z"))]),
        Some("cancel_payout") => with(
            pending(),
            &[
                ("status", json!("cancelled")),
                ("updated_at", json!("2026-11-24T09:30:07.000001Z")),
            ],
        ),
        Some("get_payout") => completed(),
        Some(_) | None => return,
    };
    for status in ["200", "201", "202"] {
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
            for content in response.content.values_mut() {
                if let RefOr::T(content) = content {
                    content.example = Some(example.clone());
                }
            }
        }
    }
}

/// A payout that was just created.
fn pending() -> Value {
    json!({
        "id": "019ab1f0-9c4b-7d21-8e55-2f0d3c6a9b17",
        "amount": "125.50",
        "currency": "EUR",
        "recipient": super::recipients::example(),
        "recipient_account": "DE89370400440532013000",
        "recipient_name": "Ada Lovelace",
        "description": "Invoice 2026-117",
        "external_id": "salary-2026-11-117",
        "metadata": {"team": "payroll"},
        "statement_text": null,
        "scheduled_at": null,
        "created_by": "payroll",
        "batch_id": null,
        "status": "pending",
        "needs_review": false,
        "failure": null,
        "provider": null,
        "provider_reference": null,
        "waiting_for": null,
        "attempts": 0,
        "created_at": "2026-11-24T09:30:00.123456Z",
        "updated_at": "2026-11-24T09:30:00.123456Z",
        "completed_at": null,
        "returned": null,
    })
}

/// The example payout after it was paid.
fn completed() -> Value {
    with(
        pending(),
        &[
            ("status", json!("completed")),
            ("provider", json!("adyen-eu")),
            ("provider_reference", json!("sim_0f6d0e3b9a4c5d21")),
            ("attempts", json!(1)),
            ("updated_at", json!("2026-11-24T09:30:02.654321Z")),
            ("completed_at", json!("2026-11-24T09:30:02.654321Z")),
        ],
    )
}

fn with(mut example: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        example[*name] = value.clone();
    }
    example
}
