//! A server that keeps and accepts every request: a collector of traces or of errors.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};

use crate::ports::{free_port, listen};
use crate::provider::{Request, read};

/// A running sink, stopped when dropped.
pub struct Sink {
    port: u16,
    kept: Arc<Mutex<Vec<Request>>>,
    serving: AbortHandle,
}

impl Sink {
    /// Starts a sink.
    pub async fn start() -> Self {
        let port = free_port();
        let listener = listen(port).await;
        let kept = Arc::<Mutex<Vec<Request>>>::default();
        let keeping = kept.clone();
        let serving = tokio::spawn(async move {
            // Dropped with the task, and with it all connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = keeping.clone();
                connections.spawn(async move { serve(BufStream::new(stream), &kept).await });
            }
        });
        Self {
            port,
            kept,
            serving: serving.abort_handle(),
        }
    }

    /// Returns the port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the requests so far.
    pub fn kept(&self) -> Vec<Request> {
        self.kept.lock().unwrap().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: BufStream<TcpStream>, kept: &Mutex<Vec<Request>>) -> Option<()> {
    loop {
        let request = read(&mut stream).await?;
        kept.lock().unwrap().push(request);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .ok()?;
        stream.flush().await.ok()?;
    }
}
