//! The query of a page's address.

use url::form_urlencoded;

/// The parameters of a page with a list that are no parameters of the API's list.
pub(super) const ONLY_PAGES: [&str; 5] = ["column", "done", "kept", "q", "step"];

/// Returns the first value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let (_, value) = form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name)?;
    Some(value.into_owned())
}
