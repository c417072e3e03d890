//! The commands for API keys.

use std::time::Duration;

use clap::Subcommand;
use payout_core::access::{KeyName, KeyOwner, Scope};

/// A command for API keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and print its secret on standard output: it cannot be shown again
    Create {
        /// Its name, also in the audit trail; never used a second time
        name: KeyName,
        /// Its scopes, comma-separated: read, write, operate (retry, cancel, resolve), approve,
        /// reveal, admin (keys, and every
        /// other scope)
        #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Vec<Scope>,
        /// The name of the key that it replaces, revoked or not: it knows that one's idempotency keys, and pays out of
        /// its day
        #[arg(long, value_name = "NAME", value_parser = KeyName::stored)]
        succeeds: Option<KeyName>,
        /// The days after which the key expires; without it, it does not expire
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_in_days: Option<u32>,
        /// The person who holds the key: nobody approves what a key of the same owner created; without it, the owner of
        /// the key that it replaces
        #[arg(long, value_name = "OWNER")]
        owner: Option<KeyOwner>,
    },
    /// List the keys, and until when the secret before a rotation still opens
    List,
    /// Revoke a key for good; every process knows of it within about two seconds
    Revoke {
        /// Its name
        #[arg(value_parser = KeyName::stored)]
        name: KeyName,
    },
    /// Give a key another secret, and print it on standard output: it cannot be shown again
    Rotate {
        /// Its name
        #[arg(value_parser = KeyName::stored)]
        name: KeyName,
        /// The minutes for which the previous secret stays valid
        #[arg(long, value_name = "MINUTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_080))]
        overlap_minutes: u32,
    },
}

impl KeysCommand {
    /// The overlap of a rotation.
    pub(crate) fn minutes(minutes: u32) -> Duration {
        Duration::from_secs(u64::from(minutes) * 60)
    }
}
