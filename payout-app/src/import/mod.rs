//! The command `payout import-django`: imports the table of the Django service that this service replaces.
//!
//! `fields` finds the columns, `row` converts rows to payouts, and `output` reports the outcomes. The old database is
//! only read. A payout that is already stored here does not change, so the command may be stopped and repeated. The
//! exit code is 0 if every row is imported, 1 if a row is refused or differs, and 2 if the import could not go on.

mod fields;
mod output;
mod row;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use payout_adapters::django::{DjangoRow, DjangoTable};
use payout_adapters::encryption::KeyCheck;
use payout_core::payout::{ForeignPayout, Payout, PayoutId, Status};
use payout_core::ports::{Imported, PayoutImport, PayoutRepository, RepositoryError};
use tokio::time::timeout;

use self::fields::Plan;
use self::output::{Outcome, Output, Tally};
use self::row::{Rules, Taken, id_of};
use crate::settings::{Config, ConfigError, Database, ImportCommand};
use crate::wiring::Ports;

const BATCH: u32 = 500;
const SOME_REFUSED: u8 = 1;
/// The time limit for the check that the new database is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The error that stopped the import.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The new database is in memory, where no other process would see the payouts.
    #[error("DATABASE_URL: memory: is seen by one process only: there is nothing to import into")]
    Memory,
    /// The old database has no such table.
    #[error("--table: the database has no table {0}")]
    NoTable(String),
    /// A required field has no column.
    #[error("{0}")]
    Columns(String),
    /// The old database cannot be read.
    #[error("the old database cannot be read: {}", crate::doctor::in_a_line(.0))]
    Source(#[source] RepositoryError),
    /// The new database is not ready.
    #[error("{0} is not ready: run `payout migrate`")]
    NotMigrated(String),
    /// The new database does not answer.
    #[error("{0} does not answer")]
    Silent(String),
    /// The configured keys are not those of the new database.
    #[error("PAYOUT_ENCRYPTION_KEYS: {0}")]
    Keys(KeyCheck),
    /// The new database cannot be written. Imported payouts stay, and repeating the command continues.
    #[error("the new database cannot be used: {}; repeat the command to go on", crate::doctor::in_a_line(.0))]
    Store(#[source] RepositoryError),
    /// The output cannot be written.
    #[error("the outcome cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Imports the whole table.
///
/// # Errors
/// [`ImportError`]; the payouts imported before the error stay.
pub(crate) async fn import(config: &Config, command: &ImportCommand) -> Result<ExitCode, ImportError> {
    let source = command.source()?;
    let ports = Ports::new(config)?;
    let importer = ports.store.importer().ok_or(ImportError::Memory)?;
    ready(config, &ports).await?;
    let mut table = DjangoTable::open(source.expose(), &command.table)
        .await
        .map_err(ImportError::Source)?;
    let columns = table.column_names().await.map_err(ImportError::Source)?;
    if columns.is_empty() {
        return Err(ImportError::NoTable(command.table.clone()));
    }
    let plan = Plan::of(command, &columns).map_err(ImportError::Columns)?;
    tracing::info!(table = command.table, fields = plan.describe(), "reading");
    table.choose(&plan.key, plan.columns.clone());
    let rows = table.count().await.map_err(ImportError::Source)?;
    let mut import = Import {
        rules: Rules {
            command,
            plan: &plan,
            now: ports.repository.now().await.map_err(ImportError::Store)?,
        },
        repository: ports.repository.clone(),
        importer,
        output: Output::begin(io::stdout().lock(), rows)?,
    };
    let mut after = None;
    loop {
        let batch = table
            .rows(after.as_ref(), BATCH)
            .await
            .map_err(ImportError::Source)?;
        let Some(last) = batch.last() else { break };
        after = Some(last.key.clone());
        import.batch(&batch).await?;
    }
    let tally = import.output.end(command.dry_run)?;
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    Ok(verdict(tally))
}

fn verdict(tally: Tally) -> ExitCode {
    if tally.refused + tally.differ > 0 {
        ExitCode::from(SOME_REFUSED)
    } else {
        ExitCode::SUCCESS
    }
}

async fn ready(config: &Config, ports: &Ports) -> Result<(), ImportError> {
    let shown = || config.database.to_string();
    // SQLite would create the file if it were asked for its schema.
    if let Database::Sqlite { path } = &config.database
        && !path.exists()
    {
        return Err(ImportError::NotMigrated(shown()));
    }
    let asked = async {
        let current = ports
            .store
            .schema_is_current()
            .await
            .map_err(ImportError::Store)?;
        if !current {
            return Err(ImportError::NotMigrated(shown()));
        }
        match ports.store.check_keys().await.map_err(ImportError::Store)? {
            KeyCheck::Fits => Ok(()),
            check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. }) => Err(ImportError::Keys(check)),
        }
    };
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| ImportError::Silent(shown()))?
}

