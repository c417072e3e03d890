//! The ports: what this crate asks of the world. Each is small, object-safe and written as a promise.
//!
//! - [`PayoutRepository`] keeps payouts, their audit trail and the idempotency records: the only truth.
//! - [`Books`] opens that truth to be held against the provider's, deleted payouts included.
//! - [`PayoutImport`] takes payouts of another service over.
//! - [`JobQueue`] carries hints. Losing one costs latency, repeating one costs nothing.
//! - [`Processor`] moves the money.
//! - [`ApiKeyRepository`] keeps API keys, of which it has only digests; [`SecretSource`] is where their secrets come from.
//! - [`Clock`] and [`Randomness`] are time and chance; [`Observer`] hears what happens, for metrics;
//!   [`Tracer`] follows it across processes.
//!
//! With the feature `mocks` each has a mockall mock (`MockProcessor` …); with `contract`, the module `contract` has the cases
//! that every adapter must pass, and a macro for each port that runs them. The folder `docs` of the source has a page on how to
//! write a processor, a queue and a repository, each with a whole example.

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
