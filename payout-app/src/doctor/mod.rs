//! The command `payout doctor`: checks everything that a process needs, and reports what is wrong and what to do.
//!
//! [`checks`], [`durability`] and [`locks`] have the checks, and [`report`] prints the findings. The command changes
//! nothing but the rows that exist to test writes. It shows no secret: addresses are masked, and the errors of adapters
//! contain none.

mod checks;
mod durability;
mod locks;
mod report;

#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;

use crate::settings::{Config, ConfigError};
use crate::wiring::Ports;

use self::report::Report;
pub(crate) use self::report::in_a_line;

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
    }
    checks::queue(&ports, &mut report).await;
    checks::provider(config, &ports, &mut report).await;
    let _ = timeout(Duration::from_secs(2), ports.store.close()).await;
    Ok(report.print(json))
}
