//! The source of secrets: the operating system's random generator.

use payout_core::ports::{NoSecret, SecretSource};

/// The operating system's random generator, for the secrets of API keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsSecrets;

impl SecretSource for OsSecrets {
    fn draw(&self) -> Result<[u8; 32], NoSecret> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|error| NoSecret(error.to_string()))?;
        Ok(bits)
    }
}
