//! The ports: the traits through which this crate uses the outside world. Each is small, object-safe and states its
//! promises.
//!
//! - [`PayoutRepository`] stores payouts, their audit trails and the idempotency records: the only source of truth.
//! - [`EventFeed`] reads the public events of all payouts, in one order.
//! - [`ReconciliationReader`] reads the store for reconciliation with the provider's ledger, deleted payouts included.
//! - [`BatchRepository`] stores batches beside their payouts.
//! - [`PayoutImport`] imports payouts of another service; [`PayoutExport`] exports those of a list.
//! - [`StatsRepository`] counts payouts for statistics.
//! - [`JobQueue`] carries hints. Losing one costs latency, and repeating one costs nothing.
//! - [`Processor`] moves the money.
//! - [`RecheckRepository`] stores when completed payments are checked for a return.
//! - [`ProviderRepository`] stores which providers an operator has paused, and counts the calls to them.
//! - [`RecipientRepository`] stores recipients for further payouts.
//! - [`ApiKeyRepository`] stores API keys, of which it has only digests; [`SecretSource`] draws their secrets.
//! - [`ConsoleSessionRepository`] stores the sessions of people who signed in to the console.
//! - [`BulkActionRepository`] stores bulk actions and their outcomes, and leases them to workers.
//! - [`WebhookRepository`] stores the endpoints of webhooks and their deliveries, [`WebhookQueue`] leases them to
//!   workers, and [`WebhookSender`] posts deliveries.
//! - [`Clock`] and [`Randomness`] provide time and random numbers.
//! - [`Observer`] receives signals, for metrics; [`Tracer`] traces requests across processes.
//!
//! With the feature `mocks` each port has a mockall mock (`MockProcessor` …). With `contract`, the module `contract`
//! has the cases that every adapter must pass and, for each port, a macro that runs them. The folder `docs` of the
//! source describes how to write a processor, a queue and a repository, with a complete example of each.

mod api_keys;
mod batches;
mod bulk;
mod console_sessions;
mod deleted;
mod environment;
mod event_feed;
mod export;
mod import;
mod observer;
mod payout_stats;
mod processor;
mod providers;
mod queue;
mod rechecks;
mod recipients;
mod reconciliation;
mod repository;
mod stats;
mod tracer;
mod trail;
mod webhook_queue;
mod webhook_sender;
mod webhooks;

pub use api_keys::{
    ApiKeyError, ApiKeyRepository, KeySetVersion, LISTED_KEYS_MAX, LIVE_KEYS_MAX, NoSecret, SecretSource,
};
pub use batches::{
    BatchInsertion, BatchRepository, BatchRows, BatchRowsSender, ListedMember, MemberRetry, MembersQuery,
};
pub use bulk::{BulkActionRepository, BulkLease, BulkOutcomeQuery, BulkPage, HeldBulkAction};
pub use console_sessions::ConsoleSessionRepository;
pub use deleted::{Deleted, DeletedPayout};
pub use environment::{Clock, Environment, Randomness, System};
pub use event_feed::{EventFeed, FeedPage, FeedQuery};
pub use export::{ExportQuery, ExportedRows, PayoutExport};
pub use import::{Imported, PayoutImport};
pub use observer::{Batch, NoObserver, Observer, PaceState, Signal};
pub use payout_stats::{PayoutStats, StatusCount};
pub use processor::Processor;
pub use providers::{DueProvider, PausedProvider, ProviderRepository};
pub use queue::{Delivery, Hint, JobQueue, QueueError, Receipt};
pub use rechecks::RecheckRepository;
pub use recipients::{
    Archived, ListedRecipient, RecipientPlace, RecipientQuery, RecipientRepository, RecipientRepositoryError,
};
pub use reconciliation::{ReconciliationQuery, ReconciliationReader, Record};
pub use repository::{
    ClaimRequest, Claims, Count, Cursor, Filter, Insertion, ListQuery, Listed, LockedPart, Order,
    PayoutRepository, Position, RepositoryError, Search, Settled,
};
pub use stats::StatsRepository;
pub use tracer::{InvalidTraceContext, NoTracer, Span, SpanKind, Telemetry, TraceContext, Tracer};
pub use trail::{EventPage, EventPlace, EventQuery};
pub use webhook_queue::{
    AttemptBatch, DeliveryPage, EndpointLease, HeldEndpoint, KEEP_DELIVERED, KEEP_FAILED, PageSource,
    SettledAttempt, WebhookQueue,
};
pub use webhook_sender::{ForbiddenUrl, WEBHOOK_TIMEOUT, WebhookRequest, WebhookSender};
pub use webhooks::{
    DeliveryQuery, WAITING_DELIVERIES_MAX, WEBHOOKS_MAX, WatchedEndpoint, WebhookError, WebhookRepository,
};

#[cfg(any(test, feature = "mocks"))]
pub use self::{
    api_keys::{MockApiKeyRepository, MockSecretSource},
    batches::MockBatchRepository,
    bulk::MockBulkActionRepository,
    console_sessions::MockConsoleSessionRepository,
    environment::MockClock,
    event_feed::MockEventFeed,
    export::{MockExportedRows, MockPayoutExport},
    import::MockPayoutImport,
    observer::MockObserver,
    processor::MockProcessor,
    providers::MockProviderRepository,
    queue::MockJobQueue,
    rechecks::MockRecheckRepository,
    recipients::MockRecipientRepository,
    reconciliation::MockReconciliationReader,
    repository::MockPayoutRepository,
    stats::MockStatsRepository,
    tracer::MockTracer,
    webhook_queue::MockWebhookQueue,
    webhook_sender::MockWebhookSender,
    webhooks::MockWebhookRepository,
};
#[cfg(any(test, feature = "mocks"))]
pub use crate::domain::randomness::MockRandomness;
