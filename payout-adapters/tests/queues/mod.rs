//! Hints, and a proxy before a server that other tests use too, for the tests of several queues.

pub(crate) mod hints;

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::{JobQueue, QueueError, Randomness, Receipt, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use self::hints::{SHORT, hint, hints, receive_all, received};

pub(crate) const LONG: Duration = Duration::from_secs(10);

/// A unique prefix of names on a shared server.
pub(crate) fn prefix() -> String {
    format!("test-{:016x}", System::default().next_u64())
}

/// Repeats a call until it succeeds, within the time limit.
pub(crate) async fn until_ok<T, E: std::fmt::Debug>(
    what: &str,
    mut call: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let mut last = None;
    let calling = async {
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let done = tokio::time::timeout(LONG * 3, calling).await;
    done.unwrap_or_else(|_| panic!("{what}: {last:?}"))
}

/// Waits until no hint is left.
pub(crate) async fn nothing_is_left(queue: &dyn JobQueue) {
    until_ok("nothing is left", async || match queue.depth().await {
        Ok(0) => Ok(()),
        other => Err(other),
    })
    .await;
}

/// Acknowledges receipts that are not the queue's own. Its hints come all the same.
pub(crate) async fn foreign_receipts_harm_nothing(queue: &dyn JobQueue, receipts: &[&str]) {
    for receipt in receipts {
        queue.acknowledge(&[Receipt::new(*receipt)]).await.unwrap();
    }
    let hints = hints(2);
    queue.enqueue(&hints).await.unwrap();
    receive_all(queue, &hints, LONG).await;
}

/// Hangs the server under a queue that has a connection. Every call, a receive of this wait among them, ends in time
/// with an error, and the queue works again once the server answers.
pub(crate) async fn a_hang_holds_nobody_up(proxy: &Proxy, queue: &dyn JobQueue, wait: Duration) {
    queue.probe().await.unwrap();
    assert!(queue.receive(1, SHORT).await.unwrap().is_empty());
    proxy.is(Way::Hangs);
    let lost = hints(1);
    let used = timeout(LONG, async {
        tokio::join!(queue.enqueue(&lost), queue.depth(), queue.receive(1, wait))
    });
    let (enqueued, depth, received) = used.await.expect("an end in time");
    for error in [enqueued.unwrap_err(), depth.unwrap_err(), received.unwrap_err()] {
        assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
    }
    proxy.is(Way::Open);
    let sent = hints(1);
    until_ok("it takes hints", async || queue.enqueue(&sent).await).await;
    receive_all(queue, &sent, LONG).await;
}

/// Returns the address of a server, as a proxy needs it.
pub(crate) fn address_of(url: &str, usual_port: u16) -> SocketAddr {
    let url: url::Url = url.parse().unwrap();
    let address = (url.host_str().unwrap(), url.port().unwrap_or(usual_port));
    address.to_socket_addrs().unwrap().next().unwrap()
}

/// Runs a task within the time limit, on a runtime of its own: a drop cannot wait for the runtime on which it may be
/// running.
pub(crate) fn while_dropping(task: impl Future<Output = ()> + Send + 'static) {
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let _ = timeout(LONG, task).await;
        });
    });
    let _ = running.join();
}

/// The state of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everything passes.
    Open,
    /// Connections are cut, and new ones are refused at once.
    Away,
    /// Connections stay open, and nothing passes.
    Hangs,
}

/// A proxy before a server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    way: watch::Sender<Way>,
    _tasks: Arc<JoinSet<()>>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, ways) = watch::channel(Way::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let ways = ways.clone();
                lines.spawn(async move {
                    if *ways.borrow() != Way::Away
                        && let Ok(server) = TcpStream::connect(server).await
                    {
                        pass(client, server, ways).await;
                    }
                });
            }
        });
        Self {
            port,
            way,
            _tasks: Arc::new(tasks),
        }
    }

    pub(crate) fn is(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn pass(client: TcpStream, server: TcpStream, ways: watch::Receiver<Way>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let one = copy(from_client, to_server, ways.clone());
    let other = copy(from_server, to_client, ways.clone());
    let mut cut = ways;
    tokio::select! {
        () = one => (),
        () = other => (),
        _ = cut.wait_for(|way| *way == Way::Away) => (),
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut ways: watch::Receiver<Way>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if ways.wait_for(|way| *way != Way::Hangs).await.is_err()
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}
