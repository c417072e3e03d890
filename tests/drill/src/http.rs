//! Just enough of a server of HTTP/1.1 to misbehave.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A request.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The headers, by their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

const LONGEST_LINE: u64 = 16 * 1024;
const LONGEST_BODY: usize = 64 * 1024;

/// Accepts connections while it is open. While it is not, connections are refused, and existing ones end.
pub(crate) async fn listen<F: Future<Output = ()> + Send + 'static>(
    mut listener: TcpListener,
    mut open: watch::Receiver<bool>,
    serve: impl Fn(BufStream<TcpStream>) -> F,
) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        // Dropped at the end of each iteration, and with it all its connections.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(serve(BufStream::new(stream)));
                    }
                }
                Some(_) = connections.join_next() => (),
                closed = open.wait_for(|open| !*open) => match closed {
                    Ok(_) => break,
                    Err(_) => return,
                },
            }
        }
        drop(listener);
        drop(connections);
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        listener = bind(address).await;
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Reads the next request of a connection.
pub(crate) async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    let mut read_line = async |line: &mut String| {
        line.clear();
        let read = (&mut *stream).take(LONGEST_LINE).read_line(line).await;
        read.is_ok_and(|read| read > 0)
    };
    if !read_line(&mut line).await {
        return None;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        if !read_line(&mut line).await {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse());
    let length = length.ok().filter(|length| *length <= LONGEST_BODY)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

/// Renders an answer. Each of `headers` ends with a line break.
pub(crate) fn answer(status: u16, body: &str, headers: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Drill\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}
