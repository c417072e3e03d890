//! The connection pools: their configuration, failures and recovery.
//!
//! A ping before each use would cost 15 % of the throughput. So a connection is tested only for a reason: it was idle
//! for a while, or it is older than the last time that a connection broke (a restart of the server breaks them all).
//!
//! A read whose connection broke is repeated once. A write is not: it may have been committed.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use payout_core::ports::{Clock, RepositoryError, System};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow};

use super::address::PostgresAddress;
use super::first_statistics::FirstStatistics;
use super::hosts::{Hosts, Watch};
use super::queues::BatchQueues;
use super::session::{LastRefusal, SessionSettings, Unfit, not_repeated};
use super::stall::Stall;
use super::{Pooler, PostgresOptions};
use crate::encryption::EncryptionKeys;
use crate::storage::reads::{Cost, Gate, TooMuch};
use crate::storage::sql::error::{
    SqlError, breaks_connection, deadline_passed, is_canceled, is_deadline, refused, repository_error,
    write_error,
};
use crate::storage::sql::writes::RecentWrites;

/// A statement with its arguments, ready to run.
pub(super) type Statement<'q, Row> = QueryAs<'q, Postgres, Row, PgArguments>;

/// Idle time after which a connection is pinged before it is used.
const DOUBTED_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Extra time for the server's own timeout to end a statement; after it, the client gives up on a server that does not
/// respond.
const PATIENCE_PAST_STATEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The wait for a connection after which the current host is in doubt.
const DOUBTED_AFTER_WAIT: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Link {
    pool: Lane,
    /// The pool for reads that may be slow, so that no other statement waits for them.
    pub(super) costly: Lane,
    pub(super) gate: Gate,
    trouble: Arc<BrokenConnections>,
    pub(super) hosts: Arc<Hosts>,
    /// Keeps the task that looks for another host.
    _watch: Option<Arc<Watch>>,
    /// The commits that nothing confirms.
    pub(super) stall: Arc<Stall>,
    /// The outcome of the last writes.
    pub(super) writes: Arc<RecentWrites>,
    /// The state of the look at the tables' statistics.
    pub(super) first_statistics: Arc<FirstStatistics>,
    /// The number of inserts of single payouts so far.
    pub(super) single_inserts: Arc<AtomicU64>,
    /// The queues of batches.
    pub(super) queues: Arc<BatchQueues>,
    /// The keys that recipients are encrypted with.
    pub(super) keyring: EncryptionKeys,
    deadline: Duration,
    /// Set if each statement is a transaction of its own, with settings of its own, on an unnamed statement.
    pooled: bool,
}

/// A pool, and the text that begins a transaction on one of its connections.
#[derive(Clone)]
pub(super) struct Lane {
    pool: PgPool,
    begin: Arc<str>,
    access: &'static str,
    settings: Arc<SessionSettings>,
}

/// The time when a connection last broke, and the reason for which the last new one was given up.
struct BrokenConnections {
    clock: System,
    /// Microseconds of the monotonic clock; 0 for never.
    at: AtomicU64,
    refused: LastRefusal,
    /// The time for which a refusal explains that there is no connection.
    patience: Duration,
}

impl BrokenConnections {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }

    fn note(&self) {
        self.at.store(self.now().max(1), Ordering::Relaxed);
    }

    /// Returns whether a connection of this age was open when the last one broke.
    fn touches(&self, age: Duration) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at > 0 && age.as_micros() >= u128::from(self.now().saturating_sub(at))
    }
}

