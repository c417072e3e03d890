//! The command `payout doctor`: checks everything that a process needs, and reports what is wrong and what to do.
//!
//! [`checks`], [`durability`], [`locks`], [`providers`] and [`webhooks`] have the checks, and [`report`] prints the
//! findings. The command changes nothing but the rows that exist to test writes. It shows no secret: addresses are masked, and the errors of adapters
//! contain none.

mod checks;
mod durability;
mod locks;
mod providers;
mod report;
mod webhooks;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;

use crate::providers_command;
use crate::settings::{Config, ConfigError};
use crate::wiring::Ports;

use self::report::Report;
pub(crate) use self::report::in_a_line;

/// Checks the providers alone and prints the findings. The exit code is 0, or 1 if a check failed.
///
/// # Errors
/// [`ConfigError`] if there is no file of providers, or the file has a mistake.
pub(crate) async fn examine_providers(config: &Config) -> Result<ExitCode, ConfigError> {
    providers_command::needs_file(config)?;
    let ports = Ports::new(config)?;
    let mut report = Report::default();
    providers::settings(config, &ports, &mut report);
    providers::answers(config, &ports, &mut report).await;
    Ok(report.print(false))
}

/// Runs the checks and prints the findings. The exit code is 0, or 1 if a check failed.
///
/// # Errors
/// [`ConfigError`] if an adapter refuses its setting, so that nothing can be checked.
pub(crate) async fn examine(config: &Config, json: bool) -> Result<ExitCode, ConfigError> {
    let ports = Ports::new(config)?;
    let mut report = Report::default();
    checks::settings(config, &mut report);
    if checks::database(config, &ports, &mut report).await {
        locks::access(config, &ports, &mut report).await;
        locks::encryption(config, &ports, &mut report).await;
        providers::due(&ports, &mut report).await;
        webhooks::endpoints(&ports, &mut report).await;
    }
    checks::queue(&ports, &mut report).await;
    providers::settings(config, &ports, &mut report);
    providers::answers(config, &ports, &mut report).await;
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    Ok(report.print(json))
}
