//! The query of a page's address.

use url::form_urlencoded;

/// Returns the first value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name)?;
    Some(value.into_owned())
}
