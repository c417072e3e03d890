//! The keys that recipients are encrypted with, and where a process may do without.

use std::net::SocketAddr;

use payout_adapters::encryption::EncryptionKeys;

use super::parse::Reader;
use super::table::section;
use super::{Command, ConfigError, Database, EncryptionCommand};

const VARIABLE: &str = "PAYOUT_ENCRYPTION_KEYS";

section! {
    /// The row of the encryption keys.
    pub(super) struct EncryptionRow in SECTION, titled "Encryption", read by Encryption {
        /// The keys that account numbers and names are encrypted with: `ID:BASE64` of 32 bytes, comma-separated, the
        /// current one first. Make one with `echo "k1:$(openssl rand -base64 32)"`.
        pub(super) keys: Option<EncryptionKeys> = "PAYOUT_ENCRYPTION_KEYS" {
            option: "encryption-keys", value: "KEYS", secret: true, see: "Encryption",
            unset: "stored in plain, which needs loopback or SQLite",
        } => optional(keyring),
    }
}

fn keyring(text: Reader<'_>) -> Result<EncryptionKeys, ConfigError> {
    EncryptionKeys::parse(text.text).map_err(|error| text.error(error))
}

impl EncryptionRow {
    /// The keys; without any, a process that others may reach stores no account in PostgreSQL.
    ///
    /// # Errors
    /// [`ConfigError`] when they are needed and absent.
    pub(super) fn keyring(
        self,
        command: &Command,
        database: &Database,
        bind: SocketAddr,
    ) -> Result<EncryptionKeys, ConfigError> {
        if let Some(keyring) = self.keys {
            return Ok(keyring);
        }
        let why = match (command, database) {
            (Command::Encryption(EncryptionCommand::Rotate) | Command::KeysRotate, _) => {
                Some("there is nothing to seal with".to_owned())
            }
            (_, Database::Memory | Database::Sqlite { .. }) => None,
            (Command::Run | Command::Serve, Database::Postgres { .. }) => {
                (!bind.ip().is_loopback()).then(|| format!("others may reach this service at {bind}"))
            }
            (Command::Worker | Command::ImportDjango(_) | Command::Import(_), Database::Postgres { .. }) => {
                (!database.is_on_this_host()).then(|| "the database is on another host".to_owned())
            }
            (
                Command::Migrate
                | Command::Keys(_)
                | Command::Providers(_)
                | Command::Webhooks(_)
                | Command::Openapi { .. }
                | Command::Doctor { .. }
                | Command::Reconcile(_)
                | Command::Export(_)
                | Command::Backup { .. }
                | Command::Batch(_)
                | Command::Healthcheck,
                Database::Postgres { .. },
            ) => None,
        };
        match why {
            None => Ok(EncryptionKeys::default()),
            Some(why) => Err(ConfigError::new(
                VARIABLE,
                format!(
                    "is needed, since {why}; without it account numbers and names are stored in plain. \
                     Make a key with: echo \"k1:$(openssl rand -base64 32)\""
                ),
            )),
        }
    }
}
