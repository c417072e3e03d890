//! Access to the API.

use payout_core::access::KeySecret;

use super::ConfigError;
use super::parse::{Reader, choice};
use super::table::{Part, section};

section! {
    /// The rows of access.
    pub(super) struct AccessRows in SECTION, titled "Access", read by Api {
        /// `off`: as long as there is no API key, every client that reaches the service is answered, and not only this
        /// host; through a proxy only if `PAYOUT_TRUSTED_PROXIES` names it. The first key locks the service either way.
        pub(super) auth_off: Option<bool> = "PAYOUT_AUTH" {
            option: "auth", value: "off", see: "API keys",
            unset: "without API keys, only this host is answered",
        } => optional(choice(&[("off", true)])),

        /// The secret that API keys are hashed with, 32 characters or more, the same for all processes. Keys that were
        /// made under another one open nothing.
        pub(super) key_secret: Option<KeySecret> = "PAYOUT_KEY_SECRET" {
            option: "key-secret", value: "SECRET", secret: true, part: Part::ApiKeys,
            unset: "a random one that the database keeps",
        } => optional(key_secret),
    }
}

fn key_secret(text: Reader<'_>) -> Result<KeySecret, ConfigError> {
    KeySecret::new(text.text.as_bytes()).map_err(|error| text.error(error))
}
