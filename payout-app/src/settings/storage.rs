//! The use of the database: connections, and how long they wait.

use std::time::Duration;

use payout_adapters::ReadLimits;
use payout_adapters::storage::postgres::{Pooler, PostgresOptions};
use payout_adapters::storage::sqlite::SqliteOptions;

use super::ConfigError;
use super::parse::{choice, milliseconds_within, number};
use super::table::section;

section! {
    /// The use of the database.
    pub struct StorageConfig in SECTION, titled "Database", read by Database {
        /// PostgreSQL connections of one process for creates, payments and single payouts. Those of
        /// `PAYOUT_READ_CONNECTIONS` and `PAYOUT_EXPORTS` come on top, and one more; the server must admit those of all processes.
        pub postgres_connections: u32 = "PAYOUT_POSTGRES_CONNECTIONS" {
            option: "postgres-connections", value: "COUNT", default: "16",
        } => required(number(2..=1_000)),

        /// The longest wait of a statement for a PostgreSQL connection, also while the server is away.
        pub postgres_acquire_timeout: Duration = "PAYOUT_POSTGRES_ACQUIRE_TIMEOUT_MS" {
            option: "postgres-acquire-timeout-ms", value: "MS", default: "3000",
        } => required(milliseconds_within(100..=60_000)),

        /// The longest time that PostgreSQL works on one statement that writes, or that reads one payout.
        pub postgres_statement_timeout: Duration = "PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS" {
            option: "postgres-statement-timeout-ms", value: "MS", default: "5000",
        } => required(milliseconds_within(1_000..=60_000)),

        /// The longest wait of a write for a row that another session of PostgreSQL has locked; less than the statement timeout.
        pub postgres_lock_timeout: Duration = "PAYOUT_POSTGRES_LOCK_TIMEOUT_MS" {
            option: "postgres-lock-timeout-ms", value: "MS", default: "500",
        } => required(milliseconds_within(100..=2_000)),

        /// The pooler between this service and PostgreSQL: `session` (none, or one that gives each connection a session of
        /// its own), or `transaction` (PgBouncer's `pool_mode = transaction`).
        pub postgres_pooler: Pooler = "PAYOUT_POOLER" {
            option: "pooler", value: "MODE", default: "session", see: "PostgreSQL and Redis",
        } => required(choice(&[("session", Pooler::Session), ("transaction", Pooler::Transaction)])),

        /// SQLite connections of one process that read single payouts. One more writes.
        pub sqlite_readers: u32 = "PAYOUT_SQLITE_READERS" {
            option: "sqlite-readers", value: "COUNT", default: "4",
        } => required(number(1..=64)),

        /// The longest wait of a write to SQLite for those before it, and for another process's.
        pub sqlite_busy_timeout: Duration = "PAYOUT_SQLITE_BUSY_TIMEOUT_MS" {
            option: "sqlite-busy-timeout-ms", value: "MS", default: "5000",
        } => required(milliseconds_within(500..=60_000)),

        /// Lists, counts and audit trails that are read at the same time, on connections of their own, so that creates and
        /// payments never wait for them. Seven times as many wait; more are 503 with `Retry-After`.
        pub read_connections: u32 = "PAYOUT_READ_CONNECTIONS" {
            option: "read-connections", value: "COUNT", default: "4",
        } => required(number(1..=64)),

        /// The longest time that one of these reads may take, and may wait for its turn.
        pub read_timeout: Duration = "PAYOUT_READ_TIMEOUT_MS" {
            option: "read-timeout-ms", value: "MS", default: "3000",
        } => required(milliseconds_within(100..=60_000)),

        /// Exports that run at the same time, on connections of their own; more are 503 with `Retry-After`.
        pub exports: u32 = "PAYOUT_EXPORTS" {
            option: "exports", value: "COUNT", default: "2",
        } => required(number(1..=16)),

        /// The longest time that an export may take. PostgreSQL removes no old row versions while one runs.
        pub export_timeout: Duration = "PAYOUT_EXPORT_TIMEOUT_MS" {
            option: "export-timeout-ms", value: "MS", default: "900000",
        } => required(milliseconds_within(1_000..=86_400_000)),
    }
}

impl StorageConfig {
    /// Refuses timeouts that contradict each other.
    ///
    /// # Errors
    /// [`ConfigError`] that names both.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        if self.postgres_lock_timeout >= self.postgres_statement_timeout {
            let message = format!(
                "{} is not less than PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS ({}): a locked row would look like a slow server",
                self.postgres_lock_timeout.as_millis(),
                self.postgres_statement_timeout.as_millis()
            );
            return Err(ConfigError::new("PAYOUT_POSTGRES_LOCK_TIMEOUT_MS", message));
        }
        Ok(self)
    }

    /// The bounds of reads that may be slow.
    fn reads(&self) -> ReadLimits {
        ReadLimits {
            connections: self.read_connections,
            timeout: self.read_timeout,
            exports: self.exports,
            export_timeout: self.export_timeout,
        }
    }

    /// The options of the PostgreSQL adapter.
    pub(crate) fn postgres(&self) -> PostgresOptions {
        PostgresOptions {
            max_connections: self.postgres_connections,
            acquire_timeout: self.postgres_acquire_timeout,
            statement_timeout: self.postgres_statement_timeout,
            lock_timeout: self.postgres_lock_timeout,
            pooler: self.postgres_pooler,
            reads: self.reads(),
            ..PostgresOptions::default()
        }
    }

    /// The options of the SQLite adapter.
    pub(crate) fn sqlite(&self) -> SqliteOptions {
        SqliteOptions {
            readers: self.sqlite_readers,
            busy_timeout: self.sqlite_busy_timeout,
            reads: self.reads(),
        }
    }
}
