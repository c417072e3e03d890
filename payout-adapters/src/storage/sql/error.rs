//! The classification of driver errors: whether a caller may retry.

#[cfg(feature = "postgres")]
use std::{io, time::Duration};

#[cfg(feature = "postgres")]
use payout_core::ports::LockedPart;
use payout_core::ports::RepositoryError;
use sqlx::error::DatabaseError;

/// The source of a [`RepositoryError`]. It keeps the server's message, but neither its detail nor its hint: those quote
/// the row, and with it personal data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    /// A table or a column is missing.
    #[error("the schema is not migrated: {message}")]
    NotMigrated { message: String },
    /// The database answered with an error.
    #[error("{message} (code {code})")]
    Database { code: String, message: String },
    /// No answer came in time; the statement may still be running.
    #[cfg(feature = "postgres")]
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// The migrations do not match those that the database lists as applied.
    #[error("the migration failed: {0}")]
    Migration(String),
    /// A stored value is not a valid value of its type.
    #[error("column {column} holds what cannot be: {problem}")]
    Broken { column: &'static str, problem: String },
    /// The server takes no writes: it is a standby, or the server, the database or the role was made read-only.
    #[cfg(feature = "postgres")]
    #[error("the server takes no writes: it is a standby, or it, the database or the role is read-only")]
    ReadOnlyServer,
    /// The server is a standby.
    #[cfg(feature = "postgres")]
    #[error("the server is a standby, which takes no writes: name the primary, or all hosts of the database")]
    Standby,
    /// None of several hosts takes writes.
    #[cfg(feature = "postgres")]
    #[error("no host takes writes: {hosts}")]
    NoHost { hosts: String },
    /// The server's version is older than those that are supported.
    #[cfg(feature = "postgres")]
    #[error("the server is PostgreSQL {version}: upgrade it to 15 or later")]
    TooOld { version: String },
    /// Commits wait for a synchronous standby.
    #[cfg(feature = "postgres")]
    #[error(
        "{sessions} sessions wait for a synchronous standby that confirms nothing: start it, or take it out of \
         synchronous_standby_names"
    )]
    StandbyConfirmsNothing { sessions: i64 },
    /// A write was not answered, and is still under way at the server.
    #[cfg(feature = "postgres")]
    #[error("an earlier write is still not answered: look at pg_stat_activity for what it waits for")]
    WriteUnanswered,
    /// The database file was deleted, moved or replaced while it is open.
    #[cfg(feature = "sqlite")]
    #[error(
        "{} was deleted, moved or replaced while it is open; nothing is read or written until it is back, or until a restart",
        .path.display()
    )]
    FileReplaced { path: std::path::PathBuf },
    /// No connection was available in time. The driver retries until then, and does not report which errors it got.
    #[error("no connection in time: no server listens there, or all connections are in use")]
    NoConnection,
    /// The driver failed, or could not connect.
    #[error(transparent)]
    Driver(sqlx::Error),
}

/// Creates an error that a retry will not fix.
pub(crate) fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RepositoryError {
    RepositoryError::Refused(error.into())
}

/// Creates an error that a retry may fix.
pub(crate) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RepositoryError {
    RepositoryError::Unavailable(error.into())
}

/// Classifies a driver's error.
pub(crate) fn repository_error(error: sqlx::Error) -> RepositoryError {
    if let sqlx::Error::Database(error) = &error {
        return database_error(&**error);
    }
    let passing = matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    );
    let error = if matches!(error, sqlx::Error::PoolTimedOut) {
        SqlError::NoConnection
    } else if let sqlx::Error::Io(error) = error {
        // An error of this service, wrapped in the driver's type.
        match error.downcast::<SqlError>() {
            Ok(ours) => ours,
            Err(error) => SqlError::Driver(sqlx::Error::Io(error)),
        }
    } else {
        SqlError::Driver(error)
    };
    if passing {
        unavailable(error)
    } else {
        refused(error)
    }
}

/// Classifies a driver's error of a statement that writes. A conflict with a lock of another session concerns this
/// write alone, and the server has rolled the write back.
#[cfg(feature = "postgres")]
pub(crate) fn write_error(error: sqlx::Error) -> RepositoryError {
    let code = error.as_database_error().and_then(DatabaseError::code);
    // lock_not_available; deadlock_detected; query_canceled, by the statement's timeout.
    let is_locked = code.is_some_and(|code| matches!(&*code, "55P03" | "40P01" | "57014"));
    let error = repository_error(error);
    if is_locked && let RepositoryError::Unavailable(source) = error {
        return RepositoryError::Locked {
            part: LockedPart::Row,
            source,
        };
    }
    error
}

