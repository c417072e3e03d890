//! The address of a PostgreSQL database: a URL with one host or several, as libpq reads it.

use std::fmt;
use std::net::IpAddr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::form_urlencoded;

use crate::Secret;

/// The parameters that the driver reads, besides those of a host and `options[…]`.
const PARAMETERS: [&str; 15] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The longest part of an unknown parameter's name that is shown.
const SHOWN: usize = 40;

/// The kind of server that a connection must lead to: the URL's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetSession {
    /// Any server that lets this user in.
    Any,
    /// A server that takes writes, also by its settings.
    ReadWrite,
    /// A server that is not a standby.
    Primary,
}

/// The address of a PostgreSQL database.
///
/// A URL may name several hosts (`postgres://a:5432,b:5432/payouts`, or lists in the parameters `host` and `port`).
/// `target_session_attrs` is `primary` without a value of its own, since this service has no use for a standby.
#[derive(Debug, Clone)]
pub struct PostgresAddress {
    hosts: Vec<Host>,
    target: TargetSession,
    /// The user, with three asterisks for the password, and `@`.
    user: String,
    /// The database, with a leading slash.
    path: String,
}

/// One host of an address.
#[derive(Debug, Clone)]
struct Host {
    name: String,
    port: Option<String>,
    /// The URL of this host alone.
    url: Secret,
}

/// The reason why a text is not the address of a PostgreSQL database. It quotes no value, since that may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no such URL.
    #[error("use postgres://user:password@host:port/database")]
    NotAnAddress,
    /// A parameter is unknown.
    #[error("the parameter {0} is unknown")]
    UnknownParameter(String),
    /// `target_session_attrs` has another value than those that make sense for a service that writes.
    #[error("target_session_attrs is any, read-write or primary")]
    UnknownTarget,
    /// There are several ports, but not one for each host.
    #[error("name one port, or one for each host")]
    Ports,
}

impl PostgresAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`AddressError`], without any value of the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::NotAnAddress)?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(AddressError::NotAnAddress);
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, servers) = authority.rsplit_once('@').unwrap_or(("", authority));
        let parameters = Parameters::read(query)?;
        let named = if parameters.hosts.is_empty() {
            Self::of_authority(servers)?
        } else {
            parameters.named()?
        };
        if named.iter().any(|(name, _)| name.is_empty()) && (named.len() > 1 || query.is_empty()) {
            return Err(AddressError::NotAnAddress);
        }
        let login = if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        };
        let host = |(name, port): (String, Option<String>)| {
            let server = match &port {
                Some(port) => format!("{name}:{port}"),
                None => name.clone(),
            };
            let url = format!("postgres://{login}{server}{path}?{}", parameters.others);
            let url = Secret::from(url);
            let parsed: Result<PgConnectOptions, _> = url.expose().parse();
            // The parser's error may quote the URL, and with it the password.
            parsed.map_err(|_| AddressError::NotAnAddress)?;
            Ok(Host { name, port, url })
        };
        let hosts: Result<Vec<Host>, AddressError> = named.into_iter().map(host).collect();
        Ok(Self {
            hosts: hosts?,
            target: parameters.target,
            user: match user.split_once(':') {
                Some((name, _)) => format!("{name}:***@"),
                None => login,
            },
            path: path.to_owned(),
        })
    }

    /// Splits the hosts between the user and the path.
    fn of_authority(servers: &str) -> Result<Vec<(String, Option<String>)>, AddressError> {
        let split = |server: &str| {
            let in_brackets = server.rfind(']').unwrap_or(0);
            match server[in_brackets..].find(':') {
                None => Ok((server.to_owned(), None)),
                Some(at) => {
                    let (name, port) = server.split_at(in_brackets + at);
                    let port = &port[1..];
                    let number: Result<u16, _> = port.parse();
                    number.map_err(|_| AddressError::NotAnAddress)?;
                    Ok((name.to_owned(), Some(port.to_owned())))
                }
            }
        };
        servers.split(',').map(split).collect()
    }

    /// Returns whether every host is this one.
    pub fn is_on_this_host(&self) -> bool {
        self.hosts.iter().all(|host| {
            let name = host.name.trim_matches(['[', ']']);
            let address = name.parse::<IpAddr>();
            name.is_empty()
                || name
                    .get(..3)
                    .is_some_and(|start| start.eq_ignore_ascii_case("%2F"))
                || name == "localhost"
                || address.is_ok_and(|address| address.is_loopback())
        })
    }

    /// Returns the names of the hosts, with their ports.
    pub(super) fn names(&self) -> Vec<String> {
        self.hosts.iter().map(Host::shown).collect()
    }

    pub(super) fn target(&self) -> TargetSession {
        self.target
    }

    /// Returns how to connect to each host.
    pub(super) fn options(&self) -> Result<Vec<PgConnectOptions>, AddressError> {
        let options = |host: &Host| {
            let options: Result<PgConnectOptions, _> = host.url.expose().parse();
            let mut options = options.map_err(|_| AddressError::NotAnAddress)?;
            // On this host, encryption only adds cost. Also, sqlx 0.9.0 leaves Nagle's algorithm on (its issue 4335):
            // each statement of more than one TLS record, such as a batch of twenty payouts, would wait 40 ms for an
            // acknowledgement.
            if is_this_host(options.get_host()) && matches!(options.get_ssl_mode(), PgSslMode::Prefer) {
                options = options.ssl_mode(PgSslMode::Disable);
            }
            Ok(options)
        };
        self.hosts.iter().map(options).collect()
    }
}

