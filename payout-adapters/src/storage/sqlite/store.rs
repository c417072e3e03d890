//! The connections: one writer, a few readers, and a few more for reads that may be slow.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::ports::{Clock, RepositoryError};
use sqlx::query::QueryAs;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, FromRow};

use super::SqliteOptions;
use super::clock::{Leap, StoreClock};
use super::file::DatabaseFile;
use super::writer::{Transaction, Writer};
use crate::encryption::EncryptionKeys;
use crate::storage::reads::{Cost, Gate, TooMuch};
use crate::storage::sql::error::{is_interrupted, refused, repository_error, unavailable};
use crate::storage::sql::writes::RecentWrites;

/// The number of SQLite instructions after which a costly read checks the clock: a fraction of a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// A statement with its arguments, ready to run.
pub(super) type Statement<'q, Row> = QueryAs<'q, Sqlite, Row, SqliteArguments>;

#[derive(Clone)]
pub(super) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    file: Arc<DatabaseFile>,
    /// The outcome of the last writes.
    pub(super) writes: Arc<RecentWrites>,
    /// The pool for reads that may be slow, so that no other statement waits for them.
    pub(super) costly: SqlitePool,
    pub(super) gate: Gate,
    clock: StoreClock,
    /// The keys that recipients are encrypted with.
    pub(super) keyring: EncryptionKeys,
    /// The number of sweeps that claimed from queues of batches.
    turn: Arc<AtomicUsize>,
}

/// A transaction during which no other connection can write, and its time.
pub(super) struct Write {
    pub(super) transaction: Transaction,
    pub(super) now: Timestamp,
}

impl Store {
    pub(super) fn new(
        url: &str,
        clock: Arc<dyn Clock>,
        options: &SqliteOptions,
    ) -> Result<Self, RepositoryError> {
        let SqliteOptions {
            readers,
            busy_timeout,
            reads,
        } = *options;
        let not_ours = || refused("this is not the URL of a SQLite file: sqlite://payouts.db");
        // The parser would accept any text as a file name.
        if !url.starts_with("sqlite:") {
            return Err(not_ours());
        }
        let parsed: SqliteConnectOptions = url.parse().map_err(|_| not_ours())?;
        if url.contains(":memory:") || url.contains("mode=memory") {
            // Each connection would have an empty database of its own.
            return Err(refused(
                "a SQLite database in memory cannot be shared: use a file",
            ));
        }
        let options = parsed
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(busy_timeout)
            .create_if_missing(true)
            .disable_statement_logging();
        // Not opened read-only: after a crash, even a reader may have to recover the log.
        let reading = options
            .clone()
            .create_if_missing(false)
            .pragma("query_only", "ON");
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(busy_timeout)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let file = Arc::new(DatabaseFile::new(options.get_filename().to_owned()));
        Ok(Self {
            writer: pool(1).connect_lazy_with(options),
            readers: pool(readers).connect_lazy_with(reading.clone()),
            costly: pool(Gate::connections(reads)).connect_lazy_with(reading),
            gate: Gate::new(reads),
            file,
            writes: Arc::default(),
            clock: StoreClock::new(clock),
            keyring: EncryptionKeys::default(),
            turn: Arc::default(),
        })
    }

