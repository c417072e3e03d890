//! The whole HTTP side over the in-memory repository, or over mocks where a store must fail.
//!
//! Every answer that any of these tests sees is looked up in the OpenAPI document: its status must be documented.

mod access;
mod approvals;
mod batch_approvals;
mod batch_requests;
mod batch_rows;
mod batches;
mod browser;
mod bulk;
mod document;
mod errors;
mod events;
mod exports;
mod fields;
mod index;
mod limits;
mod pages;
mod payouts;
mod policies;
mod providers;
mod query;
mod recipients;
mod stats;
mod steps;
mod stored_recipients;
mod webhooks;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::executor::block_on;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::{
    MemoryApiKeys, MemoryBulkActions, MemoryConsoleSessions, MemoryRepository, MemoryWebhooks,
};
use payout_core::access::{KeyName, Scope, Scopes, Token};
use payout_core::attempt::{Claim, Verdict};
use payout_core::payout::{Actor, PayoutId};
use payout_core::ports::{BatchRepository, ClaimRequest, Clock, NoTracer, PayoutRepository, System};
use payout_core::usecase::api_keys::ApiKeys;
use payout_core::usecase::batches::Batches;
use payout_core::usecase::bulk::BulkActions;
use payout_core::usecase::console_sessions::ConsoleSessions;
use payout_core::usecase::feed::Feed;
use payout_core::usecase::providers::{KnownProvider, ProviderWatch, Providers, WatchedProvider};
use payout_core::usecase::recipients::Recipients;
use payout_core::usecase::stats::{CountedList, PayoutStatistics};
use payout_core::usecase::webhooks::Webhooks;
use payout_core::usecase::{ListPages, Payouts};
use salvo::http::{HeaderMap, Method};
use salvo::test::{RequestBuilder, ResponseExt};
use salvo::{Router, Service, handler};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::middleware::edge;
use super::policy::RateClass;
use super::{AppState, Authenticator, OpenTo, SharedState};
use crate::health::Health;
use crate::http::admission::Limits;
use crate::metrics::Metrics;
use crate::settings::Config;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(super::document()).unwrap());

/// The service under test.
struct Bench {
    service: Service,
    repository: Arc<dyn PayoutRepository>,
    bulk_actions: Arc<MemoryBulkActions>,
    app_state: SharedState,
}