impl Link {
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, RepositoryError> {
        let address = PostgresAddress::parse(url).map_err(refused)?;
        let pooled = match options.pooler {
            Pooler::Session => false,
            Pooler::Transaction => true,
        };
        let connects = address.options().map_err(refused)?.into_iter().map(|connect| {
            let connect = connect
                .application_name(&options.application_name)
                // No pooler knows it, and all values are read in their binary form.
                .extra_float_digits(None)
                .disable_statement_logging();
            if pooled {
                connect.statement_cache_capacity(0)
            } else {
                connect
            }
        });
        let connects: Vec<_> = connects.collect();
        let Some(first) = connects.first().cloned() else {
            return Err(refused(SqlError::Driver(sqlx::Error::PoolClosed)));
        };
        let hosts = Arc::new(Hosts::new(connects, address.names(), address.target(), pooled));
        let statement_timeout = format!("{}ms", options.statement_timeout.as_millis());
        let lock_timeout = format!("{}ms", options.lock_timeout.as_millis().max(1));
        let limited = SessionSettings::new([
            ("statement_timeout", statement_timeout.as_str()),
            ("idle_in_transaction_session_timeout", statement_timeout.as_str()),
            ("lock_timeout", lock_timeout.as_str()),
            ("default_transaction_isolation", "read committed"),
            // Compiling takes longer than any of these statements.
            ("jit", "off"),
            // The data is in memory or on an SSD. The default is made for rotating disks: with it, the planner reads a
            // table whole rather than along an index if the statistics are from a time when the table was small.
            ("random_page_cost", "1.1"),
        ]);
        let trouble = Arc::new(BrokenConnections {
            clock: System::default(),
            at: AtomicU64::new(0),
            refused: LastRefusal::default(),
            patience: options.acquire_timeout,
        });
        let read_timeout = format!("{}ms", options.reads.timeout.as_millis().max(1));
        let reading = limited.with([
            ("statement_timeout", read_timeout.as_str()),
            ("default_transaction_read_only", "on"),
            // One read uses one core, however much data it reads.
            ("max_parallel_workers_per_gather", "0"),
        ]);
        let lane = |connections, settings: SessionSettings, access| {
            let settings = Arc::new(settings);
            let pool = pool(connections, options, &trouble, &hosts, settings.clone());
            Lane {
                pool: pool.connect_lazy_with(first.clone()),
                begin: settings
                    .begin(&format!("ISOLATION LEVEL READ COMMITTED{access}"))
                    .into(),
                access,
                settings,
            }
        };
        let pool = lane(options.max_connections, limited, "");
        let costly = lane(Gate::connections(options.reads), reading, ", READ ONLY");
        let (pools, broken) = ([pool.pool.clone(), costly.pool.clone()], trouble.clone());
        let watch = hosts.clone().watch(move |connect| {
            for pool in &pools {
                pool.set_connect_options(connect.clone());
            }
            broken.note();
        });
        let deadline = options.statement_timeout + PATIENCE_PAST_STATEMENT_TIMEOUT;
        Ok(Self {
            pool,
            costly,
            gate: Gate::new(options.reads),
            trouble,
            hosts,
            _watch: watch.map(Arc::new),
            stall: Arc::default(),
            writes: Arc::default(),
            queues: Arc::default(),
            first_statistics: Arc::default(),
            single_inserts: Arc::default(),
            keyring: EncryptionKeys::default(),
            deadline,
            pooled,
        })
    }