/// Returns how to connect to each host of a URL, for connections outside the repository's pools.
///
/// # Errors
/// [`AddressError`] when the URL is not that of a PostgreSQL database.
pub(crate) fn connect_options(url: &str) -> Result<Vec<PgConnectOptions>, AddressError> {
    let options = PostgresAddress::parse(url)?.options()?;
    Ok(options
        .into_iter()
        .map(ConnectOptions::disable_statement_logging)
        .collect())
}

impl Host {
    fn shown(&self) -> String {
        match &self.port {
            Some(port) => format!("{}:{port}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Shows the address without its password and parameters.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, path) = (&self.user, &self.path);
        write!(f, "postgres://{user}{}{path}", self.names().join(","))
    }
}

/// The parameters of a URL: those that this module reads, and the others for the driver.
struct Parameters {
    hosts: Vec<String>,
    ports: Vec<String>,
    target: TargetSession,
    others: String,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, AddressError> {
        let mut this = Self {
            hosts: Vec::new(),
            ports: Vec::new(),
            target: TargetSession::Primary,
            others: String::new(),
        };
        let mut others = form_urlencoded::Serializer::new(String::new());
        let list = |value: &str| value.split(',').map(str::to_owned).collect();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                // The address is what is dialled, where both are given.
                "host" if this.hosts.is_empty() => this.hosts = list(&value),
                "host" => (),
                "hostaddr" => this.hosts = list(&value),
                "port" => this.ports = list(&value),
                "target_session_attrs" => {
                    this.target = match &*value {
                        "any" => TargetSession::Any,
                        "read-write" => TargetSession::ReadWrite,
                        "primary" => TargetSession::Primary,
                        _ => return Err(AddressError::UnknownTarget),
                    };
                }
                known if PARAMETERS.contains(&known) || known.starts_with("options[") => {
                    others.append_pair(known, &value);
                }
                unknown => {
                    let shown = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '[' | ']');
                    let name = unknown.chars().filter(shown).take(SHOWN).collect();
                    return Err(AddressError::UnknownParameter(name));
                }
            }
        }
        if this.hosts.is_empty() && !this.ports.is_empty() {
            others.append_pair("port", this.ports.first().map_or("", String::as_str));
        }
        this.others = others.finish();
        Ok(this)
    }

    /// Pairs the hosts with their ports, in the form that a URL has between the user and the path.
    fn named(&self) -> Result<Vec<(String, Option<String>)>, AddressError> {
        let port_of = |index: usize| match self.ports.as_slice() {
            [] => Ok(None),
            [port] => Ok(Some(port.clone())),
            ports if ports.len() == self.hosts.len() => Ok(ports.get(index).cloned()),
            _ => Err(AddressError::Ports),
        };
        let named = self.hosts.iter().enumerate().map(|(index, name)| {
            let name = if name.contains(':') {
                format!("[{name}]")
            } else {
                // The folder of a socket.
                name.replace('/', "%2F")
            };
            Ok((name, port_of(index)?.filter(|port| !port.is_empty())))
        });
        named.collect()
    }
}

