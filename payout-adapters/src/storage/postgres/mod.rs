//! The repository on PostgreSQL.
//!
//! - `link` owns the two pools, one for payments and one for reads that may be slow. It detects dead connections,
//!   bounds every wait, and repeats a read whose connection broke. `address` reads the URL, `hosts` finds the host that
//!   takes writes, `session` checks and sets up each connection, `stall` refuses writes that nothing would confirm.
//! - `insert`, `apply`, `claim` and `settle` are the writes. Each is **one statement**, so a dropped future cannot
//!   leave a transaction open, and a batch costs one round trip and one commit. Only writes that are charged to a day's
//!   limit are a `transaction` of a few statements, which holds the daily `totals` while it decides.
//! - `find`, `trail`, `feed`, `list`, `export` and `payout_stats` are the reads.
//! - `batches` stores and reads batches; `queues` knows which of them wait for claims.
//! - `bulk` has the bulk actions, their leases and their outcomes.
//! - `keys` has the API keys, and `console_sessions` the sessions of the console; `webhooks` and `webhook_queue` have the endpoints of webhooks.
//! - `schema` migrates; `reseal` re-encrypts recipients with a new key.
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
//! - The locks of accounts, under which likely duplicates are looked for, come next, in the order of their numbers.
//! - Rows are locked in the order of their ids, and idempotency keys in theirs. External ids come after all keys of a
//!   statement, in an order of their own.
//! - A statement may hold rows while it waits for a key, but only rows that no holder of keys waits for. Daily totals
//!   satisfy this rule, since a statement locks them before any key.

mod address;
mod admin;
mod ahead;
mod apply;
mod approvals;
mod batch_approvals;
mod batch_completions;
mod batch_retries;
mod batches;
mod bulk;
mod claim;
mod columns;
mod console_sessions;
mod count;
mod deleted;
mod duplicates;
mod durability;
mod export;
mod feed;
mod find;
mod first_statistics;
mod hosts;
mod import;
mod insert;
mod insert_statement;
mod keys;
mod link;
mod list;
mod payout_stats;
mod probe;
mod providers;
mod queues;
mod rechecks;
mod recipients;
mod reconciliation;
mod references;
mod reseal;
mod rules;
mod schema;
mod session;
mod settle;
mod stall;
mod stats;
mod totals;
mod trail;
mod transaction;
mod webhook_queue;
mod webhooks;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::{Recheck, Settlement};
use payout_core::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::feed::FeedPosition;
use payout_core::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use payout_core::payout::{
    Actor, Caller, Change, Evidence, ExternalId, ForeignPayout, NewPayout, Payout, PayoutId,
};
use payout_core::ports::{
    BatchInsertion, BatchRepository, BatchRows, ClaimRequest, Claims, Count, DeletedPayout, DueProvider,
    EventFeed, EventPage, EventQuery, ExportQuery, ExportedRows, FeedPage, FeedQuery, Filter, Imported,
    Insertion, ListQuery, Listed, ListedMember, MemberRetry, MembersQuery, PausedProvider, PayoutExport,
    PayoutImport, PayoutRepository, PayoutStats, ProviderRepository, RecheckRepository, ReconciliationQuery,
    ReconciliationReader, Record, RepositoryError, Settled, StatsRepository,
};
use payout_core::provider::{PaymentName, ProviderCalls, ProviderName};
use payout_core::spending::{DailyTotals, SpendingBucket};
use payout_core::stats::{Days, Grouping, StatsRow};
use sqlx::postgres::types::PgInterval;

use crate::ReadLimits;
use crate::encryption::EncryptionKeys;
use crate::storage::sql::stored::as_micros;
use link::Link;

pub(crate) use address::connect_options;
pub use address::{AddressError, PostgresAddress};

/// The pooler between this service and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    /// None, or one that gives each connection a session of its own, as PgBouncer's session mode does.
    #[default]
    Session,
    /// One that gives each transaction a session, as PgBouncer's transaction mode does. Every statement is then a
    /// transaction with settings of its own, and no statement has a name.
    Transaction,
}

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
    /// The pooler between this service and the server.
    pub pooler: Pooler,
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
            pooler: Pooler::default(),
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
    /// (`sslmode=require`). Of several hosts, the one that takes writes is used.
    ///
    /// # Errors
    /// [`RepositoryError::Refused`] when the URL is not a valid PostgreSQL URL; its source is an [`AddressError`].
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
impl BatchRepository for PostgresRepository {
    async fn store_batch(
        &self,
        batch: &NewBatch,
        rows: BatchRows,
    ) -> Result<BatchInsertion, RepositoryError> {
        batches::store(&self.link, batch, rows).await
    }

    async fn find_batch(&self, id: BatchId) -> Result<Option<Batch>, RepositoryError> {
        batches::find(&self.link, id).await
    }