    /// Runs a read-only statement; repeats it if its connection breaks.
    pub(super) async fn read<'q, Row>(
        &self,
        statement: impl Fn() -> Statement<'q, Row> + Send,
    ) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let first = self.run(statement()).await;
        let rows = match first {
            Err(error) if breaks_connection(&error) && !is_deadline(&error) => self.run(statement()).await,
            other => other,
        };
        rows.map_err(repository_error)
    }

    /// Runs a read-only statement that may be slow. It waits for its turn, may take no longer than the limit of a read,
    /// and is repeated if its connection breaks.
    pub(super) async fn read_costly<'q, Row>(
        &self,
        cost: Cost,
        statement: impl Fn() -> Statement<'q, Row> + Send,
    ) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let _turn = self.gate.enter(cost).await?;
        let first = self.run_in(&self.costly, statement()).await;
        let rows = match first {
            Err(error) if breaks_connection(&error) && !is_deadline(&error) => {
                self.run_in(&self.costly, statement()).await
            }
            other => other,
        };
        rows.map_err(|error| {
            if is_canceled(&error) {
                return TooMuch::TooLong(self.gate.timeout()).into();
            }
            repository_error(error)
        })
    }

    /// Runs a statement that writes, once.
    pub(super) async fn write<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.stall.check()?;
        let result = self.run(statement).await.map_err(write_error);
        match &result {
            Ok(_) => self.writes.succeeded(),
            // A lock conflict says nothing about other writes.
            Err(RepositoryError::Locked { .. }) => (),
            Err(_) => self.writes.failed(),
        }
        result
    }

    /// Runs the probe's write, which finds out whether writes are confirmed again. It proves something only if it has
    /// returned a row.
    pub(super) async fn write_probe<Row>(
        &self,
        statement: Statement<'_, Row>,
    ) -> Result<Option<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let result = self.run(statement).await.map_err(write_error);
        match &result {
            Ok(rows) if rows.is_empty() => (),
            Ok(_) => self.writes.succeeded(),
            Err(_) => self.writes.failed(),
        }
        result.map(|rows| rows.into_iter().next())
    }

    /// Runs a read-only statement of the probe, which no write in the same pool delays.
    pub(super) async fn ask<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.run_in(&self.costly, statement)
            .await
            .map_err(repository_error)
    }

    /// Marks all open connections as broken, so that none is used again.
    pub(super) fn doubt_connections(&self) {
        self.broke();
    }

    fn broke(&self) {
        self.trouble.note();
        self.hosts.doubt();
    }

    /// Returns a statement without a name, if a pooler may run the next one on another session.
    pub(super) fn of_the_pooler<'q, Row>(&self, statement: Statement<'q, Row>) -> Statement<'q, Row> {
        if self.pooled {
            statement.persistent(false)
        } else {
            statement
        }
    }

    /// Connects outside the pool, without the pool's limits.
    pub(super) async fn connect_unlimited(&self) -> Result<PgConnection, sqlx::Error> {
        self.hosts.connect().await
    }

    pub(super) fn is_pooled(&self) -> bool {
        self.pooled
    }

    async fn run<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.run_in(&self.pool, statement).await
    }

    async fn run_in<Row>(&self, lane: &Lane, statement: Statement<'_, Row>) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut in_use = self.take_from(lane).await?;
        let result = if self.pooled {
            self.run_alone(&mut in_use, lane, statement).await
        } else {
            self.run_on(&mut in_use, statement).await
        };
        let is_clean = match &result {
            Ok(_) => true,
            Err(error) if breaks_connection(error) => false,
            Err(_) => !self.pooled || self.run_text(&mut in_use, "ROLLBACK").await.is_ok(),
        };
        if is_clean {
            in_use.give_back();
        }
        result
    }

    /// Runs a statement in a transaction of its own, with settings of its own.
    async fn run_alone<Row>(
        &self,
        in_use: &mut InUse,
        lane: &Lane,
        statement: Statement<'_, Row>,
    ) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.run_text(in_use, &lane.begin).await?;
        let rows = self.run_on(in_use, statement).await?;
        self.run_text(in_use, "COMMIT").await?;
        Ok(rows)
    }

    /// Takes a connection out of the pool for several statements.
    pub(super) async fn take(&self) -> Result<InUse, sqlx::Error> {
        self.take_from(&self.pool).await
    }

    /// Takes a connection out of this pool.
    pub(super) async fn take_from(&self, lane: &Lane) -> Result<InUse, sqlx::Error> {
        let acquired = if self.hosts.are_several() {
            let mut acquiring = pin!(lane.pool.acquire());
            match tokio::time::timeout(DOUBTED_AFTER_WAIT, &mut acquiring).await {
                Ok(acquired) => acquired,
                Err(_) => {
                    self.hosts.doubt();
                    acquiring.await
                }
            }
        } else {
            lane.pool.acquire().await
        };
        match acquired {
            Ok(connection) => Ok(InUse::new(connection)),
            Err(sqlx::Error::PoolTimedOut) => Err(self
                .why_no_connection()
                .map_or(sqlx::Error::PoolTimedOut, not_repeated)),
            Err(error) => Err(error),
        }
    }

    /// Returns the reason for which new connections are given up at present, if it is known.
    pub(super) fn why_no_connection(&self) -> Option<SqlError> {
        let refused = || {
            self.trouble
                .refused
                .within(&self.trouble.clock, self.trouble.patience)
        };
        self.hosts.failure().or_else(|| refused().map(Unfit::error))
    }

    /// Begins a transaction on a connection that stays in use.
    pub(super) async fn begin(&self, in_use: &mut InUse) -> Result<(), sqlx::Error> {
        if self.pooled {
            return self.run_text(in_use, &self.pool.begin).await;
        }
        self.run_on(in_use, sqlx::query_as::<_, ()>("BEGIN"))
            .await
            .map(drop)
    }

    /// Begins a transaction that sees one moment, and whose statements may take this long.
    pub(super) async fn begin_long_read(
        &self,
        in_use: &mut InUse,
        limit: Duration,
    ) -> Result<(), sqlx::Error> {
        let limit = format!("{}ms", limit.as_millis().max(1));
        let settings = self.costly.settings.with([("statement_timeout", limit.as_str())]);
        let begin = settings.begin(&format!("ISOLATION LEVEL REPEATABLE READ{}", self.costly.access));
        self.run_text(in_use, &begin).await
    }

    /// Runs statements without arguments, in one round trip.
    async fn run_text(&self, in_use: &mut InUse, text: &str) -> Result<(), sqlx::Error> {
        let Some(connection) = in_use.connection.as_deref_mut() else {
            return Err(sqlx::Error::PoolClosed);
        };
        let work = sqlx::raw_sql(AssertSqlSafe(text)).execute(connection);
        let answer = tokio::time::timeout(self.deadline, work).await;
        let result = answer.unwrap_or_else(|_| Err(deadline_passed(self.deadline)));
        if matches!(&result, Err(error) if breaks_connection(error)) {
            self.broke();
        }
        result.map(drop)
    }

    /// Runs a statement on a connection that stays in use.
    pub(super) async fn run_on<Row>(
        &self,
        in_use: &mut InUse,
        statement: Statement<'_, Row>,
    ) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let Some(connection) = in_use.connection.as_deref_mut() else {
            return Err(sqlx::Error::PoolClosed);
        };
        let statement = self.of_the_pooler(statement);
        let answer = tokio::time::timeout(self.deadline, statement.fetch_all(connection)).await;
        let result = answer.unwrap_or_else(|_| Err(deadline_passed(self.deadline)));
        if matches!(&result, Err(error) if breaks_connection(error)) {
            self.broke();
        }
        result
    }

    /// Returns the monotonic time.
    pub(super) fn monotonic(&self) -> Duration {
        self.trouble.clock.monotonic()
    }

    pub(super) fn connections(&self) -> (u32, u32, u32) {
        let pools = [&self.pool.pool, &self.costly.pool];
        let idle: usize = pools.map(PgPool::num_idle).iter().sum();
        (
            pools.map(PgPool::size).iter().sum(),
            u32::try_from(idle).unwrap_or(u32::MAX),
            pools
                .map(|pool| pool.options().get_max_connections())
                .iter()
                .sum(),
        )
    }

    pub(super) async fn close(&self) {
        self.costly.pool.close().await;
        self.pool.pool.close().await;
    }
}