    /// Runs a read-only statement.
    pub(super) async fn read<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        self.file.check().map_err(repository_error)?;
        statement.fetch_all(&self.readers).await.map_err(repository_error)
    }

    /// Runs a read-only statement that may be slow. It waits for its turn, and may take no longer than the limit of a
    /// read.
    pub(super) async fn read_costly<Row>(
        &self,
        cost: Cost,
        statement: Statement<'_, Row>,
    ) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let _turn = self.gate.enter(cost).await?;
        self.file.check().map_err(repository_error)?;
        let mut connection = self.costly.acquire().await.map_err(repository_error)?;
        let timeout = self.gate.timeout();
        self.bound(&mut connection, self.goes_on_for(timeout))
            .await
            .map_err(repository_error)?;
        statement.fetch_all(&mut *connection).await.map_err(|error| {
            if is_interrupted(&error) {
                return TooMuch::TooLong(timeout).into();
            }
            repository_error(error)
        })
    }

    /// Returns a condition that holds for this long.
    pub(super) fn goes_on_for(&self, limit: Duration) -> impl Fn() -> bool + Send + 'static {
        let clock = self.clock.clone();
        let until = clock.monotonic().saturating_add(limit);
        move || clock.monotonic() < until
    }

    /// Interrupts the statements of a connection for costly reads once the condition does not hold. It is checked on the
    /// connection's own thread, even after the caller is gone. The next reader replaces it.
    pub(super) async fn bound(
        &self,
        connection: &mut SqliteConnection,
        goes_on: impl Fn() -> bool + Send + 'static,
    ) -> Result<(), sqlx::Error> {
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(STEPS_BETWEEN_LOOKS, goes_on);
        Ok(())
    }

    /// Begins a write. The time is read once no other writer can come before.
    pub(super) async fn begin(&self) -> Result<Write, sqlx::Error> {
        let transaction = self
            .begin_transaction()
            .await
            .inspect_err(|_| self.writes.failed())?;
        Ok(Write {
            transaction,
            now: self.now(),
        })
    }

    async fn begin_transaction(&self) -> Result<Transaction, sqlx::Error> {
        let writer = self.writer().await?;
        let transaction = Transaction::begin(writer, self.file.clone(), self.writes.clone()).await?;
        if !self.file.knows_its_log() {
            // The connection that closes a database last removes its log. A reader, which stays open, prevents that
            // while the writer is reopened.
            drop(self.readers.acquire().await?);
            self.file.has_its_log();
        }
        Ok(transaction)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the last leap of the clock; waits in progress must not end early because of it.
    pub(super) fn leap(&self) -> Leap {
        self.clock.leap()
    }

    /// Returns the number of the next sweep that claims from queues of batches.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Checks that the file is still the open one.
    pub(super) fn check_file(&self) -> Result<(), RepositoryError> {
        self.file.check().map_err(repository_error)
    }

    /// Saves the log after its name alone was lost: writes the log's contents to the file that still has its name, so
    /// that the next start misses nothing. It runs once, and may fail; nothing more is written to the file. It uses a
    /// reader, which has had the file open since before; the writer may not have.
    pub(super) async fn save_log(&self) {
        if !self.file.has_lost_its_log_alone() {
            return;
        }
        let save = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(FULL)");
        match save.fetch_one(&self.readers).await {
            Ok((0, _, _)) => tracing::info!("the log of the database was written to its file"),
            Ok(_) => tracing::error!(
                "the log of the database could not be written to its file: another process reads it"
            ),
            Err(error) => {
                let error = repository_error(error);
                tracing::error!(error = %payout_core::Causes(&error), "the log of the database could not be written to its file");
            }
        }
    }

    /// Takes the writing connection, for work that is not a transaction of a few statements.
    pub(super) async fn writer(&self) -> Result<Writer, sqlx::Error> {
        let writer = Writer::new(self.writer_pool()?.acquire().await?);
        self.file.has_been_opened();
        // The connection may be new, and may have opened another file.
        self.file.check()?;
        Ok(writer)
    }

    /// Returns the writer's pool, for migrations.
    pub(super) fn writer_pool(&self) -> Result<&SqlitePool, sqlx::Error> {
        self.file.check()?;
        self.file.make_private();
        Ok(&self.writer)
    }

    pub(super) fn connections(&self) -> (u32, u32, u32) {
        let pools = [&self.writer, &self.readers, &self.costly];
        let idle: usize = pools.map(SqlitePool::num_idle).iter().sum();
        (
            pools.map(SqlitePool::size).iter().sum(),
            u32::try_from(idle).unwrap_or(u32::MAX),
            pools
                .map(|pool| pool.options().get_max_connections())
                .iter()
                .sum(),
        )
    }

    pub(super) async fn close(&self) {
        self.costly.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Runs a write to its end, even after the caller is gone. A transaction that was dropped between two of its
/// statements, or while it was beginning, would be left to the next user of the only writer.
pub(super) async fn run_detached<T: Send + 'static>(
    write: impl Future<Output = Result<T, RepositoryError>> + Send + 'static,
) -> Result<T, RepositoryError> {
    tokio::spawn(write)
        .await
        .unwrap_or_else(|gone| Err(unavailable(gone)))
}

/// Serializes the parameters of a batch.
pub(super) fn json(batch: &impl serde::Serialize) -> Result<String, RepositoryError> {
    serde_json::to_string(batch).map_err(refused)
}

/// Encodes bytes for `unhex`, since JSON has no bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("readers", &self.readers.size())
            .finish_non_exhaustive()
    }
}
