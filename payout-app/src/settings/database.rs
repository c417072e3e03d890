//! The database that payouts are stored in.

use std::fmt;
use std::path::PathBuf;

use payout_adapters::Secret;
use payout_adapters::storage::postgres::PostgresAddress;

use super::ConfigError;
use super::parse::Reader;
use super::table::section;

const VARIABLE: &str = "DATABASE_URL";

section! {
    /// The row of the database.
    pub(super) struct DatabaseRow in SECTION, titled "Database", read by Database {
        /// `sqlite://FILE` (created when missing), `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `memory:`. Of several
        /// hosts (`HOST:PORT,HOST:PORT`), the one that takes writes is used.
        pub(super) database: Database = "DATABASE_URL" {
            option: "database-url", value: "URL", default: "sqlite://payouts.db", secret: true,
            see: "PostgreSQL and Redis",
        } => required(database),
    }
}

fn database(text: Reader<'_>) -> Result<Database, ConfigError> {
    Database::parse(text.text)
}

/// The database that payouts are stored in.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, created when it is missing.
    Sqlite {
        /// Its path.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// Its URL, which may hold a password.
        url: Secret,
        /// The address that the URL names.
        address: PostgresAddress,
    },
    /// This process's memory.
    Memory,
}

impl Database {
    /// Reads `sqlite://path`, `postgres://…` or `memory:`.
    ///
    /// # Errors
    /// [`ConfigError`], which shows at most the scheme.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |message: String| Err(ConfigError::new(VARIABLE, message));
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "memory" if rest.is_empty() || rest == "//" => Ok(Self::Memory),
            "memory" => refuse("memory: takes nothing after it".to_owned()),
            "sqlite" => Self::sqlite(rest),
            "postgres" | "postgresql" => match PostgresAddress::parse(text) {
                Ok(address) => Ok(Self::Postgres {
                    url: text.into(),
                    address,
                }),
                Err(error) => refuse(error.to_string()),
            },
            // Without a colon it may be anything, also a password that went astray.
            _ if !text.contains(':') => {
                refuse("has no scheme: use sqlite://, postgres:// or memory:".to_owned())
            }
            _ => {
                let shown: String = scheme
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .take(20)
                    .collect();
                refuse(format!(
                    "the scheme {shown:?} is unknown: use sqlite://, postgres:// or memory:"
                ))
            }
        }
    }

    fn sqlite(rest: &str) -> Result<Self, ConfigError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() {
            return Err(ConfigError::new(
                VARIABLE,
                "sqlite:// needs a path, such as sqlite://payouts.db",
            ));
        }
        if path == ":memory:" || path.contains("mode=memory") {
            return Err(ConfigError::new(
                VARIABLE,
                "SQLite in memory is not supported: use memory:",
            ));
        }
        if path.contains('?') {
            return Err(ConfigError::new(
                VARIABLE,
                "sqlite:// takes a path and no parameters",
            ));
        }
        Ok(Self::Sqlite { path: path.into() })
    }

    /// Returns whether the database is on this host.
    pub fn is_on_this_host(&self) -> bool {
        match self {
            Self::Sqlite { .. } | Self::Memory => true,
            Self::Postgres { address, .. } => address.is_on_this_host(),
        }
    }

    /// Where its file would be, when it is one and is not there.
    pub fn missing(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite { path } if matches!(path.try_exists(), Ok(false)) => {
                Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            Self::Sqlite { .. } | Self::Postgres { .. } | Self::Memory => None,
        }
    }

    /// The kind, for health checks and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Memory => "memory",
        }
    }
}

/// Shows the database without its password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { address, .. } => address.fmt(f),
            Self::Memory => f.write_str("memory:"),
        }
    }
}
