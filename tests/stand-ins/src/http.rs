//! Just enough HTTP/1.1 to keep a vendor's rules, and to misbehave.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

const LONGEST_LINE: u64 = 16 * 1024;
const LONGEST_BODY: usize = 1024 * 1024;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method, in upper case.
    pub method: String,
    /// The path without the query, not decoded.
    pub path: String,
    /// The parameters of the query, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// Returns the first value of a parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Reads the body as a form.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = pairs.iter().find(|(known, _)| known == name)?;
    Some(value)
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, without `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Builds an answer with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Returns the answer with a further header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The way in which an answer is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Completely.
    #[default]
    Whole,
    /// The connection is closed without an answer.
    Lost,
    /// The connection is closed in the middle of the answer.
    Cut,
    /// There is no answer, and the connection stays open.
    Hang,
}

/// An answer and the way in which it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The way in which it is given.
    pub delivery: Delivery,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            delivery: Delivery::Whole,
        }
    }
}

/// Listens on loopback. Port 0 takes a free one.
pub(crate) async fn listen(port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves one connection until either side closes it.
pub(crate) async fn serve<F: Future<Output = Reply> + Send + 'static>(
    stream: TcpStream,
    handle: impl Fn(Request) -> F,
) {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read(&mut stream).await {
        // A task of its own: a received request is carried out completely, even if the caller hangs up meanwhile.
        let Ok(reply) = tokio::spawn(handle(request)).await else {
            return;
        };
        let text = written(&reply.answer);
        let sent = match reply.delivery {
            Delivery::Lost => return,
            Delivery::Hang => return std::future::pending().await,
            Delivery::Whole => text.as_slice(),
            Delivery::Cut => text
                .get(..text.len() - reply.answer.body.len() / 2 - 1)
                .unwrap_or_default(),
        };
        let done = stream.write_all(sent).await.is_ok() && stream.flush().await.is_ok();
        if !done || reply.delivery == Delivery::Cut {
            return;
        }
    }
}

fn written(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Stand-in\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
    [head.as_bytes(), &answer.body].concat()
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Request> {
    let line = read_line(stream).await?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_ascii_uppercase(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        ..Request::default()
    };
    while let Some((name, value)) = read_line(stream).await?.trim_end().split_once(':') {
        let pair = (name.to_ascii_lowercase(), value.trim().to_owned());
        request.headers.push(pair);
    }
    let length = request
        .header("content-length")
        .map_or(Some(0), |text| text.parse().ok());
    let length = length.filter(|length| *length <= LONGEST_BODY)?;
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

async fn read_line(stream: &mut BufStream<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.take(LONGEST_LINE).read_line(&mut line).await.ok()?;
    (read > 0).then_some(line)
}
