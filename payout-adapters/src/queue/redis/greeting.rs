//! The words with which a server closes a connection that it does not accept.
//!
//! The client takes it for the answer to its first command, and reports only that the connection was closed.

use std::time::Duration;

use redis::ConnectionAddr;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::failure::Failure;

/// A server that closes a connection does so at once.
const SPEAKS_WITHIN: Duration = Duration::from_millis(300);

/// The longest refusal that is read.
const LONGEST: usize = 1024;

/// Connects once more, and returns the refusal with which the server greets. Absent if it waits for commands, or if it
/// cannot be asked in plain.
pub(super) async fn refusal(address: &ConnectionAddr) -> Option<Failure> {
    let asking = async {
        match address {
            ConnectionAddr::Tcp(host, port) => {
                said(TcpStream::connect((host.as_str(), *port)).await.ok()?).await
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => said(UnixStream::connect(path).await.ok()?).await,
            _ => None,
        }
    };
    let said = timeout(SPEAKS_WITHIN, asking).await.ok()??;
    Some(Failure::Refused {
        category: "the connection".to_owned(),
        code: code(&said)?.to_owned(),
    })
}

/// Reads the first line.
async fn said(mut stream: impl AsyncRead + Unpin) -> Option<String> {
    let mut line = Vec::new();
    while line.len() < LONGEST {
        match stream.read_u8().await {
            Ok(b'\n') | Err(_) => break,
            Ok(byte) => line.push(byte),
        }
    }
    String::from_utf8(line).ok()
}

/// Returns the code of an error: its first word, in capitals.
fn code(line: &str) -> Option<&str> {
    let code = line.strip_prefix('-')?.split_whitespace().next()?;
    let is_code = code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_word_in_capitals() {
        assert_eq!(
            code("-DENIED Redis is running in protected mode\r"),
            Some("DENIED")
        );
        assert_eq!(code("-ERR max number of clients reached\r"), Some("ERR"));
        for none in ["", "-", "+OK\r", "DENIED", "-denied", "-hunter2 x"] {
            assert_eq!(code(none), None, "{none}");
        }
    }
}
