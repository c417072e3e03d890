//! The database that payouts are stored in.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use payout_adapters::Secret;
use url::Url;

use super::ConfigError;
use super::parse::Reader;
use super::table::section;

const VARIABLE: &str = "DATABASE_URL";

section! {
    /// The row of the database.
    pub(super) struct DatabaseRow in SECTION, titled "Database", read by Database {
        /// `sqlite://FILE` (created when missing), `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `memory:`.
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
        /// Its address, which may hold a password.
        url: Secret,
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
            "postgres" | "postgresql" => match Url::parse(text) {
                Ok(url) if url.host_str().is_some_and(|host| !host.is_empty()) || url.query().is_some() => {
                    Ok(Self::Postgres { url: text.into() })
                }
                Ok(_) | Err(_) => refuse("use postgres://user:password@host:port/database".to_owned()),
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
            Self::Postgres { url } => Url::parse(url.expose()).is_ok_and(|url| {
                // A parameter wins over the address, and may name the folder of a socket.
                let named = url
                    .query_pairs()
                    .find(|(name, _)| name == "host" || name == "hostaddr");
                let host = named.map(|(_, host)| host.into_owned());
                let host = host
                    .or_else(|| url.host_str().map(str::to_owned))
                    .unwrap_or_default();
                let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
                host.is_empty()
                    || host.starts_with('/')
                    || host == "localhost"
                    || address.is_ok_and(|address| address.is_loopback())
            }),
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
            Self::Postgres { url } => f.write_str(&masked(url.expose())),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// An address without its password and parameters.
pub(crate) fn masked(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return "***".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    // Parameters may hold a password too.
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
