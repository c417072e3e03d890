//! The HTTP side: one file for each endpoint, and what they share.
//!
//! A request passes the outermost hoop ([`edge`]), the router ([`routes`]) and one handler. A handler reads what it needs
//! ([`headers`], [`query`], [`body`], [`fields`]), makes one call to the use cases, and answers ([`answer`]) or refuses ([`problem`]). What an
//! endpoint says of itself beside its handler becomes the OpenAPI document ([`document`]).

mod answer;
mod body;
mod browser;
mod cancel;
mod context;
mod create;
mod cursor;
mod delete;
mod docs;
mod document;
mod edge;
mod edit;
mod events;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod get;
mod headers;
mod health;
mod list;
mod metrics;
mod problem;
mod query;
mod retry;
mod routes;
mod schema;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use payout_core::ports::System;
use payout_core::service::Payouts;
use salvo::{Router, Service};
use utoipa::openapi::OpenApi;

use crate::health::Health;
use crate::metrics::Metrics;

/// What the handlers work with.
pub(crate) struct Site {
    pub(crate) payouts: Payouts,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) system: Arc<System>,
}

/// The whole service, with or without what documents it.
pub(crate) fn service(site: Arc<Site>, docs: bool) -> Service {
    Service::new(router(docs)).hoop(edge::Edge::new(site))
}

fn router(docs: bool) -> Router {
    let (router, _) = routes(docs).finish();
    if docs { docs::add(router) } else { router }
}

/// The service of a process that only works: whether it is alive and ready, and its metrics.
pub(crate) fn worker_service(site: Arc<Site>) -> Service {
    let (router, _) = service_routes(routes::Routes::new()).finish();
    Service::new(router).hoop(edge::Edge::new(site))
}

/// The OpenAPI document.
pub(crate) fn document() -> OpenApi {
    routes(true).finish().1
}

/// The most asked for come first: routes are tried in their order.
fn routes(docs: bool) -> routes::Routes {
    let routes = routes::Routes::new()
        .add(create::create_payout, &[400, 409, 413, 415, 422, 500, 503])
        .add(list::list_payouts, &[400, 404, 500, 503])
        .add(get::get_payout, &[404, 500, 503])
        .add(edit::change_payout, &[400, 404, 409, 412, 413, 415, 500, 503])
        .add(edit::replace_payout, &[400, 404, 409, 412, 413, 415, 500, 503])
        .add(delete::delete_payout, &[400, 404, 409, 412, 500, 503])
        .add(events::list_events, &[404, 500, 503])
        .add(
            retry::retry_payout,
            &[400, 404, 409, 412, 413, 415, 422, 500, 503],
        )
        .add(cancel::cancel_payout, &[400, 404, 409, 412, 413, 415, 500, 503]);
    let routes = if docs {
        routes.add(schema::get_schema, &[400, 404, 500])
    } else {
        routes
    };
    service_routes(routes)
}

fn service_routes(routes: routes::Routes) -> routes::Routes {
    routes
        .add(health::get_live, &[500])
        .add(health::get_ready, &[500])
        .add(metrics::get_metrics, &[500])
}
