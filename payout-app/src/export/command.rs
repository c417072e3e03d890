//! The command `payout export`: writes the payouts of a list to standard output, as the API's endpoint does.
//!
//! It reads the database itself, and changes nothing. Recipients are masked unless `--reveal` is given. A file is whole
//! if the exit code is 0: 1 means that the export was broken off, and 2 that it did not begin.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use payout_adapters::encryption::KeyCheck;
use payout_core::Timestamp;
use payout_core::access::{Principal, Scope, Scopes};
use payout_core::payout::Payout;
use payout_core::ports::{Deleted, ExportQuery, ExportedRows, Filter, Order, RepositoryError};
use tokio::time::timeout;

use crate::settings::{Config, ConfigError, ExportCommand};
use crate::unusable::Unusable;
use crate::wiring::Ports;

const BROKEN_OFF: u8 = 1;

/// The time limit for the check that the database is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The error that stopped an export before its first row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The database is in memory, where another process's payouts cannot be seen.
    #[error("DATABASE_URL: memory: is seen by one process only: there is nothing to export")]
    Memory,
    /// The database does not have the schema of this program.
    #[error("{0} is not ready: run `payout migrate`")]
    NotMigrated(String),
    /// The database does not answer.
    #[error("{0} does not answer")]
    Silent(String),
    /// The configured keys are not those of the database.
    #[error("PAYOUT_ENCRYPTION_KEYS: {0}")]
    Keys(KeyCheck),
    /// The database cannot be read.
    #[error(transparent)]
    Unusable(Unusable),
}

/// The error that broke an export off.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error("the database failed: {}", crate::doctor::in_a_line(.0))]
    Store(#[from] RepositoryError),
    #[error("the rows cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Exports the payouts that the command names.
///
/// # Errors
/// [`ExportError`]; nothing was written.
pub(crate) async fn export(config: &Config, command: &ExportCommand) -> Result<ExitCode, ExportError> {
    let ports = Ports::new(config)?;
    // Where only this process sees the data there is nothing to reconcile either.
    if ports.store.reconciliation().is_none() {
        return Err(ExportError::Memory);
    }
    let unusable = |error: RepositoryError| ExportError::Unusable(Unusable::new(&config.database, &error));
    ready(config, &ports).await?;
    let now = ports.repository.now().await.map_err(unusable)?;
    let query = query(command, now);
    let rows = ports.exports.export(&query).await.map_err(unusable)?;
    let written = write(rows, command, io::stdout().lock()).await;
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    match written {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let _ = writeln!(io::stderr(), "payout: the export is not whole: {error}");
            Ok(ExitCode::from(BROKEN_OFF))
        }
    }
}

async fn ready(config: &Config, ports: &Ports) -> Result<(), ExportError> {
    let unusable = |error: RepositoryError| ExportError::Unusable(Unusable::new(&config.database, &error));
    let asked = async {
        if !ports.store.schema_is_current().await.map_err(unusable)? {
            return Err(ExportError::NotMigrated(config.database.to_string()));
        }
        match ports.store.compare_keys().await.map_err(unusable)? {
            KeyCheck::Fits => Ok(()),
            check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. }) => Err(ExportError::Keys(check)),
        }
    };
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| ExportError::Silent(config.database.to_string()))?
}

fn query(command: &ExportCommand, now: Timestamp) -> ExportQuery {
    ExportQuery {
        filter: Filter {
            statuses: command.status.clone(),
            currency: command.currency,
            created_after: command.created_after.map(|after| after.seen_from(now)),
            created_before: command.created_before.map(|before| before.seen_from(now)),
            needs_review: command.needs_review,
            deleted: command.deleted.map_or(Deleted::Without, Deleted::from),
            ..Filter::default()
        },
        order: if command.oldest_first {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        },
    }
}

async fn write(
    mut rows: Box<dyn ExportedRows>,
    command: &ExportCommand,
    to: impl Write,
) -> Result<(), BrokenOff> {
    let principal = principal(command.reveal);
    let mut to = BufWriter::new(to);
    to.write_all(&command.format.beginning())?;
    while let Some(rows) = rows.next().await? {
        let waiting_for = |payout: &Payout| payout.parts().waiting_for;
        to.write_all(&command.format.lines(&rows, &principal, waiting_for))?;
    }
    Ok(to.flush()?)
}

/// Returns the operator, who sees recipients in full only on request.
fn principal(reveal: bool) -> Principal {
    if reveal {
        return Principal::open();
    }
    let scopes: Scopes = [Scope::Read].into_iter().collect();
    Principal::operator(scopes)
}
