//! The limit on open connections.
//!
//! Below the limit every connection is accepted. At the limit one connection is closed for each new one: of the address
//! with the most connections, the one that has gone without an answer for the longest. So a client that opens a
//! thousand connections and stays silent loses its own, and a client whose requests are answered keeps its connections.
//!
//! Silence alone closes an HTTP/1 connection when its next request head does not arrive in time. An HTTP/2 connection
//! may stay silent until its place is needed: a timer for each would have to be reset at every read and write.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use payout_core::ports::Clock;
use salvo::async_trait;
use salvo::conn::ConnCtrl;
use salvo::fuse::{ArcConnObserver, ConnObserver, FuseAction, FuseConfig, FuseInfo, FusePolicy};

use super::client::Network;
use crate::settings::LimitsConfig;

/// The time after its opening or latest answer during which a connection is not closed for another one.
const GRACE_MS: u64 = 1_000;
/// The time for which a client may leave an answer unread.
const WRITE: Duration = Duration::from_secs(20);

/// The number of file descriptors kept for other uses: the database, the queue, the provider, and a database file.
const OTHER_FILES: usize = 256;

/// Raises the limit of open files as far as the process may, and returns it.
fn files() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).or_else(|_| rlimit::Resource::NOFILE.get_soft());
    files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// The connections of one listener.
pub(crate) struct Connections {
    most: usize,
    bounds: FuseConfig,
    clock: Arc<dyn Clock>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    by_id: HashMap<u64, Connection>,
    by_network: HashMap<Network, usize>,
}

struct Connection {
    network: Network,
    ctrl: ConnCtrl,
    answered_ms: Arc<AtomicU64>,
}

impl Connections {
    /// Limits connections to the configured number, or to the number of files that the process may open.
    pub(crate) fn new(config: &LimitsConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        let most = config.connections.min(files().saturating_sub(OTHER_FILES).max(1));
        if most < config.connections {
            tracing::warn!(
                most,
                "PAYOUT_MAX_CONNECTIONS is more than this process may open files (`ulimit -n`): fewer connections are taken"
            );
        }
        let bounds = FuseConfig::default()
            .with_http1_header_timeout(config.header_timeout)
            .with_write_stall_timeout(WRITE);
        Arc::new(Self {
            most,
            bounds,
            clock,
            open: Mutex::default(),
        })
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns whether a new connection can be accepted, after closing another one if needed.
    fn make_room(&self) -> bool {
        let now_ms = self.now_ms();
        let mut open = self.lock();
        open.by_id.len() < self.most || open.close_one(now_ms)
    }

    fn add(self: &Arc<Self>, network: Network, ctrl: &ConnCtrl) -> Watched {
        let answered_ms = Arc::new(AtomicU64::new(self.now_ms()));
        let mut open = self.lock();
        open.last_id += 1;
        let id = open.last_id;
        let connection = Connection {
            network,
            ctrl: ctrl.clone(),
            answered_ms: answered_ms.clone(),
        };
        open.by_id.insert(id, connection);
        *open.by_network.entry(network).or_default() += 1;
        Watched {
            id,
            answered_ms,
            connections: self.clone(),
        }
    }
}

impl Open {
    fn close_one(&mut self, now_ms: u64) -> bool {
        let Some(crowd) = self.by_network.iter().max_by_key(|(_, count)| **count) else {
            return false;
        };
        let crowd = *crowd.0;
        let longest = self
            .by_id
            .iter()
            .filter(|(_, connection)| connection.network == crowd)
            .map(|(id, connection)| (connection.answered_ms.load(Ordering::Relaxed), *id))
            .min();
        match longest {
            Some((answered_ms, id)) if answered_ms.saturating_add(GRACE_MS) <= now_ms => {
                if let Some(connection) = self.remove(id) {
                    connection.ctrl.abort();
                }
                true
            }
            Some(_) | None => false,
        }
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.by_id.remove(&id)?;
        if let Some(count) = self.by_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&connection.network);
            }
        }
        Some(connection)
    }
}

/// The entry of a connection, which is removed when the connection ends.
struct Watched {
    id: u64,
    answered_ms: Arc<AtomicU64>,
    connections: Arc<Connections>,
}