/// A connection that returns to the pool only if its answer was read to the end. If its caller was dropped or the
/// deadline passed midway, the rest of the answer would be read by the next user.
pub(super) struct InUse {
    connection: Option<PoolConnection<Postgres>>,
    answered: bool,
}

impl InUse {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection: Some(connection),
            answered: false,
        }
    }

    /// Returns the connection, for a statement whose rows are read one by one.
    pub(super) fn connection(&mut self) -> Option<&mut PgConnection> {
        self.connection.as_deref_mut()
    }

    /// Returns the connection to the pool: every statement on it has been answered.
    pub(super) fn give_back(mut self) {
        self.answered = true;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| !self.answered) {
            // Dropped, not closed: closing waits for a server that may be busy with the statement or unreachable, and
            // until then the pool could not open a replacement.
            drop(connection.detach());
        }
    }
}

/// Omits the options, which contain the password.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("connections", &self.pool.pool.size())
            .finish_non_exhaustive()
    }
}

/// Builds a pool whose connections begin with these settings, each checked when it is opened.
fn pool(
    connections: u32,
    options: &PostgresOptions,
    trouble: &Arc<BrokenConnections>,
    hosts: &Arc<Hosts>,
    settings: Arc<SessionSettings>,
) -> PgPoolOptions {
    let (opened, doubts) = (trouble.clone(), trouble.clone());
    let hosts = hosts.clone();
    let pooled = matches!(options.pooler, Pooler::Transaction);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let (opened, hosts, settings) = (opened.clone(), hosts.clone(), settings.clone());
            Box::pin(async move {
                let checked = if pooled {
                    Unfit::version(connection).map_or(Ok(()), Err)
                } else {
                    settings.apply(connection, hosts.target()).await?
                };
                match checked {
                    Ok(()) => {
                        opened.refused.forget();
                        Ok(())
                    }
                    Err(unfit) => {
                        opened.refused.note(&opened.clock, unfit);
                        hosts.doubt();
                        Err(not_repeated(unfit.error()))
                    }
                }
            })
        })
        .before_acquire(move |connection, meta| {
            let doubts = doubts.clone();
            Box::pin(async move {
                if doubts.touches(meta.age) {
                    return Ok(false);
                }
                if meta.idle_for > DOUBTED_AFTER_IDLE && connection.ping().await.is_err() {
                    // Other connections are broken too, even if they were idle for less time.
                    doubts.note();
                    return Ok(false);
                }
                Ok(true)
            })
        })
}

/// Returns the only row of an answer that must have one.
pub(super) fn only<Row>(rows: Vec<Row>) -> Result<Row, RepositoryError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| refused(SqlError::Driver(sqlx::Error::RowNotFound)))
}
