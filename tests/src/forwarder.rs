//! A TCP forwarder: an address that leads to one server now and to another later, as a virtual IP or a proxy does.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::ports::{free_port, listen};

/// A forwarder to a port of this host. It ends with the test's runtime.
pub struct Forwarder {
    port: u16,
    upstream: Arc<AtomicU16>,
    /// Incremented with every cut.
    cuts: watch::Sender<u64>,
}

impl Forwarder {
    /// Starts forwarding to this port.
    pub async fn to(upstream: u16) -> Self {
        let port = free_port();
        let listener = listen(port).await;
        let this = Self {
            port,
            upstream: Arc::new(AtomicU16::new(upstream)),
            cuts: watch::Sender::new(0),
        };
        let (upstream, cuts) = (this.upstream.clone(), this.cuts.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.load(Ordering::SeqCst), cuts.subscribe()));
            }
        });
        this
    }

    /// Returns its own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port; open ones stay where they are.
    pub fn lead_to(&self, upstream: u16) {
        self.upstream.store(upstream, Ordering::SeqCst);
    }

    /// Closes all open connections.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(mut client: TcpStream, upstream: u16, mut cuts: watch::Receiver<u64>) {
    cuts.mark_unchanged();
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => (),
        _ = cuts.changed() => (),
    }
}
