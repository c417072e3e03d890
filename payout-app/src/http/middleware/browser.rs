//! Security headers for browsers: do not store the answer, guess its type, run it, frame it or share it with other
//! sites.
//!
//! The pages ([`crate::http::static_files`]) have policies of their own. No answer has a CORS header, so scripts of
//! other sites can send nothing that needs a preflight, and read nothing.

use salvo::http::HeaderValue;
use salvo::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds the headers that the answer does not have already.
pub(crate) fn protect(headers: &mut HeaderMap) {
    // Payouts contain amounts and names: no cache may store them, neither a shared one nor the browser's own.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(&RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}
