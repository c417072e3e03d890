//! The ports: the traits through which this crate uses the outside world. Each is small, object-safe and states its
//! promises.
//!
//! - [`PayoutRepository`] stores payouts, their audit trails and the idempotency records: the only source of truth.
//! - [`ReconciliationReader`] reads the store for reconciliation with the provider's ledger, deleted payouts included.
//! - [`PayoutImport`] imports payouts of another service.
//! - [`JobQueue`] carries hints. Losing one costs latency, and repeating one costs nothing.
//! - [`Processor`] moves the money.
//! - [`ApiKeyRepository`] stores API keys, of which it has only digests; [`SecretSource`] draws their secrets.
//! - [`Clock`] and [`Randomness`] provide time and random numbers.
//! - [`Observer`] receives signals, for metrics; [`Tracer`] traces requests across processes.
//!
//! With the feature `mocks` each port has a mockall mock (`MockProcessor` …). With `contract`, the module `contract`
//! has the cases that every adapter must pass and, for each port, a macro that runs them. The folder `docs` of the
//! source describes how to write a processor, a queue and a repository, with a complete example of each.

mod api_keys;
mod deleted;
mod environment;
mod import;
mod observer;
mod payout_stats;
mod processor;
mod queue;
mod reconciliation;
mod repository;
mod tracer;
mod trail;

pub use api_keys::{
    ApiKeyError, ApiKeyRepository, KeySetVersion, LISTED_KEYS_MAX, LIVE_KEYS_MAX, NoSecret, SecretSource,
};
pub use deleted::{Deleted, DeletedPayout};
pub use environment::{Clock, Environment, Randomness, System};
pub use import::{Imported, PayoutImport};
pub use observer::{Batch, NoObserver, Observer, PaceState, Signal};
pub use payout_stats::{PayoutStats, StatusCount};
pub use processor::Processor;
pub use queue::{Delivery, Hint, JobQueue, QueueError, Receipt};
pub use reconciliation::{ReconciliationQuery, ReconciliationReader, Record};
pub use repository::{
    ClaimRequest, Claims, Count, Cursor, Filter, Insertion, ListQuery, Listed, LockedPart, Order,
    PayoutRepository, Position, RepositoryError, Search, Settled,
};

pub use tracer::{InvalidTraceContext, NoTracer, Span, SpanKind, Telemetry, TraceContext, Tracer};
pub use trail::{EventPage, EventPlace, EventQuery};

#[cfg(any(test, feature = "mocks"))]
pub use self::{
    api_keys::{MockApiKeyRepository, MockSecretSource},
    environment::MockClock,
    import::MockPayoutImport,
    observer::MockObserver,
    processor::MockProcessor,
    queue::MockJobQueue,
    reconciliation::MockReconciliationReader,
    repository::MockPayoutRepository,
    tracer::MockTracer,
};
#[cfg(any(test, feature = "mocks"))]
pub use crate::domain::randomness::MockRandomness;
