//! Ports for servers that tests start.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const FIRST: u32 = 20_000;
/// The number of ports. They end below 32768: the kernel hands higher ports to clients, which may take one between the
/// check and the start.
const COUNT: u32 = 12_000;

/// Returns a port that nothing listens on, and that no other test of this process receives.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7919) % COUNT;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + (start + given) % COUNT).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Listens on a port of [`free_port`].
///
/// # Panics
/// When the port stays taken.
pub async fn listen(port: u16) -> tokio::net::TcpListener {
    // A process that another test is starting holds the socket of the check until its program runs.
    for _ in 0..100 {
        if let Ok(listener) = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("port {port} stays taken");
}
