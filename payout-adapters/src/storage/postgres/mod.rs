//! The repository on PostgreSQL.
//!
//! - `link` owns the pools, one for what pays and one for what may be slow: it finds dead connections, bounds every
//!   wait, and repeats a read whose connection broke.
//! - `insert`, `apply`, `claim` and `settle` are the writes. Each is **one statement**, so there is no
//!   transaction that a dropped future could leave open, and a batch costs one round trip and one commit. Only what is
//!   charged to a day's limit is a `transaction` of a few: it holds the `totals` while it decides.
//! - `find`, `trail`, `list` and `payout_stats` are the reads.
//! - `keys` has the API keys. `schema` migrates; `reseal` rotates what who is paid is sealed with.
//!
//! A payout is two rows: its details, written when it is made and when a person changes it, and its state, written by
//! every claim and settlement. A change locks the state first, and may then write both.
//!
//! The clock is the server's `now()`, the start of the statement. Statements rely on READ COMMITTED: a row that another
//! transaction changes while they wait for its lock is looked at again as it is then.
//!
//! A day's totals are locked before all else and in their order, rows in the order of their ids and keys in theirs; a
//! key is waited for only by who holds rows that nobody who holds keys waits for, but for totals, which he has already.
//! So no two of these statements can deadlock.

mod admin;
mod ahead;
mod apply;
mod claim;
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

/// How a [`PostgresRepository`] uses its server.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections at the most.
    pub max_connections: u32,
    /// How long a call waits for one, also while the server is away.
    pub acquire_timeout: Duration,
    /// How long the server works on one statement.
    pub statement_timeout: Duration,
    /// How long a write waits for what another session holds. Those of our own sessions are over within one commit.
    pub lock_timeout: Duration,
    /// Connections besides, for reads that may be slow: lists, counts, audit trails, statistics.
    pub reads: ReadLimits,
    /// What the server's own lists call this process.
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
    /// Over the database of this URL. Connects when first used, so that a server which is away is no error here.
    ///
    /// Connections to another host are encrypted where the server can, those to this host only when the URL says so
    /// (`sslmode=require`).
    ///
    /// # Errors
    /// [`RepositoryError::Refused`] when the URL is none of PostgreSQL's.
    pub fn connect_lazy(url: &str, options: &PostgresOptions) -> Result<Self, RepositoryError> {
        Link::new(url, options).map(|link| Self { link })
    }

    /// Seals who is paid with the first of these keys, and opens it with any.
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
        list::count(&self.link, filter, at_most).await
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

/// Joins the state of `payout`, always by the primary key: the OFFSET keeps the planner from another plan.
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

/// A duration as the server adds it to a time.
fn interval(duration: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: as_micros(duration),
    }
}
