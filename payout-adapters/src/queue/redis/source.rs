//! The servers that connections are opened to: one server, the primary that sentinels name, or a cluster.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisFuture, TlsMode,
    Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::Failure;
use super::greeting;
use super::settings::InvalidRedisUrl;

pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The time limit for the answer to a command, connecting included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The limit of a cluster's client for one answer: longer than the longest wait in Redis. Callers have limits of their
/// own.
const LONGEST_ANSWER: Duration = Duration::from_secs(65);

/// The servers.
#[derive(Clone)]
pub(super) enum Source {
    /// One server.
    Server(Box<Client>),
    /// The primary that sentinels name. They are asked for each new connection.
    Sentinels(Arc<Mutex<SentinelClient>>),
    /// A cluster.
    Cluster(Box<ClusterClient>),
}

/// A connection to whichever of them.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To a cluster: the client opens connections to its servers by itself.
    Cluster(ClusterConnection),
}

impl Source {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidRedisUrl)?;
        match scheme.split_once('+') {
            None => Client::open(url)
                .map(|client| Self::Server(Box::new(client)))
                .map_err(|_| InvalidRedisUrl),
            Some((plain @ ("redis" | "rediss"), kind)) => {
                let several = Several::parse(plain, rest)?;
                match kind {
                    "sentinel" => several.sentinels(),
                    "cluster" => several.cluster(),
                    _ => Err(InvalidRedisUrl),
                }
            }
            Some(_) => Err(InvalidRedisUrl),
        }
    }

    /// Reports whether keys must name their slot.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Opens a connection.
    ///
    /// The connection has no response timeout; its callers limit each command themselves. The client's own timeout would
    /// cut off a long read, and the entries that Redis then delivers would be lost.
    pub(super) async fn dial(&self) -> Result<Connection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(None);
        let opening = async {
            match self {
                Self::Server(client) => {
                    let opening = client.get_multiplexed_async_connection_with_config(&config);
                    opening.await.map(Connection::Server)
                }
                Self::Sentinels(sentinels) => {
                    let mut sentinels = sentinels.lock().await;
                    let opening = sentinels.get_async_connection_with_config(&config);
                    opening.await.map(Connection::Server)
                }
                Self::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
            }
        };
        let bound = match self {
            Self::Server(_) => CONNECT_WITHIN,
            // Several servers are asked, one after the other.
            Self::Sentinels(_) | Self::Cluster(_) => ANSWER_WITHIN,
        };
        let opened = timeout(bound, opening)
            .await
            .map_err(|_| Failure::Timeout("connecting"))?;
        let failure = match opened {
            Ok(connection) => return Ok(connection),
            Err(error) => Failure::from(error),
        };
        match self {
            Self::Server(client) if failure.is_lost_connection() => {
                let refusal = greeting::refusal(client.get_connection_info().addr()).await;
                Err(refusal.unwrap_or(failure))
            }
            Self::Server(_) | Self::Sentinels(_) | Self::Cluster(_) => Err(failure),
        }
    }
}

/// A URL with several hosts.
struct Several {
    hosts: Vec<ConnectionInfo>,
    /// The first part of the path: the name of the primary among sentinels.
    name: Option<String>,
    is_tls: bool,
    /// A password of the sentinels themselves.
    sentinel_password: Option<String>,
}

impl Several {
    fn parse(scheme: &str, rest: &str) -> Result<Self, InvalidRedisUrl> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let name = path.next().map(str::to_owned);
        let number = path.next().unwrap_or_default();
        // Each host as a URL of its own, so that all of its parts are read as those of one server are.
        let hosts: Result<Vec<_>, _> = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| format!("{scheme}://{user}{host}/{number}").into_connection_info())
            .collect();
        let hosts = hosts.map_err(|_| InvalidRedisUrl)?;
        if hosts.is_empty() || path.next().is_some() {
            return Err(InvalidRedisUrl);
        }
        let mut sentinel_password = None;
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if key != "sentinel_password" {
                return Err(InvalidRedisUrl);
            }
            sentinel_password = Some(value.into_owned());
        }
        Ok(Self {
            hosts,
            name,
            is_tls: scheme == "rediss",
            sentinel_password,
        })
    }

    fn sentinels(self) -> Result<Source, InvalidRedisUrl> {
        let name = self.name.ok_or(InvalidRedisUrl)?;
        let settings = self.hosts.first().map(ConnectionInfo::redis_settings);
        let settings = settings.cloned().ok_or(InvalidRedisUrl)?;
        let addresses: Vec<_> = self.hosts.iter().map(|host| host.addr().clone()).collect();
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)
            .map_err(|_| InvalidRedisUrl)?
            .set_client_to_redis_db(settings.db());
        if let Some(user) = settings.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.is_tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        let client = builder.build().map_err(|_| InvalidRedisUrl)?;
        Ok(Source::Sentinels(Arc::new(Mutex::new(client))))
    }

    fn cluster(self) -> Result<Source, InvalidRedisUrl> {
        // A cluster has one database.
        if self.name.is_some() || self.sentinel_password.is_some() {
            return Err(InvalidRedisUrl);
        }
        let client = ClusterClientBuilder::new(self.hosts)
            .connection_timeout(CONNECT_WITHIN)
            .response_timeout(LONGEST_ANSWER)
            .overall_response_timeout(None)
            .retries(2)
            .build();
        client
            .map(|client| Source::Cluster(Box::new(client)))
            .map_err(|_| InvalidRedisUrl)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_how_many_servers_there_are() {
        let kind = |url: &str| match Source::parse(url) {
            Ok(Source::Server(_)) => "server",
            Ok(Source::Sentinels(_)) => "sentinels",
            Ok(Source::Cluster(_)) => "cluster",
            Err(InvalidRedisUrl) => "invalid",
        };
        for (url, expected) in [
            ("redis://h", "server"),
            ("redis+sentinel://h/name", "sentinels"),
            (
                "redis+sentinel://u:p@h:1,i:2/name/3?sentinel_password=s",
                "sentinels",
            ),
            ("redis+cluster://h", "cluster"),
            ("redis+cluster://u:p@h:1,i/", "cluster"),
            ("rediss+cluster://h", "cluster"),
            ("redis+sentinel://h", "invalid"),
            ("redis+sentinel:///name", "invalid"),
            ("redis+sentinel://h/name/x", "invalid"),
            ("redis+sentinel://h/name/1/2", "invalid"),
            ("redis+sentinel://h/name?password=s", "invalid"),
            ("redis+cluster://h/1", "invalid"),
            ("redis+ring://h", "invalid"),
            ("amqp+cluster://h", "invalid"),
        ] {
            assert_eq!(kind(url), expected, "{url}");
        }
    }
}
