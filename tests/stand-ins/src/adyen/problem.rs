//! Adyen's errors: problem documents (RFC 7807) with a code.

use serde_json::{Value, json};

use crate::http::Answer;

fn problem(status: u16, code: &str, title: &str, invalid: &[(&str, &str)]) -> Answer {
    let mut body = json!({
        "type": format!("https://docs.adyen.com/errors/{status}"),
        "title": title,
        "status": status,
        "detail": title,
        "errorCode": code,
    });
    if !invalid.is_empty() {
        let fields = invalid
            .iter()
            .map(|(name, message)| json!({"name": name, "message": message, "value": "***"}));
        body["invalidFields"] = Value::Array(fields.collect());
    }
    Answer::json(status, &body)
}

pub(super) fn unauthorized() -> Answer {
    Answer::json(
        401,
        &json!({"status": 401, "errorCode": "000", "message": "HTTP Status Response - Unauthorized", "errorType": "security"}),
    )
}

pub(super) fn not_found() -> Answer {
    problem(404, "00_404", "Not found", &[])
}

pub(super) fn internal(status: u16) -> Answer {
    problem(status, "00_500", "Internal Server Error", &[])
}

pub(super) fn throttled() -> Answer {
    problem(429, "00_429", "Too many requests", &[])
}

pub(super) fn in_progress() -> Answer {
    problem(422, "704", "Request already processed or in progress", &[])
}

pub(super) fn another_body() -> Answer {
    problem(
        422,
        "703",
        "Required resource temporarily unavailable or key reused",
        &[],
    )
}

pub(super) fn not_json() -> Answer {
    problem(400, "00_400", "Bad request", &[])
}

pub(super) fn invalid(name: &str, message: &str) -> Answer {
    problem(422, "30_031", "Invalid request", &[(name, message)])
}