fn is_this_host(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresAddress {
        PostgresAddress::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn each_host_of_a_list_has_its_own_port() {
        for (text, hosts) in [
            ("postgres://u:p@a:1,b:2/db", "a:1 b:2"),
            ("postgres://a,b:2/db?target_session_attrs=read-write", "a b:2"),
            ("postgresql://u@/db?host=a,b&port=1,2", "a:1 b:2"),
            ("postgres:///db?host=a,b&port=7", "a:7 b:7"),
            ("postgres://h/db?hostaddr=10.0.0.1", "10.0.0.1"),
            ("postgres:///db?host=/run/postgresql", "%2Frun%2Fpostgresql"),
            ("postgres://[::1]:5433/db", "[::1]:5433"),
            ("postgres:///db?host=::1", "[::1]"),
        ] {
            let address = read(text);
            assert_eq!(address.names().join(" "), hosts, "{text}");
            let options = address.options().unwrap();
            assert_eq!(options[0].get_database(), Some("db"), "{text}");
        }
        let [a, b] = &read("postgres://u:p@a:1,b:2/db").options().unwrap()[..] else {
            panic!("two hosts");
        };
        assert_eq!((a.get_host(), a.get_port()), ("a", 1));
        assert_eq!((b.get_host(), b.get_port(), b.get_username()), ("b", 2, "u"));
        let socket = &read("postgres:///db?host=/run/x").options().unwrap()[0];
        assert_eq!(socket.get_socket().unwrap().to_str(), Some("/run/x"));
    }

    #[test]
    fn a_server_that_takes_writes_is_wanted_unless_the_url_says_otherwise() {
        for (text, target) in [
            ("postgres://h/db", TargetSession::Primary),
            (
                "postgres://h/db?target_session_attrs=primary",
                TargetSession::Primary,
            ),
            (
                "postgres://h/db?target_session_attrs=read-write",
                TargetSession::ReadWrite,
            ),
            ("postgres://h/db?target_session_attrs=any", TargetSession::Any),
        ] {
            assert_eq!(read(text).target(), target, "{text}");
        }
        let standby = PostgresAddress::parse("postgres://h/db?target_session_attrs=standby");
        assert_eq!(standby.unwrap_err(), AddressError::UnknownTarget);
    }

    #[test]
    fn what_is_not_understood_is_named_and_nothing_else_is() {
        for (text, says) in [
            (
                "postgres://u:hunter2@h/db?connect_timeout=3",
                "the parameter connect_timeout is unknown",
            ),
            ("postgres://h/db?hunter2%20x", "the parameter hunter2x is unknown"),
            ("postgres://u:hunter2@a,/db", "use postgres://"),
            ("postgres://u:hunter2@a:b/db", "use postgres://"),
            ("postgres://", "use postgres://"),
            ("postgres://[", "use postgres://"),
            ("postgres://h/db?sslmode=hunter2", "use postgres://"),
            ("postgres:///db?host=a,b,c&port=1,2", "one for each host"),
        ] {
            let error = PostgresAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_is_shown_with_its_hosts_and_without_its_password() {
        for (text, shown) in [
            (
                "postgres://me:hunter2@h/db?sslmode=require",
                "postgres://me:***@h/db",
            ),
            ("postgres://me@a:1,b:2/db", "postgres://me@a:1,b:2/db"),
            ("postgres:///db?host=a,b&password=hunter2", "postgres://a,b/db"),
        ] {
            assert_eq!(read(text).to_string(), shown);
        }
    }

    #[test]
    fn an_address_is_local_where_each_of_its_hosts_is() {
        for (text, local) in [
            ("postgres://localhost,127.0.0.1:5433/db", true),
            ("postgres://[::1]/db", true),
            ("postgres:///db?host=/run/postgresql", true),
            ("postgres://localhost,db.example/db", false),
            ("postgres://localhost/db?host=db.example", false),
        ] {
            assert_eq!(read(text).is_on_this_host(), local, "{text}");
        }
    }
}
