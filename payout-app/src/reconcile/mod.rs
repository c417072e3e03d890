//! The command `payout reconcile`: compares the store with the provider and writes every disagreement as it is found.
//!
//! The core reads and compares. `output` writes findings to standard output, and `progress` shows progress on standard
//! error. The command changes nothing on either side. The exit code is 0 if everything agrees, 1 if something does not,
//! and 2 if the reconciliation failed or is incomplete.

mod output;
mod progress;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::ports::RepositoryError;
use payout_core::usecase::reconciliation::{Period, ReconciledProvider, Reconciliation, Step, Tally};
use tokio::time::timeout;

use self::output::Output;
use self::progress::Progress;
use crate::settings::{Config, ConfigError, ReconcileCommand};
use crate::unusable::Unusable;
use crate::wiring::Ports;

const DISAGREE: u8 = 1;
const FAILED: u8 = 2;

/// The error that stopped the reconciliation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The database is in memory, where another process's payouts cannot be seen.
    #[error("DATABASE_URL: memory: is seen by one process only: there is no ledger to read")]
    NoBooks,
    /// The provider is simulated and knows nothing of payments of another process.
    #[error(
        "PAYOUT_PROCESSOR: the simulated provider forgets with its process: there is nothing to check the store against"
    )]
    Simulated,
    /// The period is empty, so that an absence of findings would mean nothing.
    #[error("--since: {since} is not before {until}, where the period ends")]
    NoTime {
        /// The start of the period.
        since: Timestamp,
        /// The end of the period.
        until: Timestamp,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Unusable(Unusable),
    /// The records cannot be read.
    #[error("the ledger cannot be read: {}", crate::doctor::in_a_line(.0))]
    ReconciliationReader(#[from] RepositoryError),
    /// The findings cannot be written.
    #[error("the findings cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Looks up every payout of the period.
///
/// # Errors
/// [`ReconcileError`]; the findings written before the error are not complete.
pub(crate) async fn reconcile(
    config: &Config,
    command: ReconcileCommand,
) -> Result<ExitCode, ReconcileError> {
    let ports = Ports::new(config)?;
    if ports.is_simulated() {
        return Err(ReconcileError::Simulated);
    }
    let reader = ports.store.reconciliation().ok_or(ReconcileError::NoBooks)?;
    let now = ports.repository.now().await;
    let now = now.map_err(|error| ReconcileError::Unusable(Unusable::new(&config.database, &error)))?;
    let period = Period {
        since: command.since.seen_from(now),
        until: command.until.map_or(now, |until| until.seen_from(now)),
        concurrency: usize::from(command.concurrency),
        call_timeout: config.worker.call_timeout,
        too_long: command.too_long.0,
    };
    let Period { since, until, .. } = period;
    if since >= until {
        return Err(ReconcileError::NoTime { since, until });
    }
    let reconciliation = Reconciliation {
        repository: ports.repository.clone(),
        reader,
        providers: ports
            .providers
            .iter()
            .map(|provider| ReconciledProvider {
                name: provider.name.clone(),
                adopts_unnamed: provider.settings.adopts_unnamed,
                processor: provider.processor.clone(),
            })
            .collect(),
    };
    let mut output = Output::new(command.format, io::stdout().lock());
    let mut progress = Progress::start(&ports.system);
    let mut written = output.begin();
    let tally = reconciliation
        .run(&period, |step| match step {
            Step::LookedUp => progress.looked_up(),
            Step::Found(finding) => {
                progress.found();
                if written.is_ok() {
                    written = progress.aside(|| output.finding(&finding));
                }
            }
        })
        .await;
    let tally = tally?;
    written?;
    output.end(&period, tally)?;
    progress.end(tally);
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    Ok(verdict(tally))
}

fn verdict(tally: Tally) -> ExitCode {
    match tally {
        Tally { unanswered: 1.., .. } => ExitCode::from(FAILED),
        Tally {
            disagreements: 1.., ..
        } => ExitCode::from(DISAGREE),
        Tally { .. } => ExitCode::SUCCESS,
    }
}
