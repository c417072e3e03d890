//! `GET /health/live` and `GET /health/ready`

use salvo::http::StatusCode;
use salvo::{Depot, handler};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::{Check, ProviderState, Readiness};
use crate::http::answer::Answer;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The process runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Liveness)]
pub(crate) struct LiveBody {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// The current ability of this process to do its work.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(crate) struct ReadyBody {
    /// `ok`; `degraded`: everything works, but starts more slowly, since the queue is down or accepts no hints;
    /// `unavailable`: the database is down, accepts no writes, or is not ready.
    #[schema(example = "ok")]
    status: &'static str,
    /// The dependencies of this process.
    checks: ChecksBody,
}

/// The dependencies of this process.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessChecks)]
pub(crate) struct ChecksBody {
    /// The database, which stores payouts.
    database: CheckBody,
    /// The queue, which wakes workers.
    queue: CheckBody,
    /// The providers that the operator's file names. None of them makes the service unavailable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    providers: Vec<ProviderCheckBody>,
}

/// The state of a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderCheck)]
pub(crate) struct ProviderCheckBody {
    /// `ok`, `slowed`, `away` or `paused`, as this process sees it.
    #[schema(example = "ok")]
    status: &'static str,
    /// The name.
    #[schema(example = "adyen-eu")]
    name: String,
    /// The kind.
    #[schema(example = "adyen")]
    kind: &'static str,
}

/// The state of a dependency.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessCheck)]
pub(crate) struct CheckBody {
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The kind of the dependency.
    #[schema(example = "postgres")]
    backend: &'static str,
    /// The problem, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'static str>,
}

impl From<Check> for CheckBody {
    fn from(check: Check) -> Self {
        let status = if check.is_up() { "ok" } else { "unavailable" };
        Self {
            status,
            backend: check.backend,
            detail: check.detail(),
        }
    }
}

/// Is the process alive?
///
/// It answers for as long as the process serves requests; restart the process when it does not answer.
#[utoipa::path(
    get,
    path = "/health/live",
    impl_for = get_live,
    operation_id = "get_live",
    tag = "Service",
    responses((status = 200, description = "The process is alive.", body = LiveBody)),
)]
#[handler]
pub(crate) async fn get_live() -> Result<Answer, Problem> {
    Answer::json(&LiveBody { status: "ok" })
}

/// Can the process do its work?
///
/// It checks its dependencies about once a second on its own, so a request costs nothing and never waits.
#[utoipa::path(
    get,
    path = "/health/ready",
    impl_for = get_ready,
    operation_id = "get_ready",
    tag = "Service",
    responses(
        (status = 200, description = "The process can do its work, perhaps degraded.", body = ReadyBody),
        (status = 503, description = "The process cannot do its work.", body = ReadyBody),
    ),
)]
#[handler]
pub(crate) async fn get_ready(depot: &mut Depot) -> Result<Answer, Problem> {
    let app_state = &Context::of(depot)?.app_state;
    let Readiness { database, queue } = app_state.health.readiness();
    let providers = app_state.providers.known().iter().map(|provider| {
        let state = if app_state.providers.is_paused(&provider.name) {
            ProviderState::Paused
        } else {
            app_state.health.provider_state(&provider.name)
        };
        ProviderCheckBody {
            status: state.as_str(),
            name: provider.name.to_string(),
            kind: provider.kind,
        }
    });
    let (status, name) = match (database.is_up(), queue.is_up()) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    let checks = ChecksBody {
        database: database.into(),
        queue: queue.into(),
        providers: providers.collect(),
    };
    Ok(Answer::json(&ReadyBody { status: name, checks })?.status(status))
}
