//! The form of a refusal: `application/problem+json`, by RFC 9457 and the service's own contract.

use std::collections::BTreeMap;

use serde_json::Value;

/// The members that a problem may have; all but the last are always present.
const MEMBERS: [&str; 7] = [
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "request_id",
    "errors",
];

/// Signs of internal details, which no problem may contain.
const INNARDS: [&str; 9] = [
    "panicked",
    "backtrace",
    "sqlx",
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    ".rs:",
    "payout_core::",
    "payouts_",
];

/// A problem document that was checked to be well formed.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The `type`.
    pub kind: String,
    /// The `detail`.
    pub detail: String,
    /// The `request_id`.
    pub request_id: String,
    /// The messages by field; empty when there is no `errors`.
    pub errors: BTreeMap<String, Vec<String>>,
}

impl Problem {
    /// Reads a problem, and fails the test unless it has everything that a problem must have.
    #[track_caller]
    pub fn read(status: u16, content_type: Option<&str>, path: &str, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        assert_eq!(
            content_type,
            Some("application/problem+json"),
            "of {status} for {path}: {text}"
        );
        let value: Value =
            serde_json::from_slice(body).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        let object = value
            .as_object()
            .unwrap_or_else(|| panic!("{path}: no object: {text}"));
        for member in object.keys() {
            assert!(
                MEMBERS.contains(&member.as_str()),
                "{path}: unknown member {member}: {text}"
            );
        }
        let word = |name: &str| {
            let word = object.get(name).and_then(Value::as_str);
            word.filter(|word| !word.is_empty())
                .unwrap_or_else(|| panic!("{path}: no {name}: {text}"))
                .to_owned()
        };
        let kind = word("type");
        assert!(
            kind == "about:blank" || kind.contains(':'),
            "{path}: the type is no URI: {text}"
        );
        word("title");
        assert_eq!(
            object.get("status").and_then(Value::as_u64),
            Some(u64::from(status)),
            "{path}: {text}"
        );
        assert_eq!(word("instance"), path.split('?').next().unwrap(), "{text}");
        for innard in INNARDS {
            assert!(!text.contains(innard), "{path} tells of its innards: {text}");
        }
        let errors = object.get("errors").map(errors).unwrap_or_default();
        Self {
            kind,
            detail: word("detail"),
            request_id: word("request_id"),
            errors,
        }
    }

    /// Returns the messages about a field.
    #[track_caller]
    pub fn of(&self, field: &str) -> &[String] {
        self.errors
            .get(field)
            .unwrap_or_else(|| panic!("nothing about {field}: {self:?}"))
    }

    /// Returns the refused fields, in alphabetical order.
    pub fn fields(&self) -> Vec<&str> {
        self.errors.keys().map(String::as_str).collect()
    }
}

/// Reads `{field: [message, …]}`, of which no part may be empty.
#[track_caller]
fn errors(value: &Value) -> BTreeMap<String, Vec<String>> {
    let errors: BTreeMap<String, Vec<String>> =
        serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("odd errors: {value}"));
    assert!(!errors.is_empty(), "errors without a field");
    for (field, messages) in &errors {
        assert!(
            !messages.is_empty() && messages.iter().all(|text| !text.is_empty()),
            "{field}: {value}"
        );
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_well_formed(change: impl FnOnce(&mut Value)) -> bool {
        let mut value = json!({
            "type": "urn:x:y", "title": "T", "status": 400, "detail": "D", "instance": "/a", "request_id": "r",
            "errors": {"field": ["message"]},
        });
        change(&mut value);
        let body = value.to_string();
        let read = || Problem::read(400, Some("application/problem+json"), "/a?b=c", body.as_bytes());
        std::panic::catch_unwind(read).is_ok()
    }

    #[test]
    fn whatever_a_problem_lacks_or_has_too_much_is_noticed() {
        assert!(is_well_formed(|_| ()));
        for member in &MEMBERS[..6] {
            assert!(!is_well_formed(|value| value[*member] = json!("")), "{member}");
            assert!(
                !is_well_formed(|value| drop(value.as_object_mut().unwrap().remove(*member))),
                "{member}"
            );
        }
        for errors in [
            json!({}),
            json!([]),
            json!({"field": []}),
            json!({"field": "message"}),
            json!({"field": [""]}),
        ] {
            assert!(
                !is_well_formed(|value| value["errors"] = errors.clone()),
                "{errors}"
            );
        }
        assert!(!is_well_formed(|value| value["more"] = json!(1)));
        assert!(!is_well_formed(|value| value["status"] = json!(404)));
        assert!(!is_well_formed(
            |value| value["detail"] = json!("called `x` at src/lib.rs:7")
        ));
    }
}
