//! Answers of the console: pages, and redirects after a change.

use askama::Template;
use flate2::Compression;
use salvo::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
    REFERRER_POLICY, SET_COOKIE, VARY,
};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, Request, Response, Writer, async_trait};

use super::assets::gzip;
use crate::http::extract::negotiation::takes_coding;
use crate::http::problem::Problem;

/// The policy of every page: own files only, and neither script nor style within the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
static FRAMES: HeaderName = HeaderName::from_static("x-frame-options");
static OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Pages below this size are sent as they are.
const COMPRESSED_FROM: usize = 1024;

/// Sets the headers of a page.
pub(super) fn head(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        // Without any referrer, browsers would send forms with `Origin: null`.
        (REFERRER_POLICY, "same-origin"),
        (FRAMES.clone(), "DENY"),
        (OPENER.clone(), "same-origin"),
        (VARY, "accept-encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Writes a page, compressed if the browser takes that. A page has no secret of its session beside what others wrote:
/// its token of changes is of no use without the cookie, which no other site can have sent.
pub(super) fn send(text: String, request: &Request, response: &mut Response) {
    head(response.headers_mut());
    if text.len() >= COMPRESSED_FROM && takes_coding(request.headers(), "gzip") {
        let encoding = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, encoding);
        response.body(gzip(text.as_bytes(), Compression::fast()));
    } else {
        response.body(text);
    }
}

/// An answer.
pub(super) enum Reply {
    /// A page.
    Page {
        /// The status.
        status: StatusCode,
        /// The page.
        text: String,
    },
    /// A redirect to another page, which the browser then requests.
    Go {
        /// The path.
        to: String,
        /// The cookie to set.
        cookie: Option<String>,
    },
}

impl Reply {
    /// Renders a page.
    pub(super) fn page(template: &impl Template) -> Result<Self, Problem> {
        Self::with_status(StatusCode::OK, template)
    }

    /// Renders a page with a status, such as one that names mistakes in a form.
    pub(super) fn with_status(status: StatusCode, template: &impl Template) -> Result<Self, Problem> {
        let text = template
            .render()
            .map_err(|error| Problem::internal(Box::new(error)))?;
        Ok(Self::Page { status, text })
    }

    /// Redirects to a page.
    pub(super) fn go(to: impl Into<String>) -> Self {
        Self::Go {
            to: to.into(),
            cookie: None,
        }
    }

    /// Sets a cookie.
    pub(super) fn with_cookie(self, cookie: String) -> Self {
        match self {
            Self::Go { to, .. } => Self::Go {
                to,
                cookie: Some(cookie),
            },
            page @ Self::Page { .. } => page,
        }
    }
}

#[async_trait]
impl Writer for Reply {
    async fn write(self, request: &mut Request, _: &mut Depot, response: &mut Response) {
        match self {
            Self::Page { status, text } => {
                response.status_code(status);
                send(text, request, response);
            }
            Self::Go { to, cookie } => {
                response.status_code(StatusCode::SEE_OTHER);
                let headers = response.headers_mut();
                if let Ok(to) = HeaderValue::from_str(&to) {
                    headers.insert(LOCATION, to);
                }
                if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
                    headers.insert(SET_COOKIE, cookie);
                }
            }
        }
    }
}
