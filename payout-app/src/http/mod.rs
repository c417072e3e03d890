//! The HTTP side: one file for each endpoint, and the parts that endpoints share.
//!
//! A request passes the outermost middleware (`middleware::edge`), the router ([`routes`]), the access check of its
//! route (`middleware::access`), the check of its query (`middleware::parameters`), and one handler: [`api`] has those
//! of clients, [`ops`] those of operators. A handler extracts its input ([`extract`]), makes one call to the use cases,
//! and answers ([`answer`]) or refuses ([`problem`]). [`console`] has the operators'
//! pages over the same use cases. [`admission`] limits each client's share of the service. The
//! annotations beside each handler become the OpenAPI document ([`openapi`]).

pub(crate) mod admission;
pub(crate) mod answer;
mod api;
mod console;
mod extract;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod middleware;
mod openapi;
mod ops;
mod policy;
mod problem;
mod routes;
mod static_files;

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use payout_core::ports::{System, Tracer};
use payout_core::usecase::Payouts;
use payout_core::usecase::api_keys::ApiKeys;
use payout_core::usecase::batches::Batches;
use payout_core::usecase::bulk::BulkActions;
use payout_core::usecase::console_sessions::ConsoleSessions;
use payout_core::usecase::feed::Feed;
use payout_core::usecase::providers::{ProviderWatch, Providers};
use payout_core::usecase::recipients::Recipients;
use payout_core::usecase::stats::PayoutStatistics;
use payout_core::usecase::webhooks::Webhooks;
use salvo::Service;
use utoipa::openapi::OpenApi;

use self::admission::Limits;
use self::api::{api_keys, batches, events, index, payouts, providers, recipients, schema, stats, webhooks};
pub(crate) use self::console::bulk::filter::read as read_bulk_filter;
pub(crate) use self::extract::moment;
pub(crate) use self::middleware::access::Authenticator;
pub(crate) use self::middleware::context::is_of_our_making;
use self::middleware::edge;
pub(crate) use self::middleware::open::OpenTo;
pub(crate) use self::openapi::yaml;
use self::policy::{RateClass, RoutePolicy};
use crate::health::Health;
use crate::metrics::Metrics;

/// The state that handlers work with.
pub(crate) struct AppState {
    pub(crate) payouts: Payouts,
    /// The batches; absent if the program's own repository stores none.
    pub(crate) batches: Option<Batches>,
    /// The bulk actions.
    pub(crate) bulk: BulkActions,
    pub(crate) keys: ApiKeys,
    pub(crate) providers: Providers,
    pub(crate) provider_watch: ProviderWatch,
    pub(crate) recipients: Recipients,
    pub(crate) stats: PayoutStatistics,
    /// The event feed; absent if the program's own repository has none.
    pub(crate) feed: Option<Feed>,
    /// The webhooks; absent without a database of the service's own.
    pub(crate) webhooks: Option<Webhooks>,
    pub(crate) authenticator: Authenticator,
    /// The sessions of the console.
    pub(crate) sessions: ConsoleSessions,
    pub(crate) limits: Arc<Limits>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) system: Arc<System>,
    pub(crate) tracer: Arc<dyn Tracer>,
    /// True if a create without an `Idempotency-Key` is refused.
    pub(crate) require_idempotency_key: bool,
    /// The optional routes that are served.
    pub(crate) optional_routes: OptionalRoutes,
}

/// The state as handlers share it.
///
/// The trait object keeps builds short. The compiler proves for each handler again that its future is `Send`, and would
/// look into every type of the state each time.
pub(crate) type SharedState = Arc<dyn Deref<Target = AppState> + Send + Sync>;

impl AppState {
    /// Makes the state shareable.
    pub(crate) fn shared(self) -> SharedState {
        Arc::new(Box::new(self))
    }
}

/// The routes that are served only if the operator wants them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OptionalRoutes {
    /// The documentation.
    pub(crate) docs: bool,
    /// The operators' console.
    pub(crate) console: bool,
    /// The metrics, unless they have an address of their own.
    pub(crate) metrics: bool,
}

impl OptionalRoutes {
    /// All optional routes.
    pub(crate) const ALL: Self = Self {
        docs: true,
        console: true,
        metrics: true,
    };
}

/// Builds the whole service.
pub(crate) fn service(app_state: SharedState, optional_routes: OptionalRoutes) -> Service {
    let routes = routes(optional_routes);
    let unmetered = routes.paths_of(RateClass::Unmetered);
    let (router, _) = routes.finish();
    let router = if optional_routes.docs {
        static_files::add(router)
    } else {
        router
    };
    let router = if optional_routes.console {
        console::add(router)
    } else {
        router
    };
    Service::new(router).hoop(edge::RequestScope::new(app_state, unmetered))
}

/// Builds the service for operators: liveness, readiness and metrics.
pub(crate) fn operators_service(app_state: SharedState) -> Service {
    let routes = operators_routes();
    let unmetered = routes.paths_of(RateClass::Unmetered);
    let (router, _) = routes.finish();
    Service::new(router).hoop(edge::RequestScope::new(app_state, unmetered))
}

