//! What browsers are told of every answer: not to keep it, guess its type, run it, frame it or lend it to other sites.
//!
//! The pages ([`crate::http::static_files`]) have policies of their own. No answer has a CORS header: scripts of other sites may send
//! nothing that needs a preflight, and read nothing.

use salvo::http::HeaderValue;
use salvo::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds what the answer does not say itself.
pub(crate) fn protect(headers: &mut HeaderMap) {
    // Payouts are somebody's money and name: no cache, shared or the browser's own, is to have them.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(&RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}
