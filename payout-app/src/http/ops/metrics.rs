//! `GET /metrics`

use salvo::http::HeaderValue;
use salvo::http::header::CONTENT_TYPE;
use salvo::{Depot, Response, handler};

use crate::http::middleware::access::Access;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route on the API's own address.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    access: Access::Metrics,
    ..OPEN
};

/// The policy of the route at an address of the operators' own.
pub(crate) const OPEN: RoutePolicy = RoutePolicy {
    refusals: &[Kind::UnknownPath],
    ..RoutePolicy::OPERATIONAL
};

/// Get the metrics
///
/// In the text format of Prometheus. Not here when `PAYOUT_METRICS_BIND` is set: then they are served at that address.
#[utoipa::path(
    get,
    path = "/metrics",
    impl_for = get_metrics,
    operation_id = "get_metrics",
    tag = "Service",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")),
)]
#[handler]
pub(crate) async fn get_metrics(depot: &mut Depot, response: &mut Response) -> Result<(), Problem> {
    let text = Context::of(depot)?.app_state.metrics.render();
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response.body(text);
    Ok(())
}
