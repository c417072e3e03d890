//! The commands `payout import` and `payout batch …`. They work on the database directly, so its credentials are what
//! authorizes them. The limits and the routes of the settings apply as to requests.

mod progress;
mod words;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use payout_core::batch::BatchId;
use payout_core::payout::Caller;
use payout_core::ports::{RepositoryError, Telemetry};
use payout_core::usecase::batches::{BatchError, BatchRequest, Batches};
use payout_core::usecase::{ServiceError, Sight};
use tokio::time::timeout;

use self::progress::{Counted, Progress};
use self::words::{Done, result, rows, shown, table};
use crate::approver::approver;
use crate::batch_file::{BatchFile, MOST_BYTES};
use crate::settings::{BatchCommand, BatchImportCommand, Config, ConfigError};
use crate::unusable::Unusable;
use crate::wiring::Ports;
use crate::{rules, store_command};

/// The actors of these commands. No API key can have such a name.
const IMPORT: &str = "payout import";
const BATCH: &str = "payout batch";

/// The reason why a command was not done.
pub(crate) enum Refusal {
    /// A setting is wrong.
    Setting(ConfigError),
    /// One line for any other reason.
    Failed(String),
}

/// The use cases of batches over the configured store.
struct Store {
    batches: Batches,
    ports: Ports,
}

impl Store {
    async fn open(config: &Config) -> Result<Self, Refusal> {
        let ports = Ports::new(config).map_err(Refusal::Setting)?;
        store_command::ready(config, &ports)
            .await
            .map_err(Refusal::Failed)?;
        let payouts = ports.payouts(config, Telemetry::default());
        let repository = ports.batches.clone();
        let repository =
            repository.ok_or_else(|| Refusal::Failed("this database stores no batches".to_owned()))?;
        Ok(Self {
            batches: Batches::new(repository, ports.recipients.clone(), payouts),
            ports,
        })
    }

    /// Opens the store for a command that stores payouts or makes them due: with the encryption keys and the rules of the
    /// service.
    async fn open_to_pay(config: &Config) -> Result<Self, Refusal> {
        let store = Self::open(config).await?;
        let admin = &store.ports.store;
        let fits = async {
            store_command::has_keys(config, &store.ports).await?;
            rules::same(admin, config).await
        };
        match fits.await {
            Ok(()) => Ok(store),
            Err(line) => {
                store.close().await;
                Err(Refusal::Failed(line))
            }
        }
    }

    async fn close(self) {
        let _ = timeout(Duration::from_secs(2), self.ports.store.close()).await;
    }
}

/// Stores the batch of a file. Exits with 1 if rows are wrong, which standard output names as CSV.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn import(config: &Config, command: &BatchImportCommand) -> Result<ExitCode, Refusal> {
    let bytes = read(&command.file)
        .map_err(|error| Refusal::Failed(format!("{}: {error}", command.file.display())))?;
    let file = match BatchFile::open(bytes, command.decimal.sign()) {
        Ok(file) => file,
        Err(error) => {
            print(&rows(&error.mistakes()))?;
            return Err(Refusal::Failed(format!("{}: {error}", command.file.display())));
        }
    };
    let store = Store::open_to_pay(config).await?;
    let progress = Progress::begin(command.dry_run);
    let request = BatchRequest {
        external_id: command.external_id.clone(),
        description: command.description.clone().unwrap_or_default(),
        scheduled_at: command.scheduled_at,
        dry_run: command.dry_run,
        only_new: command.only_new,
        sight: Sight::Whole,
    };
    let source = Arc::new(Counted {
        file,
        progress: progress.clone(),
    });
    let answer = store.batches.create(source, request, Caller::named(IMPORT)).await;
    progress.end();
    store.close().await;
    match answer {
        Ok(answer) => {
            print(&result(&answer))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(BatchError::Mistakes(mistakes)) => {
            print(&rows(mistakes.listed()))?;
            Err(Refusal::Failed(BatchError::Mistakes(mistakes).to_string()))
        }
        Err(error) => Err(Refusal::Failed(in_words(config, &error))),
    }
}

/// Runs a command on stored batches. Exits with 1 if it could not do everything that it was to do.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn run(config: &Config, command: &BatchCommand) -> Result<ExitCode, Refusal> {
    let store = match command {
        BatchCommand::Retry { .. } => Store::open_to_pay(config).await?,
        BatchCommand::List { .. }
        | BatchCommand::Show { .. }
        | BatchCommand::Approve { .. }
        | BatchCommand::Reject { .. }
        | BatchCommand::Cancel { .. } => Store::open(config).await?,
    };
    let done = answered(config, &store, command).await;
    store.close().await;
    let done = done?;
    print(&done.text)?;
    Ok(if done.is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn answered(config: &Config, store: &Store, command: &BatchCommand) -> Result<Done, Refusal> {
    let (batches, keys) = (&store.batches, &store.ports.keys);
    let caller = |reason: &Option<String>| match reason {
        Some(reason) => Caller::named(BATCH).because(reason),
        None => Caller::named(BATCH),
    };
    let done = match command {
        BatchCommand::List { limit } => {
            let listed = batches.list(None, *limit).await;
            listed.map(|listed| Done::read(table(&listed)))
        }
        BatchCommand::Show { id } => {
            let progress = batches.get(*id, &caller(&None)).await;
            progress.map(|progress| Done::read(shown(&progress)))
        }
        BatchCommand::Approve { id, key_file, reason } => {
            let caller = approver(keys, key_file).await.map_err(Refusal::Failed)?;
            approve(
                batches,
                *id,
                caller.because(reason.as_deref().unwrap_or_default()),
            )
            .await
        }
        BatchCommand::Reject { id, key_file, reason } => {
            let caller = approver(keys, key_file).await.map_err(Refusal::Failed)?;
            let rejected = batches.reject(*id, caller.because(reason)).await;
            rejected.map(|step| words::rejected(&step))
        }
        BatchCommand::Cancel { id, reason } => {
            let cancelled = batches.cancel(*id, caller(reason)).await;
            cancelled.map(|step| words::cancelled(&step))
        }
        BatchCommand::Retry { id, reason } => {
            let retried = batches.retry(*id, caller(reason)).await;
            retried.map(|step| words::retried(&step))
        }
    };
    done.map_err(|error| Refusal::Failed(in_words(config, &error)))
}

/// Approves a batch, for as long as that takes.
async fn approve(batches: &Batches, id: BatchId, caller: Caller) -> Result<Done, BatchError> {
    let (mut approved, mut complete) = (0, 0);
    loop {
        let step = batches.approve(id, None, caller.clone()).await?;
        approved += step.approved;
        complete += step.complete;
        // A part that changed nothing would change nothing the next time either.
        if !step.is_partial || step.approved == 0 {
            return Ok(words::approved(approved, complete, &step));
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // One byte more shows that the file is too large.
    let most = MOST_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn print(text: &str) -> Result<(), Refusal> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| Refusal::Failed(error.to_string()))
}

fn in_words(config: &Config, error: &BatchError) -> String {
    if let BatchError::Service(ServiceError::Repository(error @ RepositoryError::Unavailable(_))) = error {
        return Unusable::new(&config.database, error).to_string();
    }
    error.to_string()
}
