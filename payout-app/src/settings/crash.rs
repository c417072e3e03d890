//! Where a test makes this process die (feature `crash-points`; no release has it).

use payout_core::crash::{self, Point};

use super::{Config, ConfigError};

const VARIABLE: &str = "PAYOUT_CRASH_AT";

impl Config {
    /// Arms the crash point that `PAYOUT_CRASH_AT` names, if it names one.
    ///
    /// # Errors
    /// [`ConfigError`] when there is no such point: a test that waits for a crash must not wait in vain.
    pub fn arm_crash_point() -> Result<(), ConfigError> {
        let Some(name) = std::env::var_os(VARIABLE) else {
            return Ok(());
        };
        let point: Point = name
            .to_string_lossy()
            .parse()
            .map_err(|error| ConfigError::new(VARIABLE, error))?;
        crash::arm(point);
        Ok(())
    }
}
