//! The connection pools: their configuration, failures and recovery.
//!
//! A ping before each use would cost 15 % of the throughput. So a connection is tested only for a reason: it was idle
//! for a while, or it is older than the last time that a connection broke (a restart of the server breaks them all).
//!
//! A read whose connection broke is repeated once. A write is not: it may have been committed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use payout_core::ports::{Clock, RepositoryError, System};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow, PgSslMode, Postgres};
use sqlx::query::QueryAs;
use sqlx::{ConnectOptions, Connection, FromRow};

use super::PostgresOptions;
use super::durability::ACKNOWLEDGE_WHAT_IS_ON_DISK;
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

#[derive(Clone)]
pub(super) struct Link {
    pool: PgPool,
    /// The pool for reads that may be slow, so that no other statement waits for them.
    costly: PgPool,
    gate: Gate,
    trouble: Arc<BrokenConnections>,
    /// The outcome of the last writes.
    pub(super) writes: Arc<RecentWrites>,
    /// Options for a connection outside the pool, without the pool's limits.
    pub(super) unlimited: PgConnectOptions,
    /// The keys that recipients are encrypted with.
    pub(super) keyring: EncryptionKeys,
    deadline: Duration,
}

/// The time when a connection last broke.
struct BrokenConnections {
    clock: System,
    /// Microseconds of the monotonic clock; 0 for never.
    at: AtomicU64,
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
        // The parser's error may quote the URL, and with it the password.
        let parsed: Result<PgConnectOptions, _> = url.parse();
        let mut unlimited = parsed
            .map_err(|_| refused("this is not the URL of a PostgreSQL database"))?
            .application_name(&options.application_name)
            .disable_statement_logging();
        // On this host, encryption only adds cost. Also, sqlx 0.9.0 leaves Nagle's algorithm on (its issue 4335): each
        // statement of more than one TLS record, such as a batch of twenty payouts, would wait 40 ms for an
        // acknowledgement.
        if is_this_host(unlimited.get_host()) && matches!(unlimited.get_ssl_mode(), PgSslMode::Prefer) {
            unlimited = unlimited.ssl_mode(PgSslMode::Disable);
        }
        let statement_timeout = format!("{}ms", options.statement_timeout.as_millis());
        let lock_timeout = format!("{}ms", options.lock_timeout.as_millis().max(1));
        let limited = unlimited.clone().options([
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
        });
        let doubts = trouble.clone();
        let pool = |connections, options: &PostgresOptions| {
            let doubts = doubts.clone();
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.acquire_timeout)
                .test_before_acquire(false)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        let set = sqlx::query(ACKNOWLEDGE_WHAT_IS_ON_DISK);
                        set.execute(connection).await.map(drop)
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
        };
        let read_timeout = format!("{}ms", options.reads.timeout.as_millis().max(1));
        let reading = limited.clone().options([
            ("statement_timeout", read_timeout.as_str()),
            ("default_transaction_read_only", "on"),
            // One read uses one core, however much data it reads.
            ("max_parallel_workers_per_gather", "0"),
        ]);
        let deadline = options.statement_timeout + PATIENCE_PAST_STATEMENT_TIMEOUT;
        Ok(Self {
            pool: pool(options.max_connections, options).connect_lazy_with(limited),
            costly: pool(Gate::connections(options.reads), options).connect_lazy_with(reading),
            gate: Gate::new(options.reads),
            trouble,
            writes: Arc::default(),
            unlimited,
            keyring: EncryptionKeys::default(),
            deadline,
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
        let result = self.run(statement).await.map_err(write_error);
        match &result {
            Ok(_) => self.writes.succeeded(),
            // A lock conflict says nothing about other writes.
            Err(RepositoryError::Locked { .. }) => (),
            Err(_) => self.writes.failed(),
        }
        result
    }

    /// Marks all open connections as broken, so that none is used again.
    pub(super) fn doubt_connections(&self) {
        self.trouble.note();
    }

    async fn run<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.run_in(&self.pool, statement).await
    }

    async fn run_in<Row>(&self, pool: &PgPool, statement: Statement<'_, Row>) -> Result<Vec<Row>, sqlx::Error>
    where
        Row: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut in_use = InUse::of(pool).await?;
        let result = self.run_on(&mut in_use, statement).await;
        if !matches!(&result, Err(error) if breaks_connection(error)) {
            in_use.give_back();
        }
        result
    }

    /// Takes a connection out of the pool for several statements.
    pub(super) async fn take(&self) -> Result<InUse, sqlx::Error> {
        InUse::of(&self.pool).await
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
        let answer = tokio::time::timeout(self.deadline, statement.fetch_all(connection)).await;
        let result = answer.unwrap_or_else(|_| Err(deadline_passed(self.deadline)));
        if matches!(&result, Err(error) if breaks_connection(error)) {
            self.trouble.note();
        }
        result
    }

    /// Returns the monotonic time.
    pub(super) fn monotonic(&self) -> Duration {
        self.trouble.clock.monotonic()
    }

    pub(super) fn connections(&self) -> (u32, u32, u32) {
        let pools = [&self.pool, &self.costly];
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
        self.costly.close().await;
        self.pool.close().await;
    }
}

/// A connection that returns to the pool only if its answer was read to the end. If its caller was dropped or the
/// deadline passed midway, the rest of the answer would be read by the next user.
pub(super) struct InUse {
    connection: Option<PoolConnection<Postgres>>,
    answered: bool,
}

impl InUse {
    async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            connection: Some(pool.acquire().await?),
            answered: false,
        })
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
            .field("connections", &self.pool.size())
            .finish_non_exhaustive()
    }
}

fn is_this_host(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the only row of an answer that must have one.
pub(super) fn only<Row>(rows: Vec<Row>) -> Result<Row, RepositoryError> {
    rows.into_iter()
        .next()
        .ok_or_else(|| refused(SqlError::Driver(sqlx::Error::RowNotFound)))
}
