//! Static files: the pages at `/api/docs/` (Swagger UI) and `/api/redoc/` (Redoc).
//!
//! Both are embedded in the program and load nothing from elsewhere, which their policies forbid.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use flate2::read::GzDecoder;
use salvo::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    LOCATION, VARY,
};
use salvo::http::{HeaderValue, Method, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Router, Writer, async_trait};
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use crate::http::extract::conditions::Tags;
use crate::http::extract::negotiation::takes_coding;
use crate::http::middleware::access::Guarded;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;
use crate::http::routes::leaves;

/// Relative, so that the pages also work behind a proxy that adds a prefix to the path.
const SCHEMA: &str = "../schema/?format=json";

// Both pages use inline styles; neither has an inline script.
const SWAGGER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const REDOC_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; \
    connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const REDOC_PAGE: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payouts</title>
<link rel="icon" href="data:,">
<style>body { margin: 0; }</style>
</head>
<body>
<div id="redoc"></div>
<script src="redoc.standalone.js"></script>
<script src="start.js"></script>
</body>
</html>
"#;
const REDOC_START: &str = r#"const fonts = "system-ui, sans-serif";
const theme = { typography: { fontFamily: fonts, headings: { fontFamily: fonts } } };
Redoc.init("../schema/?format=json", { theme, hideDownloadButtons: false }, document.getElementById("redoc"));
"#;
static REDOC_BUNDLE: &[u8] = include_bytes!("../../assets/redoc/redoc.standalone.js.gz");
const REDOC_NOTICES: &str = concat!(
    include_str!("../../assets/redoc/LICENSE"),
    "\n",
    include_str!("../../assets/redoc/redoc.standalone.js.LICENSE.txt"),
);

static SWAGGER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // By default it would show a badge that asks an outside service whether the document is valid.
    Arc::new(
        Config::from(SCHEMA)
            .validator_url("none")
            .try_it_out_enabled(true)
            .display_request_duration(true),
    )
});

/// A page: its path, its policy for browsers, and its files.
#[derive(Clone, Copy)]
struct Page {
    path: &'static str,
    policy: &'static str,
    find: fn(&str) -> Result<Option<File>, Problem>,
}

const PAGES: [Page; 2] = [
    Page {
        path: "api/docs/{**file}",
        policy: SWAGGER_POLICY,
        find: swagger_ui,
    },
    Page {
        path: "api/redoc/{**file}",
        policy: REDOC_POLICY,
        find: redoc,
    },
];

/// Adds the pages. They are not part of the API, and so not of its document.
pub(crate) fn add(router: Router) -> Router {
    PAGES.into_iter().fold(router, |router, page| {
        let handler = Guarded::behind(RoutePolicy::DOCUMENTATION, Arc::new(page));
        router.push(Router::with_path(page.path).append(&mut leaves(&Method::GET, &handler)))
    })
}

#[async_trait]
impl Handler for Page {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        if redirected_to_slash(request, response) {
            return;
        }
        let sent = (self.find)(file(request)).and_then(|found| send(request, response, found, self.policy));
        if let Err(problem) = sent {
            problem.write(request, depot, response).await;
        }
    }
}

/// A file of a page.
struct File {
    bytes: Cow<'static, [u8]>,
    content_type: Cow<'static, str>,
    gzipped: bool,
}

impl File {
    fn text(text: &'static str, content_type: &'static str) -> Self {
        Self {
            bytes: Cow::Borrowed(text.as_bytes()),
            content_type: content_type.into(),
            gzipped: false,
        }
    }
}

fn swagger_ui(file: &str) -> Result<Option<File>, Problem> {
    let found = utoipa_swagger_ui::serve(file, SWAGGER.clone())
        .map_err(|error| Problem::internal(error.to_string().into()))?;
    Ok(found.map(|found| File {
        bytes: found.bytes,
        content_type: found.content_type.into(),
        gzipped: found.gzpipped,
    }))
}

fn redoc(file: &str) -> Result<Option<File>, Problem> {
    Ok(match file {
        "" | "index.html" => Some(File::text(REDOC_PAGE, "text/html; charset=utf-8")),
        "start.js" => Some(File::text(REDOC_START, "text/javascript; charset=utf-8")),
        "redoc.standalone.js" => Some(File {
            bytes: Cow::Borrowed(REDOC_BUNDLE),
            content_type: "text/javascript; charset=utf-8".into(),
            gzipped: true,
        }),
        "redoc.standalone.js.LICENSE.txt" => Some(File::text(REDOC_NOTICES, "text/plain; charset=utf-8")),
        _ => None,
    })
}

/// Returns the part of the path after the page's own path.
fn file(request: &Request) -> &str {
    request.params().tail().unwrap_or_default()
}

/// Redirects to the path with a slash: the page's files are relative to it.
fn redirected_to_slash(request: &Request, response: &mut Response) -> bool {
    let path = request.uri().path();
    if !file(request).is_empty() || path.ends_with('/') {
        return false;
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if let Ok(location) = HeaderValue::from_str(&format!("{last}/")) {
        response.status_code(StatusCode::PERMANENT_REDIRECT);
        response.headers_mut().insert(LOCATION, location);
        return true;
    }
    false
}

fn send(
    request: &Request,
    response: &mut Response,
    found: Option<File>,
    policy: &'static str,
) -> Result<(), Problem> {
    let Some(File {
        bytes,
        content_type,
        gzipped,
    }) = found
    else {
        return Err(Problem::of_status(
            StatusCode::NOT_FOUND,
            request.method().as_str(),
        ));
    };
    let etag = etag(policy, file(request), &bytes);
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    let opaque = etag.trim_start_matches("W/").trim_matches('"');
    let known = Tags::read(request.headers(), &IF_NONE_MATCH).ok().flatten();
    if known.is_some_and(|tags| tags.match_weakly(opaque)) {
        response.status_code(StatusCode::NOT_MODIFIED);
        return Ok(());
    }
    if let Ok(content_type) = HeaderValue::from_str(&content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if !gzipped {
        response.body(bytes.into_owned());
    } else if takes_coding(request.headers(), "gzip") {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.body(bytes.into_owned());
    } else {
        let mut plain = Vec::new();
        GzDecoder::new(&*bytes)
            .read_to_end(&mut plain)
            .map_err(|error| Problem::internal(Box::new(error)))?;
        response.body(plain);
    }
    Ok(())
}

/// Returns the entity tag of a file. Files change only with the program, so each is hashed once. The tag is weak, since
/// the file is sent compressed or not.
fn etag(policy: &'static str, file: &str, bytes: &[u8]) -> String {
    /// By page, each with a policy of its own, and file.
    static KNOWN: LazyLock<Mutex<HashMap<(&'static str, String), String>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (policy, file.to_owned());
    if let Some(etag) = known.get(&key) {
        return etag.clone();
    }
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("W/\"{hex}\"");
    known.insert(key, etag.clone());
    etag
}
