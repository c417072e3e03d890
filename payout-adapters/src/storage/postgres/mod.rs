//! The repository on PostgreSQL.
//!
//! - `link` owns the two pools, one for payments and one for reads that may be slow. It detects dead connections,
//!   bounds every wait, and repeats a read whose connection broke.
//! - `insert`, `apply`, `claim` and `settle` are the writes. Each is **one statement**, so a dropped future cannot
//!   leave a transaction open, and a batch costs one round trip and one commit. Only writes that are charged to a day's
//!   limit are a `transaction` of a few statements, which holds the daily `totals` while it decides.
//! - `find`, `trail`, `list` and `payout_stats` are the reads.
//! - `keys` has the API keys. `schema` migrates; `reseal` re-encrypts recipients with a new key.
//!
//! A payout is two rows. Its details are written when it is created and when a client or an operator changes it. Its
//! state is written by every claim and settlement. A change locks the state first, and may then write both.
//!
//! The clock is the server's `now()`, the start of the statement. Statements rely on READ COMMITTED: when a row was
//! changed by another transaction while a statement waited for its lock, the statement evaluates the changed row.
//!
//! The order of locks excludes deadlocks between these statements:
//!
//! - Daily totals come first, in the order of their keys.
//! - Rows are locked in the order of their ids, and idempotency keys in theirs.
//! - A statement may hold rows while it waits for a key, but only rows that no holder of keys waits for. Daily totals
//!   satisfy this rule, since a statement locks them before any key.

mod admin;
mod ahead;
mod apply;
mod claim;
mod count;
mod deleted;
mod durability;
mod find;
mod import;
mod insert;
mod keys;
mod link;
mod list;
mod payout_stats;
mod probe;
mod reconciliation;
mod reseal;
mod schema;
mod settle;
mod totals;
mod trail;
mod transaction;

use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::Settlement;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{Actor, Caller, Change, ForeignPayout, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    ClaimRequest, Claims, Count, DeletedPayout, EventPage, EventQuery, Filter, Imported, Insertion,
    ListQuery, Listed, PayoutImport, PayoutRepository, PayoutStats, ReconciliationQuery,
    ReconciliationReader, Record, RepositoryError, Settled,
};
use sqlx::postgres::types::PgInterval;

use crate::ReadLimits;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::stored::as_micros;
use link::Link;

/// Configuration of a [`PostgresRepository`].
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The maximum number of connections.
    pub max_connections: u32,
    /// The maximum time that a call waits for a connection, also while the server is down.
    pub acquire_timeout: Duration,
    /// The maximum time that the server works on one statement.
    pub statement_timeout: Duration,
    /// The maximum time that a write waits for a lock of another session. The service's own sessions release theirs
    /// within one commit.
    pub lock_timeout: Duration,
    /// Additional connections for reads that may be slow: lists, counts, audit trails, statistics.
    pub reads: ReadLimits,
    /// The name of this process in the server's session lists.
    pub application_name: String,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_millis(500),
            reads: ReadLimits::default(),
            application_name: "payout".to_owned(),
        }
    }
}

/// [`PayoutRepository`] on PostgreSQL, 15 or later.
///
/// A clone shares the connections.
#[derive(Debug, Clone)]
pub struct PostgresRepository {
    link: Link,
}

impl PostgresRepository {
    /// Creates a repository for the database of this URL. It connects on first use, so a server that is down is no
    /// error here.
    ///
    /// Connections to another host are encrypted where the server can, those to this host only when the URL says so
    /// (`sslmode=require`).
    ///
    /// # Errors
    /// [`RepositoryError::Refused`] when the URL is not a valid PostgreSQL URL.
    pub fn connect_lazy(url: &str, options: &PostgresOptions) -> Result<Self, RepositoryError> {
        Link::new(url, options).map(|link| Self { link })
    }

    /// Encrypts recipients with the first of these keys, and decrypts them with any.
    #[must_use]
    pub fn sealing_with(mut self, keyring: EncryptionKeys) -> Self {
        self.link.keyring = keyring;
        self
    }
}

#[async_trait]
impl PayoutImport for PostgresRepository {
    async fn import(&self, batch: &[ForeignPayout]) -> Result<Vec<Imported>, RepositoryError> {
        import::import(&self.link, self.now().await?, batch).await
    }
}

#[async_trait]
impl ReconciliationReader for PostgresRepository {
    async fn records(&self, query: &ReconciliationQuery) -> Result<Vec<Record>, RepositoryError> {
        reconciliation::records(&self.link, query).await
    }

    async fn presume_claimed(&self, limit: u32, by: &Actor) -> Result<u64, RepositoryError> {
        reconciliation::presume_claimed(&self.link, limit, by).await
    }
}

#[async_trait]
impl PayoutRepository for PostgresRepository {
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        insert::insert(&self.link, batch).await
    }

    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError> {
        apply::apply(&self.link, change, request).await
    }

    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError> {
        find::payout(&self.link, id).await
    }

    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError> {
        find::payouts(&self.link, ids).await
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        deleted::find(&self.link, id).await
    }

    async fn record_refusal(&self, id: PayoutId, caller: &Caller) -> Result<(), RepositoryError> {
        apply::record_refusal(&self.link, id, caller).await
    }

    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError> {
        find::answer(&self.link, key).await
    }

    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError> {
        trail::events(&self.link, id, query).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
        list::list(&self.link, query).await
    }

    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError> {
        count::count(&self.link, filter, at_most).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
        claim::claim(&self.link, request).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        settle::settle(&self.link, batch).await
    }

    async fn count_ahead(&self, at_most: u32) -> Result<u64, RepositoryError> {
        ahead::count(&self.link, at_most).await
    }

    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        ahead::bring_back(&self.link, limit).await
    }

    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError> {
        apply::forget_answers(&self.link, age, limit).await
    }

    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError> {
        payout_stats::payout_stats(&self.link).await
    }

    async fn now(&self) -> Result<Timestamp, RepositoryError> {
        find::now(&self.link).await
    }

    async fn probe(&self) -> Result<(), RepositoryError> {
        probe::probe(&self.link).await
    }
}

/// Joins the state of `payout`, always by the primary key: the OFFSET prevents any other plan.
macro_rules! state_of_payout {
    () => {
        "CROSS JOIN LATERAL (SELECT * FROM payout_states WHERE payout_states.id = payout.id OFFSET 0) AS state"
    };
}
use state_of_payout;

/// Joins the details of `state` in the same way.
macro_rules! payout_of_state {
    () => {
        "CROSS JOIN LATERAL (SELECT * FROM payout_details WHERE payout_details.id = state.id OFFSET 0) AS payout"
    };
}
use payout_of_state;

/// Converts a duration to an interval that the server adds to a time.
fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: as_micros(duration),
    }
}
