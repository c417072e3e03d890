//! `payout doctor`: looks at everything that a process needs, and says in plain words what is wrong and what to do.
//!
//! [`checks`], [`durability`] and [`locks`] look, [`report`] prints. It changes nothing but the rows that are there to try
//! whether a write goes through, and shows no secret: addresses are masked, and what the
//! adapters say of a failure is free of them.

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

/// Looks, prints, and ends with 0, or with 1 when something has failed.
///
/// # Errors
/// [`ConfigError`] when an adapter refuses its setting: nothing could be looked at.
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