    async fn find_same_batch<'a>(
        &self,
        external_id: Option<&'a ExternalId>,
        content: &ContentHash,
    ) -> Result<Option<Batch>, RepositoryError> {
        batches::find_same(&self.link, external_id, content).await
    }

    async fn list_batches(&self, before: Option<BatchId>, limit: u32) -> Result<Vec<Batch>, RepositoryError> {
        batches::list(&self.link, before, limit).await
    }

    async fn batch_totals(&self, batch: &Batch) -> Result<Vec<BatchTotal>, RepositoryError> {
        batches::sum(&self.link, batch).await
    }

    async fn batch_members(
        &self,
        batch: &Batch,
        query: &MembersQuery,
    ) -> Result<Vec<ListedMember>, RepositoryError> {
        batches::members(&self.link, batch, query).await
    }

    async fn taken_external_ids(
        &self,
        ids: &[ExternalId],
    ) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
        batches::taken_external_ids(&self.link, ids).await
    }

    async fn cancel_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        batches::cancel(&self.link, batch, caller, limit).await
    }

    async fn batch_approvals(
        &self,
        batch: &Batch,
        caller: &Caller,
    ) -> Result<BatchApprovals, RepositoryError> {
        batch_approvals::count(&self.link, batch, caller).await
    }

    async fn approve_members(
        &self,
        batch: &Batch,
        approvals: &[Change],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        batch_approvals::approve(&self.link, batch, approvals).await
    }

    async fn retry_members(
        &self,
        batch: &Batch,
        retries: &[Change],
    ) -> Result<Vec<MemberRetry>, RepositoryError> {
        batch_retries::retry(&self.link, batch, retries).await
    }

    async fn reject_members(
        &self,
        batch: &Batch,
        caller: &Caller,
        limit: u32,
    ) -> Result<u64, RepositoryError> {
        batches::reject(&self.link, batch, caller, limit).await
    }

    async fn likely_duplicates(
        &self,
        payouts: &[NewPayout],
    ) -> Result<HashMap<PayoutId, PayoutId>, RepositoryError> {
        duplicates::find(&self.link, payouts).await
    }

    async fn daily_totals(&self, buckets: &[SpendingBucket]) -> Result<DailyTotals, RepositoryError> {
        totals::read(&self.link, buckets).await
    }

    async fn complete_batches(&self, worker: &Actor, limit: u32) -> Result<u64, RepositoryError> {
        batch_completions::complete(&self.link, worker, limit).await
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
impl EventFeed for PostgresRepository {
    async fn after(&self, query: &FeedQuery) -> Result<FeedPage, RepositoryError> {
        feed::after(&self.link, query).await
    }

    async fn end(&self) -> Result<FeedPosition, RepositoryError> {
        feed::end(&self.link).await
    }

    async fn delay(&self) -> Result<Duration, RepositoryError> {
        feed::delay(&self.link).await
    }
}

#[async_trait]
impl RecheckRepository for PostgresRepository {
    async fn claim_rechecks(
        &self,
        provider: Option<ProviderName>,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Payout>, RepositoryError> {
        rechecks::claim(&self.link, provider, limit, lease).await
    }

    async fn settle_rechecks(&self, batch: &[Recheck], worker: &Actor) -> Result<Vec<bool>, RepositoryError> {
        rechecks::settle(&self.link, batch, worker).await
    }

    async fn hint_payments(
        &self,
        provider: Option<ProviderName>,
        payments: &[PaymentName],
    ) -> Result<Vec<PayoutId>, RepositoryError> {
        rechecks::hint(&self.link, provider, payments).await
    }
}

#[async_trait]
impl ProviderRepository for PostgresRepository {
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        providers::paused(&self.link).await
    }

    async fn pause_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        providers::pause(&self.link, name, caller).await
    }

    async fn resume_provider(&self, name: &ProviderName, caller: &Caller) -> Result<(), RepositoryError> {
        providers::resume(&self.link, name, caller).await
    }

    async fn count_workers(&self, worker: &Actor, within: Duration) -> Result<u32, RepositoryError> {
        providers::count_workers(&self.link, worker, within).await
    }

    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError> {
        providers::due(&self.link).await
    }

    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
        providers::add_calls(&self.link, calls).await
    }

    async fn count_calls(&self, within: Duration) -> Result<Vec<ProviderCalls>, RepositoryError> {
        providers::count_calls(&self.link, within).await
    }
}

#[async_trait]
impl PayoutExport for PostgresRepository {
    async fn export(&self, query: &ExportQuery) -> Result<Box<dyn ExportedRows>, RepositoryError> {
        export::export(&self.link, query).await
    }
}

#[async_trait]
impl StatsRepository for PostgresRepository {
    async fn stats(&self, days: Days, by: Option<Grouping>) -> Result<Vec<StatsRow>, RepositoryError> {
        stats::stats(&self.link, days, by).await
    }

    async fn fold_stats(&self, limit: u32) -> Result<u64, RepositoryError> {
        stats::fold(&self.link, limit).await
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

    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError> {
        references::find(&self.link, reference, limit).await
    }

    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
        deleted::find(&self.link, id).await
    }

    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError> {
        apply::record_evidence(&self.link, id, evidence, caller).await
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