fn database_error(error: &dyn DatabaseError) -> RepositoryError {
    let code = error.code().unwrap_or_default().into_owned();
    let message = error.message().to_owned();
    if is_schema_missing(&code, &message) {
        return unavailable(SqlError::NotMigrated { message });
    }
    let passing = is_passing(&code);
    let error = SqlError::Database { code, message };
    if passing {
        unavailable(error)
    } else {
        refused(error)
    }
}

/// Returns whether a table or a column is missing: the code is older than the schema, or nobody has migrated yet.
fn is_schema_missing(code: &str, message: &str) -> bool {
    match code {
        // undefined_table, undefined_column.
        "42P01" | "42703" => true,
        // SQLite has one code for all of its own errors.
        "1" => message.starts_with("no such table") || message.contains("no such column"),
        _ => false,
    }
}

/// Returns whether the store cannot answer at present, rather than refuses. A SQLSTATE has five characters and SQLite's
/// codes have fewer, so the two cannot be confused.
fn is_passing(code: &str) -> bool {
    if let ([b'0'..=b'9' | b'A'..=b'Z', ..], 5) = (code.as_bytes(), code.len()) {
        // Connection; wrong password and missing database, which an operator can fix; a rolled back transaction
        // (deadlock, serialization); resources; operator intervention (shutdown, statement timeout); the system.
        let class = matches!(&code[..2], "08" | "28" | "3D" | "40" | "53" | "57" | "58");
        // lock_not_available; read_only_sql_transaction, which a standby reports right after a failover.
        return class || matches!(code, "55P03" | "25006");
    }
    // The low byte is the kind of error, the rest its reason: permission denied, busy, locked, out of memory,
    // read-only, interrupted, I/O error, malformed, disk full, cannot open, lock protocol, not a database. An operator
    // must fix some of these; none is caused by the statement itself.
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 3 | 5..=11 | 13..=15 | 26))
}

/// Returns whether the server refused a write because of this unique index. Its message names the index.
#[cfg(feature = "postgres")]
pub(crate) fn breaks_constraint(error: &RepositoryError, index: &str) -> bool {
    let RepositoryError::Refused(source) = error else {
        return false;
    };
    match source.downcast_ref() {
        Some(SqlError::Database { code, message }) => {
            // unique_violation.
            code == "23505" && message.contains(index)
        }
        Some(_) | None => false,
    }
}

/// Returns whether the connection that reported the error is unusable.
#[cfg(feature = "postgres")]
pub(crate) fn breaks_connection(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout; read_only_sql_transaction: the next
        // connection may lead to a server that takes writes; class 08, connection exception.
        Some(error) => error.code().is_some_and(|code| {
            matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05" | "25006") || code.starts_with("08")
        }),
        None => matches!(
            error,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)
        ),
    }
}

/// Builds the driver's error that is closest to a passed deadline.
#[cfg(feature = "postgres")]
pub(crate) fn deadline_passed(after: Duration) -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, SqlError::Deadline(after)))
}

/// Returns whether the server canceled the statement because it exceeded its timeout.
#[cfg(feature = "postgres")]
pub(crate) fn is_canceled(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "57014")
}

/// Returns whether a progress handler interrupted the read because it exceeded its time limit.
#[cfg(feature = "sqlite")]
pub(crate) fn is_interrupted(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == "9")
}

/// Returns whether this is the error of [`deadline_passed`].
#[cfg(feature = "postgres")]
pub(crate) fn is_deadline(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// Classifies the error of a migration.
pub(crate) fn migration_error(error: sqlx::migrate::MigrateError) -> RepositoryError {
    use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};

    if let Execute(error) | ExecuteMigration(error, _) = error {
        return repository_error(error);
    }
    refused(SqlError::Migration(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_by_itself_is_worth_repeating() {
        for code in [
            "08006", "40P01", "40001", "53300", "57P01", "57014", "55P03", "58030", "25006", "5", "517",
            "13", "11", "26", "778", "1032",
        ] {
            assert!(is_passing(code), "{code}");
        }
    }

    #[test]
    fn what_the_data_breaks_is_not() {
        for code in [
            "23505", "23514", "22P02", "42601", "XX000", "19", "1555", "2067", "275", "", "x",
        ] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn a_missing_table_is_known_in_both_dialects() {
        assert!(is_schema_missing("42P01", "relation \"payouts\" does not exist"));
        assert!(is_schema_missing("1", "no such table: payouts"));
        assert!(!is_schema_missing("1", "near \"SELEC\": syntax error"));
    }
}