/// The service's answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Bench {
    /// Builds a service over memory.
    fn new() -> Self {
        Self::over_memory(Arc::new(MemoryRepository::new(Arc::new(System::default()))))
    }

    /// Builds a service over a store that has batches and the feed too.
    fn over_memory(memory: Arc<MemoryRepository>) -> Self {
        let feed = Feed::start(memory.clone(), CancellationToken::new());
        Self::assembled(memory.clone(), Some(memory), &[], providers::none(), Some(feed)).opened()
    }

    /// Builds a service over any repository.
    fn over(repository: Arc<dyn PayoutRepository>) -> Self {
        Self::closed(repository).opened()
    }

    fn opened(self) -> Self {
        // Over memory this never waits.
        block_on(self.app_state.authenticator.keyring.refresh()).unwrap();
        self.app_state.health.open();
        self
    }

    /// Builds a service whose database is not ready.
    fn closed(repository: Arc<dyn PayoutRepository>) -> Self {
        Self::limited(repository, &[])
    }

    /// Builds a service with limits, whose database is not ready.
    fn limited(repository: Arc<dyn PayoutRepository>, settings: &[&str]) -> Self {
        Self::built(repository, settings, providers::none())
    }

    /// Builds a service with these providers, over memory.
    fn with_providers(repository: Arc<dyn PayoutRepository>, providers: Providers) -> Self {
        Self::built(repository, &[], providers).opened()
    }

    fn built(repository: Arc<dyn PayoutRepository>, settings: &[&str], providers: Providers) -> Self {
        Self::assembled(repository, None, settings, providers, None)
    }

    fn assembled(
        repository: Arc<dyn PayoutRepository>,
        batches: Option<Arc<dyn BatchRepository>>,
        settings: &[&str],
        providers: Providers,
        feed: Option<Feed>,
    ) -> Self {
        let Config {
            limits,
            api,
            approvals,
            money_limits,
            ..
        } = config(settings);
        let system = Arc::new(System::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        let health = Arc::new(Health::new("memory", "memory", metrics.clone()));
        let payouts = Payouts::start(repository.clone(), Arc::new(MemoryQueue::new(10)), system.clone())
            .approved_by(approvals)
            .within(money_limits);
        let recipients = Arc::new(MemoryRepository::new(system.clone()));
        let secrets = Arc::new(crate::os_secrets::OsSecrets);
        let keys = ApiKeys::new(
            Arc::new(MemoryApiKeys::new(system.clone())),
            None,
            secrets,
            system.clone(),
        );
        let keyring = Arc::new(keys.keyring());
        let clock: Arc<dyn Clock> = system.clone();
        let states = Arc::new(MemoryRepository::new(system.clone()));
        let watched = |known: &KnownProvider| {
            WatchedProvider::new(Some(known.name.clone()), known.kind, known.processor.clone())
        };
        let provider_watch =
            ProviderWatch::new(providers.known().iter().map(watched), states, system.clone());
        let webhooks = webhooks(&system);
        let bulk_actions = Arc::new(MemoryBulkActions::new(system.clone()));
        let app_state = AppState {
            limits: Arc::new(Limits::new(limits, &clock)),
            batches: batches.map(|batches| Batches::new(batches, recipients.clone(), payouts.clone())),
            bulk: BulkActions::new(bulk_actions.clone(), payouts.clone(), super::read_bulk_filter),
            payouts,
            keys,
            providers,
            provider_watch,
            recipients: Recipients::new(recipients, system.clone()),
            stats: PayoutStatistics::new(Arc::new(CountedList::new(Arc::new(ListPages::new(
                repository.clone(),
            ))))),
            feed,
            webhooks: Some(webhooks),
            sessions: ConsoleSessions::new(
                Arc::new(MemoryConsoleSessions::new(system.clone())),
                keyring.clone(),
                Arc::new(crate::os_secrets::OsSecrets),
            ),
            authenticator: Authenticator::new(keyring, OpenTo::Anyone),
            health,
            metrics,
            system,
            tracer: Arc::new(NoTracer),
            require_idempotency_key: api.require_idempotency_key,
            optional_routes: super::OptionalRoutes::ALL,
        }
        .shared();
        let routes = super::routes(super::OptionalRoutes::ALL);
        let unmetered = routes.paths_of(RateClass::Unmetered);
        let router = super::static_files::add(super::console::add(routes.finish().0))
            .push(Router::with_path("panic").get(panicking));
        let service = Service::new(router).hoop(edge::RequestScope::new(app_state.clone(), unmetered));
        Self {
            service,
            repository,
            bulk_actions,
            app_state,
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = RequestBuilder::new(format!("http://payouts.test{path}"), method.clone());
        for (name, value) in headers {
            request = request.add_header(
                name.parse::<salvo::http::HeaderName>().unwrap(),
                (*value).to_owned(),
                false,
            );
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        let mut response = request.send(&self.service).await;
        let is_stream = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind == "text/event-stream");
        let reply = Reply {
            status: response.status_code.unwrap().as_u16(),
            headers: response.headers().clone(),
            // A stream has no end.
            text: if is_stream {
                String::new()
            } else {
                response.take_string().await.unwrap_or_default()
            },
        };
        document::is_documented(&method, path, &reply);
        assert!(reply.headers.contains_key("x-request-id"));
        reply
    }

    /// Makes a key with these scopes, which is known at once.
    async fn key(&self, name: &str, scopes: impl IntoIterator<Item = Scope>) -> Token {
        let name = KeyName::new(name).unwrap();
        let scopes = scopes.into_iter().collect::<Scopes>();
        let (_, token) = self
            .app_state
            .keys
            .create(name, scopes, None, None, None)
            .await
            .unwrap();
        self.app_state.authenticator.keyring.refresh().await.unwrap();
        token
    }

    async fn ask_with(&self, token: &Token, method: Method, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", token.expose());
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        self.send(method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await
    }

    /// Sends a request with a JSON body.
    async fn write(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, &body.to_string()).await
    }

    /// Creates a payout, and returns the answer and its path.
    async fn create(&self) -> (Reply, String) {
        let reply = self
            .write(Method::POST, "/api/payouts/", &[], &new_payout())
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let path = reply.header("location").to_owned();
        (reply, path)
    }

    /// Claims due payouts, as a worker would.
    async fn claim(&self) -> Vec<Claim> {
        let request = ClaimRequest {
            only: None,
            provider: None,
            unsent_only: false,
            limit: 100,
            lease: Duration::from_secs(15),
            calls_end_after: Duration::from_secs(20),
            worker: Actor::new("test"),
        };
        self.repository.claim(&request).await.unwrap().won
    }

    /// Settles every due payout with this verdict.
    async fn settle(&self, verdict: Verdict) {
        let claims = self.claim().await;
        let settlements: Vec<_> = claims
            .into_iter()
            .map(|claim| claim.settle(verdict.clone()))
            .collect();
        self.repository.settle(&settlements).await.unwrap();
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .to_str()
            .unwrap()
    }

    /// Checks for a whole problem of this status and kind, and returns it.
    #[track_caller]
    fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:payout:problem:{kind}"), "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        for name in ["title", "detail", "instance"] {
            assert!(
                body[name].as_str().is_some_and(|text| !text.is_empty()),
                "{name} in {body}"
            );
        }
        body
    }
}

/// Builds the use cases of webhooks over memory; one network is allowed.
fn webhooks(system: &Arc<System>) -> Webhooks {
    let networks = "10.20.0.0/16".parse().unwrap();
    let payouts = Arc::new(MemoryRepository::new(system.clone()));
    Webhooks::new(
        Arc::new(MemoryWebhooks::new(system.clone(), payouts.clone())),
        payouts,
        Arc::new(payout_adapters::webhook::HttpWebhookSender::new(&networks).unwrap()),
        Arc::new(crate::os_secrets::OsSecrets),
        system.clone(),
    )
}

/// Returns the configuration with these options.
fn config(settings: &[&str]) -> Config {
    let arguments = ["payout", "--database-url=memory:"]
        .into_iter()
        .chain(settings.iter().copied());
    Config::from_args(arguments, &System::default()).unwrap()
}

fn new_payout() -> Value {
    json!({
        "amount": "125.50",
        "currency": "eur",
        "recipient_account": "DE89370400440532013000",
        "recipient_name": "Ada Lovelace",
        "description": "Invoice 2026-117",
    })
}

fn id_of(path: &str) -> PayoutId {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[handler]
async fn panicking() {
    panic!("on purpose");
}
