//! The HTTP side: one file for each endpoint, and what they share.
//!
//! A request passes the outermost hoop (`middleware::edge`), the router ([`routes`]), the access of its route
//! (`middleware::access`) and the check of its query (`middleware::parameters`), and one handler: [`api`] has those of clients,
//! [`ops`] those of operators. A handler reads what it needs ([`extract`]), makes one call to the use cases, and answers
//! ([`answer`]) or refuses ([`problem`]). [`admission`] bounds how much one client may take. What an endpoint says of itself
//! beside its handler becomes the OpenAPI document ([`openapi`]).

pub(crate) mod admission;
mod answer;
mod api;
mod extract;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod middleware;
mod openapi;
mod ops;
mod problem;
mod routes;
mod static_files;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use payout_core::keys::Scope;
use payout_core::ports::{System, Tracer};
use payout_core::service::Payouts;
use payout_core::service::keys::ApiKeys;
use salvo::{Router, Service};
use utoipa::openapi::OpenApi;

use self::admission::Limits;
use self::api::{api_keys, index, payouts, schema};
use self::middleware::access::Access;
pub(crate) use self::middleware::access::Gate;
pub(crate) use self::middleware::context::is_of_our_making;
use self::middleware::edge;
pub(crate) use self::middleware::open::OpenTo;
pub(crate) use self::openapi::yaml;
use crate::health::Health;
use crate::metrics::Metrics;

/// What the handlers work with.
pub(crate) struct Site {
    pub(crate) payouts: Payouts,
    pub(crate) keys: ApiKeys,
    pub(crate) gate: Gate,
    pub(crate) limits: Arc<Limits>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) system: Arc<System>,
    pub(crate) tracer: Arc<dyn Tracer>,
    /// Whether a create without an `Idempotency-Key` is refused.
    pub(crate) require_idempotency_key: bool,
    /// What is served besides the API.
    pub(crate) besides: Besides,
}

/// What is served besides the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Besides {
    /// What documents it.
    pub(crate) docs: bool,
    /// The metrics, unless they have an address of their own.
    pub(crate) metrics: bool,
}

impl Besides {
    /// All of it.
    pub(crate) const ALL: Self = Self {
        docs: true,
        metrics: true,
    };
}

/// The whole service.
pub(crate) fn service(site: Arc<Site>, besides: Besides) -> Service {
    Service::new(router(besides)).hoop(edge::Edge::new(site))
}

fn router(besides: Besides) -> Router {
    let (router, _) = routes(besides).finish();
    if besides.docs {
        static_files::add(router)
    } else {
        router
    }
}

/// What operators ask: whether the process is alive and ready, and its metrics.
pub(crate) fn operators_service(site: Arc<Site>) -> Service {
    let (router, _) = operators_routes().finish();
    Service::new(router).hoop(edge::Edge::new(site))
}

/// The OpenAPI document.
pub(crate) fn document() -> OpenApi {
    routes(Besides::ALL).finish().1
}

const READ: Access = Access::OneOf(&[Scope::Read]);
const WRITE: Access = Access::OneOf(&[Scope::Write]);
const OPERATE: Access = Access::OneOf(&[Scope::Operate]);
/// What the body asks for says which of them.
const WRITE_OR_OPERATE: Access = Access::OneOf(&[Scope::Write, Scope::Operate]);
const ADMIN: Access = Access::OneOf(&[Scope::Admin]);

/// The most asked for come first: routes are tried in their order.
fn routes(besides: Besides) -> routes::Routes {
    let routes = routes::Routes::new()
        .add(
            payouts::create::create_payout,
            WRITE,
            &[400, 408, 409, 413, 415, 422, 500],
        )
        .add(payouts::list::list_payouts, READ, &[400, 404, 500])
        .add(payouts::get::get_payout, READ, &[400, 404, 412, 500])
        .add(
            payouts::edit::change_payout,
            WRITE_OR_OPERATE,
            &[400, 404, 408, 409, 412, 413, 415, 422, 500],
        )
        .add(
            payouts::edit::replace_payout,
            WRITE,
            &[400, 404, 408, 409, 412, 413, 415, 422, 500],
        )
        .add(payouts::delete::delete_payout, WRITE, &[400, 404, 409, 412, 500])
        .add(payouts::events::list_events, READ, &[400, 404, 500])
        .add(
            payouts::retry::retry_payout,
            OPERATE,
            &[400, 404, 408, 409, 412, 413, 415, 422, 500],
        )
        .add(
            payouts::cancel::cancel_payout,
            OPERATE,
            &[400, 404, 408, 409, 412, 413, 415, 500],
        )
        .add(api_keys::list::list_keys, ADMIN, &[500])
        .add(
            api_keys::create::create_key,
            ADMIN,
            &[400, 408, 409, 413, 415, 500],
        )
        .add(api_keys::revoke::revoke_key, ADMIN, &[404, 500])
        .add(
            api_keys::rotate::rotate_key,
            ADMIN,
            &[400, 404, 408, 409, 413, 415, 500],
        );
    let routes = if besides.docs {
        routes.add(
            schema::get_schema,
            Access::Documentation,
            &[400, 403, 404, 429, 500],
        )
    } else {
        routes
    };
    let routes = add_health(routes)
        .add(index::get_index, Access::Documentation, &[403, 404, 429, 500])
        .add(index::get_root, Access::Documentation, &[403, 404, 429, 500]);
    if besides.metrics {
        add_metrics(routes, Access::Metrics)
    } else {
        routes
    }
}

/// An address of their own is open to whoever reaches it.
fn operators_routes() -> routes::Routes {
    add_metrics(add_health(routes::Routes::new()), Access::Anyone)
}

fn add_health(routes: routes::Routes) -> routes::Routes {
    routes.add(ops::health::get_live, Access::Anyone, &[500]).add(
        ops::health::get_ready,
        Access::Anyone,
        &[500],
    )
}

fn add_metrics(routes: routes::Routes, access: Access) -> routes::Routes {
    routes.add(ops::metrics::get_metrics, access, &[404, 500])
}
