//! A TCP proxy between the service and its dependencies, which loses, truncates and delays messages.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::Outcome;
use crate::chance::Chance;
use crate::plan::{Line, Weather};

/// Counts of the messages that the proxy disturbed.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections_cut: AtomicU64,
    pub(crate) answers_lost: AtomicU64,
    pub(crate) answers_halved: AtomicU64,
    pub(crate) requests_lost: AtomicU64,
}

pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    line: Line,
    upstream: u16,
    chance: Mutex<Chance>,
    weather: watch::Sender<Option<Weather>>,
    /// Incremented with every cut.
    cuts: watch::Sender<u64>,
    counts: Counts,
}

/// State that the two directions of one connection share.
#[derive(Default)]
struct Pair {
    /// The answer to the last message is to be lost.
    muted: AtomicBool,
    over: Notify,
}

impl Proxy {
    pub(crate) async fn start(port: u16, upstream: u16, line: Line, seed: u64) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let shared = Arc::new(Shared {
            line,
            upstream,
            chance: Mutex::new(Chance::of(seed, &format!("{line:?}"))),
            weather: watch::Sender::new(None),
            cuts: watch::Sender::new(0),
            counts: Counts::default(),
        });
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().carry(client));
            }
        });
        Ok(Self { shared })
    }

    /// Applies a disturbance for a while; a cut takes no time.
    pub(crate) async fn weather(&self, weather: Weather, length: Duration) {
        if weather == Weather::Cut {
            self.shared.cuts.send_modify(|cuts| *cuts += 1);
            return;
        }
        self.shared.weather.send_replace(Some(weather));
        tokio::time::sleep(length).await;
        self.shared.weather.send_replace(None);
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

impl Shared {
    async fn carry(self: Arc<Self>, client: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        cuts.mark_unchanged();
        // The upstream refused the connection, so the client's connection ends too.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.upstream)).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let pair = Pair::default();
        // When one direction ends, the other ends too.
        tokio::select! {
            _ = self.requests(from_client, to_server, &pair) => (),
            _ = self.answers(from_server, to_client, &pair) => (),
            () = pair.over.notified() => (),
            _ = cuts.changed() => {
                self.counts.connections_cut.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pair: &Pair) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            let message = &chunk[..read];
            match self.now().await {
                Some(Weather::LoseRequests(often)) if self.draws(often) => {
                    self.counts.requests_lost.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Some(Weather::LoseAnswers(often)) if self.changes_something(message) && self.draws(often) => {
                    pair.muted.store(true, Ordering::Release);
                    self.counts.answers_lost.fetch_add(1, Ordering::Relaxed);
                }
                _ => (),
            }
            to.write_all(message).await?;
        }
    }

    async fn answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pair: &Pair) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut chunk).await?;
            if read == 0 {
                return Ok(());
            }
            if pair.muted.load(Ordering::Acquire) {
                // An answer arrived, so the message was executed; the answer is not passed on.
                pair.over.notify_one();
                return std::future::pending().await;
            }
            match self.now().await {
                Some(Weather::Delay(late)) => tokio::time::sleep(Duration::from_millis(late)).await,
                Some(Weather::HalveAnswers(often)) if read > 1 && self.draws(often) => {
                    self.counts.answers_halved.fetch_add(1, Ordering::Relaxed);
                    to.write_all(&chunk[..read / 2]).await?;
                    return Ok(());
                }
                _ => (),
            }
            to.write_all(&chunk[..read]).await?;
        }
    }

    /// Returns the current disturbance, after any stall is over.
    async fn now(&self) -> Option<Weather> {
        let mut weather = self.weather.subscribe();
        let passing = weather.wait_for(|weather| *weather != Some(Weather::Stall)).await;
        passing.ok().and_then(|weather| *weather)
    }

    fn draws(&self, often: u64) -> bool {
        self.chance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .permille(often)
    }

    /// Returns whether this message executes a statement rather than preparing one: only then is there a commit whose
    /// answer can be lost.
    fn changes_something(&self, message: &[u8]) -> bool {
        self.line == Line::Queue || executes(message)
    }
}

/// Returns whether PostgreSQL's frontend messages contain an Execute (`E`) or a Query (`Q`). A message is a type byte
/// and a length that includes itself.
fn executes(mut messages: &[u8]) -> bool {
    while let [kind, a, b, c, d, ..] = messages {
        if matches!(kind, b'E' | b'Q') {
            return true;
        }
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        messages = messages.get(length.saturating_add(1)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        port
    }

    async fn proxied(weather: Option<Weather>) -> (Proxy, TcpStream) {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let proxy = Proxy::start(port, echo().await, Line::Queue, 1).await.unwrap();
        proxy.shared.weather.send_replace(weather);
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        (proxy, stream)
    }

    async fn answer(stream: &mut TcpStream) -> Vec<u8> {
        stream.write_all(b"12345678").await.unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 8];
        while answer.len() < 8 {
            match stream.read(&mut chunk).await {
                Ok(read @ 1..) => answer.extend_from_slice(&chunk[..read]),
                Ok(0) | Err(_) => break,
            }
        }
        answer
    }

    #[tokio::test]
    async fn in_fair_weather_everything_passes() {
        let (_proxy, mut stream) = proxied(None).await;
        assert_eq!(answer(&mut stream).await, b"12345678");
    }

    #[tokio::test]
    async fn answers_are_lost_and_halved_and_requests_lost() {
        let (proxy, mut stream) = proxied(Some(Weather::LoseAnswers(1000))).await;
        assert_eq!(answer(&mut stream).await, b"");
        assert_eq!(proxy.counts().answers_lost.load(Ordering::Relaxed), 1);
        let (_proxy, mut stream) = proxied(Some(Weather::HalveAnswers(1000))).await;
        assert_eq!(answer(&mut stream).await, b"1234");
        let (_proxy, mut stream) = proxied(Some(Weather::LoseRequests(1000))).await;
        assert_eq!(answer(&mut stream).await, b"");
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_there() {
        let (proxy, mut stream) = proxied(None).await;
        assert_eq!(answer(&mut stream).await, b"12345678");
        proxy.weather(Weather::Cut, Duration::ZERO).await;
        assert_eq!(answer(&mut stream).await, b"");
    }

    #[test]
    fn an_execution_is_told_from_a_preparation() {
        let message = |kind: u8, body: &[u8]| {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            [&[kind][..], &length, body].concat()
        };
        let preparation = [
            message(b'P', b"E\0select\0"),
            message(b'D', b"S\0"),
            message(b'S', b""),
        ]
        .concat();
        assert!(!executes(&preparation));
        let execution = [
            message(b'B', b"EE\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ]
        .concat();
        assert!(executes(&execution));
        assert!(!executes(b"\0\0\0"));
    }
}
