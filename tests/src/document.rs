//! The OpenAPI document, as the service serves it, and what it says of an answer.

use serde_json::Value;

/// What was asked and answered: the method, the path without its query, and the status.
pub type Observed = (String, String, u16);

/// An OpenAPI document.
#[derive(Debug, Clone)]
pub struct Document(Value);

impl Document {
    /// Takes the parsed document.
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    /// Every operation: path and method.
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

    /// Fails the test when the document does not have this status for this path and method. Paths and methods that
    /// it does not have are answered 404 and 405, which is no operation's business, and the pages
    /// that show the document are not in it.
    pub fn check(&self, (method, path, status): &Observed) {
        // Methods are told apart by case: `get` is none that anything takes.
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