impl ConnObserver for Watched {
    fn on_write(&self, _bytes: usize) {
        self.answered_ms
            .store(self.connections.now_ms(), Ordering::Relaxed);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

/// Accepts connections, within the limit.
pub(crate) struct Doorkeeper(pub(crate) Arc<Connections>);

#[async_trait]
impl FusePolicy for Doorkeeper {
    async fn decide(&self, _info: &FuseInfo) -> FuseAction {
        if self.0.make_room() {
            FuseAction::Accept(self.0.bounds)
        } else {
            FuseAction::Reject
        }
    }

    fn observe(&self, info: &FuseInfo, ctrl: &ConnCtrl) -> Option<ArcConnObserver> {
        let address = info.remote_addr.ip().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        Some(Arc::new(self.0.add(Network::of(address), ctrl)))
    }
}

#[cfg(test)]
mod tests {
    use payout_core::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Hands(AtomicU64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    struct Bench {
        clock: Arc<Hands>,
        connections: Arc<Connections>,
    }

    impl Bench {
        fn of(most: usize) -> Self {
            let clock = Arc::new(Hands::default());
            let connections = Arc::new(Connections {
                most,
                bounds: FuseConfig::default(),
                clock: clock.clone(),
                open: Mutex::default(),
            });
            Self { clock, connections }
        }

        fn pass(&self, ms: u64) {
            self.clock.0.fetch_add(ms, Ordering::Relaxed);
        }

        /// Opens a connection from this address, if it is accepted.
        fn open(&self, address: &str) -> Option<(Watched, ConnCtrl)> {
            let ctrl = ConnCtrl::new();
            let network = Network::of(address.parse().unwrap());
            self.connections
                .make_room()
                .then(|| (self.connections.add(network, &ctrl), ctrl))
        }
    }

    #[test]
    fn a_closed_connection_leaves_room() {
        let bench = Bench::of(1);
        let first = bench.open("192.0.2.1").unwrap();
        assert!(bench.open("192.0.2.1").is_none());
        drop(first);
        assert!(bench.open("192.0.2.1").is_some());
    }

    #[test]
    fn for_one_more_the_one_without_an_answer_for_longest_is_closed() {
        let bench = Bench::of(3);
        let silent = bench.open("192.0.2.1").unwrap();
        bench.pass(1);
        let busy = bench.open("192.0.2.1").unwrap();
        let other = bench.open("192.0.2.1").unwrap();
        bench.pass(2_000);
        busy.0.on_write(100);
        let _late = bench.open("192.0.2.1").unwrap();
        assert!(silent.1.is_aborted());
        assert!(!busy.1.is_aborted() && !other.1.is_aborted());
        assert_eq!(bench.connections.open(), 3);
    }

    #[test]
    fn the_address_with_the_most_connections_loses_one() {
        let bench = Bench::of(3);
        let quiet = bench.open("192.0.2.1").unwrap();
        bench.pass(1);
        let crowd = [bench.open("192.0.2.2").unwrap(), bench.open("192.0.2.2").unwrap()];
        bench.pass(2_000);
        let _new = bench.open("192.0.2.3").unwrap();
        assert!(!quiet.1.is_aborted(), "the oldest, but of another address");
        assert_eq!(crowd.iter().filter(|(_, ctrl)| ctrl.is_aborted()).count(), 1);
    }

    #[test]
    fn who_came_just_now_is_not_closed_for_another() {
        let bench = Bench::of(1);
        let first = bench.open("192.0.2.1").unwrap();
        bench.pass(999);
        assert!(bench.open("192.0.2.2").is_none());
        assert!(!first.1.is_aborted());
        bench.pass(1);
        assert!(bench.open("192.0.2.2").is_some());
        assert!(first.1.is_aborted());
    }

    #[test]
    fn a_connection_that_was_closed_for_another_is_not_counted_twice() {
        let bench = Bench::of(1);
        let first = bench.open("192.0.2.1").unwrap();
        bench.pass(2_000);
        let second = bench.open("192.0.2.2").unwrap();
        drop(first);
        assert_eq!(bench.connections.open(), 1);
        drop(second);
        assert_eq!(bench.connections.open(), 0);
        assert!(bench.connections.lock().by_network.is_empty());
    }
}
