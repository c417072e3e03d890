//! The keys that who is paid is sealed with, and where a process may do without.

use std::net::SocketAddr;

use payout_adapters::Secret;
use payout_adapters::seal::Keyring;

use super::{Command, ConfigError, Database, secrets};

const VARIABLE: &str = "PAYOUT_ENCRYPTION_KEYS";

/// Reads the keys; without any, a process that others may reach keeps nobody's account in PostgreSQL.
///
/// # Errors
/// [`ConfigError`] when they are no keys, or are needed and absent.
pub(super) fn keyring(
    option: Option<&Secret>,
    command: &Command,
    database: &Database,
    bind: SocketAddr,
) -> Result<Keyring, ConfigError> {
    if let Some(keys) = secrets::ENCRYPTION_KEYS.read(option)? {
        return Keyring::parse(keys.expose()).map_err(|error| ConfigError::new(VARIABLE, error));
    }
    let why = match (command, database) {
        (Command::KeysRotate, _) => Some("there is nothing to seal with".to_owned()),
        (_, Database::Memory | Database::Sqlite { .. }) => None,
        (Command::Run | Command::Serve, Database::Postgres { .. }) => {
            (!bind.ip().is_loopback()).then(|| format!("others may reach this service at {bind}"))
        }
        (Command::Worker | Command::ImportDjango(_), Database::Postgres { .. }) => {
            (!database.is_on_this_host()).then(|| "the database is on another host".to_owned())
        }
        (
            Command::Migrate
            | Command::Keys(_)
            | Command::Openapi { .. }
            | Command::Doctor { .. }
            | Command::Reconcile(_)
            | Command::Backup { .. }
            | Command::Healthcheck,
            Database::Postgres { .. },
        ) => None,
    };
    match why {
        None => Ok(Keyring::default()),
        Some(why) => Err(ConfigError::new(
            VARIABLE,
            format!(
                "is needed, since {why}; without it account numbers and names are stored in plain. \
                 Make a key with: echo \"k1:$(openssl rand -base64 32)\""
            ),
        )),
    }
}
