//! `GET /` and `GET /api/`: links to everything that the service serves.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use salvo::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, LOCATION, VARY};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, Request, Response, handler};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::http::OptionalRoutes;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of `/api/`.
pub(crate) const POLICY: RoutePolicy = RoutePolicy::DOCUMENTATION;

/// The policy of `/`, which takes any query.
pub(crate) const ROOT: RoutePolicy = RoutePolicy {
    query: None,
    ..POLICY
};

/// Links to everything that the service serves.
#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
pub(crate) struct IndexBody {
    /// Always `payout`.
    #[schema(example = "payout")]
    service: &'static str,
    /// Paths on this host, by the resource that they lead to.
    links: LinksBody,
}

/// Paths on this host, by the resource that they lead to.
#[derive(Serialize, ToSchema)]
#[schema(as = Links)]
pub(crate) struct LinksBody {
    /// The payouts.
    #[schema(example = "/api/payouts/")]
    payouts: &'static str,
    /// The batches.
    #[schema(example = "/api/batches/")]
    batches: &'static str,
    /// The API keys.
    #[schema(example = "/api/keys/")]
    keys: &'static str,
    /// The operators' console, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/console/")]
    console: Option<&'static str>,
    /// Swagger UI, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/api/docs/")]
    docs: Option<&'static str>,
    /// Redoc, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/api/redoc/")]
    redoc: Option<&'static str>,
    /// The OpenAPI document, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/api/schema/")]
    schema: Option<&'static str>,
    /// Liveness: the process runs.
    #[schema(example = "/health/live")]
    live: &'static str,
    /// Readiness: the process can do its work.
    #[schema(example = "/health/ready")]
    ready: &'static str,
    /// The metrics, if the API serves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/metrics")]
    metrics: Option<&'static str>,
}

impl LinksBody {
    fn of(optional_routes: OptionalRoutes) -> Self {
        Self {
            payouts: "/api/payouts/",
            batches: "/api/batches/",
            keys: "/api/keys/",
            console: optional_routes.console.then_some("/console/"),
            docs: optional_routes.docs.then_some("/api/docs/"),
            redoc: optional_routes.docs.then_some("/api/redoc/"),
            schema: optional_routes.docs.then_some("/api/schema/"),
            live: "/health/live",
            ready: "/health/ready",
            metrics: optional_routes.metrics.then_some("/metrics"),
        }
    }

    /// Returns the links with their titles, for people.
    fn named(&self) -> Vec<(&'static str, &'static str)> {
        let links = [
            (self.console, "The operators' console"),
            (self.docs, "Swagger UI: read the documentation and try it"),
            (self.redoc, "Redoc: the same, to read"),
            (self.schema, "The OpenAPI document"),
            (Some(self.payouts), "The payouts, as JSON"),
            (Some(self.ready), "Whether the service is ready"),
            (self.metrics, "Metrics, for Prometheus"),
        ];
        links
            .into_iter()
            .filter_map(|(path, name)| Some((path?, name)))
            .collect()
    }
}

const STYLE: &str =
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}";

/// Allows the page's one style by its digest, and nothing else.
static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        BASE64.encode(Sha256::digest(STYLE))
    )
});

fn page(links: &LinksBody) -> String {
    let items: String = links
        .named()
        .into_iter()
        .map(|(path, name)| format!("<li><a href=\"{path}\">{path}</a> {name}</li>\n"))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Payouts</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Payouts</h1>\n\
         <p>This service sends money: programs ask for a payout over its API, and a worker hands it to a payment \
         provider.</p>\n<ul>\n{items}</ul>\n</body>\n</html>\n"
    )
}

/// List the API's resources
///
/// Links to everything that the service serves: as JSON, or as a page if `Accept` names `text/html`.
#[utoipa::path(
    get,
    path = "/api/",
    impl_for = get_index,
    operation_id = "get_index",
    tag = "Service",
    responses((status = 200, description = "The links.", headers(("Vary" = String, description = "`Accept`.")),
        content(
            (IndexBody = "application/json"),
            (String = "text/html"),
        ))),
)]
#[handler]
pub(crate) async fn get_index(
    request: &mut Request,
    depot: &mut Depot,
    response: &mut Response,
) -> Result<(), Problem> {
    answer(request, depot, response)
}

/// List the API's resources
///
/// Answers as `/api/` does, except that a browser is led to the console, if it is served.
#[utoipa::path(
    get,
    path = "/",
    impl_for = get_root,
    operation_id = "get_root",
    tag = "Service",
    responses((status = 303, description = "A browser is led to the console.",
            headers(("Location" = String, description = "The console."), ("Vary" = String, description = "`Accept`."))),
        (status = 200, description = "The links.", headers(("Vary" = String, description = "`Accept`.")),
        content(
            (IndexBody = "application/json"),
            (String = "text/html"),
        ))),
)]
#[handler]
pub(crate) async fn get_root(
    request: &mut Request,
    depot: &mut Depot,
    response: &mut Response,
) -> Result<(), Problem> {
    let leads = Context::of(depot)?.app_state.optional_routes.console;
    if leads && request.uri().path() == "/" && wants_page(request.headers()) {
        response.status_code(StatusCode::SEE_OTHER);
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("accept"));
        headers.insert(LOCATION, HeaderValue::from_static("/console/"));
        return Ok(());
    }
    answer(request, depot, response)
}

fn answer(request: &Request, depot: &Depot, response: &mut Response) -> Result<(), Problem> {
    // The router ignores repeated slashes in a path.
    if !matches!(request.uri().path(), "/" | "/api" | "/api/") {
        return Err(Problem::of_status(
            StatusCode::NOT_FOUND,
            request.method().as_str(),
        ));
    }
    let links = LinksBody::of(Context::of(depot)?.app_state.optional_routes);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept"));
    if wants_page(request.headers()) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Ok(policy) = HeaderValue::from_str(&CONTENT_POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response.body(page(&links));
        return Ok(());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let index = IndexBody {
        service: "payout",
        links,
    };
    let text = serde_json::to_vec(&index).map_err(|error| Problem::internal(Box::new(error)))?;
    response.body(text);
    Ok(())
}

/// Returns whether the client asks for HTML by name, and does not prefer JSON. A browser's `Accept` names HTML; a
/// program's seldom does (RFC 9110 §12.5.1).
fn wants_page(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0.0_f32, 0.0_f32);
    let lines = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| value.trim().parse::<f32>().unwrap_or(0.0))
        });
        let weight = weight.unwrap_or(1.0);
        match name.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(weight),
            "application/json" => json = json.max(weight),
            _ => (),
        }
    }
    html > 0.0 && html >= json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_for_those_who_name_it() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            wants_page(&headers)
        };
        for browser in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "TEXT/HTML",
            "application/json;q=0.5, text/html; q=0.9",
            "text/html;level=1",
        ] {
            assert!(wants(browser), "{browser}");
        }
        for program in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html;q=0.9",
            "text/html;q=0",
            "text/html;q=none",
            "text/plain",
            "application/json, text/*",
        ] {
            assert!(!wants(program), "{program}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