struct Import<'a, W> {
    rules: Rules<'a>,
    repository: Arc<dyn PayoutRepository>,
    importer: Arc<dyn PayoutImport>,
    output: Output<W>,
}

impl<W: io::Write> Import<'_, W> {
    async fn batch(&mut self, rows: &[DjangoRow]) -> Result<(), ImportError> {
        let mut taken: Vec<(&DjangoRow, Status)> = Vec::new();
        let mut foreign: Vec<ForeignPayout> = Vec::new();
        let table = &self.rules.command.table;
        for row in rows {
            let id = id_of(table, &row.key);
            match self.rules.take(row) {
                Ok(Taken::Import { was, payout }) => {
                    taken.push((row, was));
                    foreign.push(*payout);
                }
                Ok(Taken::Skip) => self.output.row(&row.key, id, Outcome::Skipped, "it is pending")?,
                Err(reasons) => self
                    .output
                    .row(&row.key, id, Outcome::Refused, &reasons.join(" "))?,
            }
        }
        let answers = if self.rules.command.dry_run {
            None
        } else {
            Some(self.importer.import(&foreign).await.map_err(ImportError::Store)?)
        };
        let is_known = |place: usize| {
            answers
                .as_ref()
                .is_none_or(|answers| answers.get(place) == Some(&Imported::Known))
        };
        let asked: Vec<PayoutId> = foreign
            .iter()
            .enumerate()
            .filter(|(place, _)| is_known(*place))
            .map(|(_, foreign)| foreign.id)
            .collect();
        let here = self.here(&asked).await?;
        for (place, ((row, was), foreign)) in taken.iter().zip(&foreign).enumerate() {
            let (outcome, reason) = match here.get(&foreign.id).filter(|_| is_known(place)) {
                Some(payout) => match contradiction(*was, foreign, payout) {
                    Some(reason) => (Outcome::Differs, reason),
                    None => (Outcome::Known, ""),
                },
                // The id is taken but the payout is not found, so it was deleted here.
                None if answers.is_some() && is_known(place) => (Outcome::Known, "deleted here"),
                None => (Outcome::Imported, ""),
            };
            self.output.row(&row.key, foreign.id, outcome, reason)?;
        }
        Ok(())
    }

    async fn here(&self, ids: &[PayoutId]) -> Result<HashMap<PayoutId, Payout>, ImportError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.repository.find_many(ids).await.map_err(ImportError::Store)?;
        Ok(found.into_iter().map(|payout| (payout.id(), payout)).collect())
    }
}

/// Returns the reason for which the stored payout contradicts the old service's row, if any. A decision that was made
/// here since the import is no contradiction.
fn contradiction(was: Status, foreign: &ForeignPayout, here: &Payout) -> Option<&'static str> {
    let parts = here.parts();
    if parts.created_at != foreign.created_at {
        return Some("another payout has this id here");
    }
    let sent_there = matches!(was, Status::Completed | Status::Processing);
    // A payout imported as sent has version 1, and version 2 once an operator resolved it. A claim and its settlement
    // are two more writes.
    let sent_here = match parts.status {
        Status::Pending => true,
        Status::Processing => !parts.needs_review,
        Status::Completed => parts.version > 2,
        Status::AwaitingApproval | Status::Returned | Status::Failed | Status::Cancelled => false,
    };
    if sent_there && sent_here && parts.generation == 0 {
        return Some("the old service has begun to pay it since it was imported, and this one pays it too");
    }
    if was == Status::Completed && !matches!(parts.status, Status::Completed | Status::Returned) {
        return Some("the old service says that it was paid, and here it is not completed");
    }
    let same =
        parts.details.money == foreign.details.money && parts.details.recipient == foreign.details.recipient;
    (!same && parts.version == 1).then_some("the old service has changed it since it was imported")
}
