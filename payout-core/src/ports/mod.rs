//! The ports: the traits through which this crate uses the outside world. Each is small, object-safe and states its
//! promises.
//!
//! - [`PayoutRepository`] stores payouts, their audit trails and the idempotency records: the only source of truth.
//! - [`Books`] reads the store for reconciliation with the provider's ledger, deleted payouts included.
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

mod ambient;
mod books;
mod census;
mod deleted;
mod import;
mod keys;
mod observer;
mod processor;
mod queue;
mod repository;
mod tracer;
mod trail;

pub use ambient::{Ambient, Clock, Randomness, System};
pub use books::{Books, BooksQuery, Record};
pub use census::{Census, Tally};
pub use deleted::{Deleted, DeletedPayout};
pub use import::{Imported, PayoutImport};
pub use keys::{
    ApiKeyError, ApiKeyRepository, LISTED_KEYS_MAX, LIVE_KEYS_MAX, NoSecret, Pulse, SecretSource,
};
pub use observer::{Batch, NoObserver, Observer, PaceState, Signal};
pub use processor::Processor;
pub use queue::{Delivery, Hint, JobQueue, QueueError, Receipt};
pub use repository::{
    ClaimRequest, Claims, Count, Cursor, Filter, Insertion, ListQuery, Listed, LockedPart, Order,
    PayoutRepository, Position, RepositoryError, Search, Settled,
};

pub use tracer::{InvalidTraceContext, NoTracer, Span, SpanKind, TraceContext, Tracer, Watch};
pub use trail::{EventPage, EventPlace, EventQuery};

#[cfg(any(test, feature = "mocks"))]
pub use self::{
    ambient::MockClock,
    books::MockBooks,
    import::MockPayoutImport,
    keys::{MockApiKeyRepository, MockSecretSource},
    observer::MockObserver,
    processor::MockProcessor,
    queue::MockJobQueue,
    repository::MockPayoutRepository,
    tracer::MockTracer,
};
#[cfg(any(test, feature = "mocks"))]
pub use crate::domain::randomness::MockRandomness;