/// Builds the OpenAPI document.
pub(crate) fn document() -> OpenApi {
    routes(OptionalRoutes::ALL).finish().1
}

/// Returns the routes, the most requested first, since they are tried in order.
fn routes(optional_routes: OptionalRoutes) -> routes::Routes {
    let routes = routes::Routes::new()
        .add(payouts::create::create_payout, payouts::create::POLICY)
        .add(payouts::list::list_payouts, payouts::list::POLICY)
        .add(payouts::export::export_payouts, payouts::export::POLICY)
        .add(payouts::get::get_payout, payouts::get::POLICY)
        .add(payouts::edit::change_payout, payouts::edit::CHANGE)
        .add(payouts::edit::replace_payout, payouts::edit::REPLACE)
        .add(payouts::delete::delete_payout, payouts::delete::POLICY)
        .add(payouts::events::list_events, payouts::events::POLICY)
        .add(payouts::retry::retry_payout, payouts::retry::POLICY)
        .add(payouts::cancel::cancel_payout, payouts::cancel::POLICY)
        .add(payouts::approve::approve_payout, payouts::approve::POLICY)
        .add(payouts::reject::reject_payout, payouts::reject::POLICY)
        .add(batches::create::create_batch, batches::create::POLICY)
        .add(batches::list::list_batches, batches::list::POLICY)
        .add(batches::get::get_batch, batches::get::POLICY)
        .add(batches::payouts::list_batch_payouts, batches::payouts::POLICY)
        .add(batches::export::export_batch, batches::export::POLICY)
        .add(batches::cancel::cancel_batch, batches::cancel::POLICY)
        .add(batches::approve::approve_batch, batches::approve::POLICY)
        .add(batches::reject::reject_batch, batches::reject::POLICY)
        .add(batches::retry::retry_batch, batches::retry::POLICY)
        .add(events::list::list_feed, events::list::POLICY)
        .add(events::stream::stream_feed, events::stream::POLICY)
        .add(api_keys::list::list_keys, api_keys::list::POLICY)
        .add(api_keys::create::create_key, api_keys::create::POLICY)
        .add(api_keys::revoke::revoke_key, api_keys::revoke::POLICY)
        .add(api_keys::rotate::rotate_key, api_keys::rotate::POLICY)
        .add(
            providers::notifications::take_notification,
            providers::notifications::POLICY,
        )
        .add(providers::list::list_providers, providers::list::POLICY)
        .add(providers::pause::pause_provider, providers::pause::POLICY)
        .add(providers::resume::resume_provider, providers::resume::POLICY)
        .add(recipients::list::list_recipients, recipients::list::POLICY)
        .add(recipients::create::create_recipient, recipients::create::POLICY)
        .add(recipients::get::get_recipient, recipients::get::POLICY)
        .add(recipients::edit::change_recipient, recipients::edit::POLICY)
        .add(
            recipients::archive::archive_recipient,
            recipients::archive::POLICY,
        )
        .add(stats::get::get_stats, stats::get::POLICY);
    let routes = add_webhooks(routes);
    let routes = if optional_routes.docs {
        routes.add(schema::get_schema, schema::POLICY)
    } else {
        routes
    };
    let routes = add_health(routes)
        .add(index::get_index, index::POLICY)
        .add(index::get_root, index::ROOT);
    if optional_routes.metrics {
        routes.add(ops::metrics::get_metrics, ops::metrics::POLICY)
    } else {
        routes
    }
}

fn add_webhooks(routes: routes::Routes) -> routes::Routes {
    use webhooks::{create, deliveries, edit, endpoint, list, repeat, rotate};

    routes
        .add(list::list_webhooks, list::POLICY)
        .add(create::create_webhook, create::POLICY)
        .add(endpoint::get_webhook, endpoint::POLICY)
        .add(edit::edit_webhook, edit::POLICY)
        .add(endpoint::delete_webhook, endpoint::POLICY)
        .add(endpoint::disable_webhook, endpoint::STEP)
        .add(endpoint::enable_webhook, endpoint::STEP)
        .add(rotate::rotate_webhook, rotate::POLICY)
        .add(repeat::test_webhook, repeat::TEST)
        .add(repeat::replay_webhook, repeat::REPLAY)
        .add(deliveries::list_deliveries, deliveries::LIST)
        .add(deliveries::get_delivery, deliveries::ONE)
        .add(repeat::redeliver, repeat::REDELIVER)
}

/// Returns the routes at the operators' own address, which are open to every client that reaches it.
fn operators_routes() -> routes::Routes {
    add_health(routes::Routes::new()).add(ops::metrics::get_metrics, ops::metrics::OPEN)
}

fn add_health(routes: routes::Routes) -> routes::Routes {
    routes
        .add(ops::health::get_live, RoutePolicy::OPERATIONAL)
        .add(ops::health::get_ready, RoutePolicy::OPERATIONAL)
}
