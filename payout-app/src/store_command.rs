//! The frame of a command that works on the configured store: it checks the schema, answers within a time limit, and
//! closes the store.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use payout_adapters::encryption::KeyCheck;
use tokio::time::timeout;

use crate::settings::Config;
use crate::unusable::Unusable;
use crate::wiring::Ports;

/// The time limit for the whole command.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints the answer, or returns one line that says why the command failed.
pub(crate) async fn run(
    config: &Config,
    ports: &Ports,
    answer: impl Future<Output = Result<String, String>>,
) -> Result<ExitCode, String> {
    let done = timeout(PATIENCE, async {
        has_schema(config, ports).await?;
        answer.await
    })
    .await;
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    let text = done.unwrap_or_else(|_| Err(silent(config)))?;
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks within a time limit that the store can be used, or returns one line that says why not.
pub(crate) async fn ready(config: &Config, ports: &Ports) -> Result<(), String> {
    let ready = timeout(PATIENCE, has_schema(config, ports)).await;
    ready.unwrap_or_else(|_| Err(silent(config)))
}

/// Checks that a command which writes encrypted data has the keys of the database, or returns one line that says which
/// is missing.
pub(crate) async fn has_keys(config: &Config, ports: &Ports) -> Result<(), String> {
    match ports.store.compare_keys().await {
        Ok(KeyCheck::Fits) => Ok(()),
        Ok(check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. })) => Err(format!(
            "{check}: give this command the PAYOUT_ENCRYPTION_KEYS of the service"
        )),
        Err(error) => Err(Unusable::new(&config.database, &error).to_string()),
    }
}

async fn has_schema(config: &Config, ports: &Ports) -> Result<(), String> {
    match ports.store.schema_is_current().await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the database's schema is not current: run `payout migrate`".to_owned()),
        Err(error) => Err(Unusable::new(&config.database, &error).to_string()),
    }
}

fn silent(config: &Config) -> String {
    format!("{} does not answer", config.database)
}
