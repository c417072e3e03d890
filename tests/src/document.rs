//! The OpenAPI document that the service serves, and checks of answers against it.

use serde_json::{Map, Value};

/// A request and its answer: the method, the path without its query, and the status.
pub type Observed = (String, String, u16);

/// An OpenAPI document.
#[derive(Debug, Clone)]
pub struct Document(Value);

impl Document {
    /// Wraps the parsed document.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// Returns every operation: path and method.
    pub fn operations(&self) -> Vec<(String, String)> {
        const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
        let paths = self.0["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods
                .filter(|name| METHODS.contains(&name.as_str()))
                .map(|method| (path.clone(), method.clone()))
        });
        operations.collect()
    }

    /// Returns the scopes of which an operation requires one; empty when the operation is public.
    pub fn scopes(&self, path: &str, method: &str) -> Vec<String> {
        let alternatives = self.0["paths"][path][method]["security"].as_array();
        let alternatives = alternatives.into_iter().flatten();
        let scopes = alternatives.map(|one| {
            let scope = one["api_key"][0].as_str();
            scope.expect("an alternative names its scope").to_owned()
        });
        scopes.collect()
    }

    /// Finds the documented response of an operation; absent when there is no such operation or no such status.
    fn response(&self, (method, path, status): &Observed) -> Option<&Value> {
        let method = if method == "HEAD" {
            "get".to_owned()
        } else {
            method.to_lowercase()
        };
        let response = self
            .template(path)?
            .get(method)?
            .get("responses")?
            .get(status.to_string())?;
        Some(self.resolved(response))
    }

    /// Fails the test when the answer's body contradicts the document.
    pub fn check_body(&self, observed: &Observed, content_type: &str, body: &[u8]) {
        let Some(content) = self
            .response(observed)
            .and_then(|response| response.get("content"))
        else {
            return;
        };
        let essence = content_type.split(';').next().unwrap_or_default();
        let documented = content.get(essence);
        let documented =
            documented.unwrap_or_else(|| panic!("{observed:?} is of type {essence}, and not in {content}"));
        if essence.ends_with("json") && documented.get("schema").is_some() {
            let value = serde_json::from_slice(body).expect("JSON");
            let mismatch = self.mismatch(&documented["schema"], &value, "the body");
            assert!(
                mismatch.is_none(),
                "{observed:?}: {}: {value}",
                mismatch.unwrap_or_default()
            );
        }
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|name| name.strip_prefix('#'));
        reference.map_or(value, |pointer| {
            self.0.pointer(pointer).expect("a reference that leads somewhere")
        })
    }

    /// Returns the reason why a value does not fit its schema. It supports the part of OpenAPI that this document uses,
    /// and refuses undocumented members.
    fn mismatch(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let schema = self.resolved(schema);
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
                let mut misses = choices.iter().map(|choice| self.mismatch(choice, value, at));
                return misses
                    .all(|miss| miss.is_some())
                    .then(|| format!("{at} fits none of {choice}"));
            }
        }
        let types: Vec<&str> = match schema["type"].as_array() {
            Some(types) => types.iter().filter_map(Value::as_str).collect(),
            None => schema["type"].as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is(name, value)) {
            return Some(format!("{at} is no {types:?}"));
        }
        if schema["enum"]
            .as_array()
            .is_some_and(|known| !known.contains(value))
        {
            return Some(format!("{at} is none of {}", schema["enum"]));
        }
        match value {
            Value::Object(members) => self.object_mismatch(schema, members, at),
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(number, item)| {
                    self.mismatch(&schema["items"], item, &format!("{at}[{number}]"))
                })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
    }

    fn object_mismatch(&self, schema: &Value, members: &Map<String, Value>, at: &str) -> Option<String> {
        let mut required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        if let Some(missing) = required.find(|name| !members.contains_key(*name)) {
            return Some(format!("{at} lacks {missing}"));
        }
        members.iter().find_map(|(name, value)| {
            let place = format!("{at}.{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema)) => self.mismatch(schema, value, &place),
                (None, None) if schema["properties"].is_object() => {
                    Some(format!("{place} is not documented"))
                }
                (None, None) => None,
            }
        })
    }

    /// Fails the test when the document does not have this status for this path and method. Unknown paths and methods
    /// are answered 404 and 405, which no operation documents. The pages that show the document are not in it either.
    pub fn check(&self, (method, path, status): &Observed) {
        // Methods are case-sensitive: no operation accepts `get`.
        let method = match method.as_str() {
            "HEAD" => "get".to_owned(),
            other if other.chars().all(|letter| letter.is_ascii_uppercase()) => other.to_lowercase(),
            other => format!("odd {other}"),
        };
        let Some(operation) = self
            .template(path)
            .map(|item| &item[method.as_str()])
            .filter(|found| found.is_object())
        else {
            let page = ["/api/docs", "/api/redoc"]
                .iter()
                .any(|pages| path.starts_with(pages));
            let refused = matches!(*status, 400 | 404 | 405);
            assert!(
                page || refused,
                "{method} {path} is not documented, and answers {status}"
            );
            return;
        };
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.contains_key(&status.to_string()),
            "{method} {path} answers {status}, and the document has {:?}",
            responses.keys()
        );
    }

    fn template(&self, path: &str) -> Option<&Value> {
        let paths = self.0["paths"].as_object().expect("paths");
        let fits = |template: &str| {
            let (mut given, mut expected) = (segments(path), segments(template));
            loop {
                match (given.next(), expected.next()) {
                    (None, None) => return true,
                    (Some(given), Some(expected)) if given == expected || expected.starts_with('{') => (),
                    _ => return false,
                }
            }
        };
        paths
            .iter()
            .find(|(template, _)| fits(template))
            .map(|(_, item)| item)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

/// Returns whether a value is of a JSON Schema type.
fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Document {
        let schema = json!({
            "type": "object",
            "required": ["id", "tags"],
            "properties": {
                "id": {"type": "string"},
                "kind": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Kind"}]},
                "tags": {"type": "array", "items": {"type": ["string", "null"]}},
            },
        });
        let content = json!({"application/json": {"schema": schema}});
        let get = json!({"responses": {"200": {"content": content}, "404": {}}});
        Document::new(json!({
            "paths": {"/things/{id}/": {"get": get}},
            "components": {"schemas": {"Kind": {"type": "string", "enum": ["big", "small"]}}},
        }))
    }

    fn observed(method: &str, path: &str, status: u16) -> Observed {
        (method.to_owned(), path.to_owned(), status)
    }

    fn panics(check: impl FnOnce()) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
    }

    #[test]
    fn a_status_that_is_not_documented_is_noticed() {
        let document = document();
        for (method, path, status) in [
            ("GET", "/things/1", 200),
            ("HEAD", "/things/1/", 404),
            ("PUT", "/things/1", 405),
        ] {
            document.check(&observed(method, path, status));
        }
        for (method, path, status) in [
            ("GET", "/things/1", 500),
            ("PUT", "/things/1", 200),
            ("GET", "/other", 200),
        ] {
            assert!(
                panics(|| document.check(&observed(method, path, status))),
                "{method} {path} {status}"
            );
        }
    }

    #[test]
    fn a_body_that_does_not_fit_its_schema_is_noticed() {
        let document = document();
        let check = |value: Value| {
            let body = value.to_string();
            document.check_body(
                &observed("GET", "/things/1", 200),
                "application/json",
                body.as_bytes(),
            );
        };
        check(json!({"id": "1", "tags": ["a", null], "kind": "big"}));
        check(json!({"id": "1", "tags": [], "kind": null}));
        for wrong in [
            json!([]),
            json!({"id": "1"}),
            json!({"id": 1, "tags": []}),
            json!({"id": "1", "tags": [1]}),
            json!({"id": "1", "tags": [], "kind": "huge"}),
            json!({"id": "1", "tags": [], "more": 1}),
        ] {
            assert!(panics(|| check(wrong.clone())), "{wrong}");
        }
        assert!(panics(|| document.check_body(
            &observed("GET", "/things/1", 200),
            "text/html",
            b"x"
        )));
    }
}
