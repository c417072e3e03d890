//! The connections: one writer, a few readers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::ports::{Clock, RepositoryError};
use sqlx::query::QueryAs;
use sqlx::sqlite::{
    Sqlite, SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, FromRow, Transaction};

use crate::seal::Keyring;
use crate::sql::error::{refused, repository_error, unavailable};
use crate::sql::stored::whole_micros;

/// Readers run beside the writer (WAL); a few are enough for the cores of one host.
const READERS: u32 = 4;

/// How long a write waits for those of its own process before it, and how long for another process's.
const PATIENCE: Duration = Duration::from_secs(5);

/// A statement with its arguments, ready to run.
pub(super) type Statement<'q, Row> = QueryAs<'q, Sqlite, Row, SqliteArguments>;

#[derive(Clone)]
pub(super) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    /// What who is paid is sealed with.
    pub(super) keyring: Keyring,
}

/// A transaction that nobody else can write during, and its time.
pub(super) struct Write {
    pub(super) transaction: Transaction<'static, Sqlite>,
    pub(super) now: Timestamp,
}

impl Store {
    pub(super) fn new(url: &str, clock: Arc<dyn Clock>) -> Result<Self, RepositoryError> {
        let not_ours = || refused("this is not the URL of a SQLite file: sqlite://payouts.db");
        // The parser would take any text for a file's name.
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
            .busy_timeout(PATIENCE)
            .create_if_missing(true)
            .disable_statement_logging();
        // Not opened read-only: after a crash, even a reader may be the one to recover the log.
        let reading = options
            .clone()
            .create_if_missing(false)
            .pragma("query_only", "ON");
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        Ok(Self {
            writer: pool(1).connect_lazy_with(options),
            readers: pool(READERS).connect_lazy_with(reading),
            clock,
            keyring: Keyring::default(),
        })
    }

    /// Runs a statement that changes nothing.
    pub(super) async fn read<Row>(&self, statement: Statement<'_, Row>) -> Result<Vec<Row>, RepositoryError>
    where
        Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        statement.fetch_all(&self.readers).await.map_err(repository_error)
    }

    /// Begins to write. The time is taken once no other writer can come before.
    pub(super) async fn begin(&self) -> Result<Write, sqlx::Error> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write {
            transaction,
            now: self.now(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        whole_micros(self.clock.now())
    }

    /// The connection that writes, for migrations.
    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    pub(super) fn connections(&self) -> (u32, u32, u32) {
        let pools = [&self.writer, &self.readers];
        let idle: usize = pools.map(SqlitePool::num_idle).iter().sum();
        (
            pools.map(SqlitePool::size).iter().sum(),
            u32::try_from(idle).unwrap_or(u32::MAX),
            1 + READERS,
        )
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Runs a write to its end, also when nobody waits for it any more. A transaction that was given up between two of its
/// statements, or while it was beginning, would be left to the next user of the only writer.
pub(super) async fn to_its_end<T: Send + 'static>(
    write: impl Future<Output = Result<T, RepositoryError>> + Send + 'static,
) -> Result<T, RepositoryError> {
    tokio::spawn(write)
        .await
        .unwrap_or_else(|gone| Err(unavailable(gone)))
}

/// The parameters of a batch.
pub(super) fn json(batch: &impl serde::Serialize) -> Result<String, RepositoryError> {
    serde_json::to_string(batch).map_err(refused)
}

/// Bytes as `unhex` reads them: JSON has none.
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
