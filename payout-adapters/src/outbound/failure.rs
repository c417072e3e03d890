//! Classification of the HTTP client's errors: requests that were certainly never sent, and all others.

use std::error::Error as _;
use std::io;

use payout_core::provider::ProcessorError;

/// Classifies an error that came before any answer.
///
/// The client writes a request only to a connection that is fully established: TCP, and TLS including its last
/// handshake message. It uses no TLS early data. So a request was never sent if the error occurred *while connecting*,
/// timeouts included, or if no new connection could be made after a pooled connection had closed unused. After any
/// other error the request may have been sent. The messages are written here, since the client's own may show the URL.
pub(super) fn before_answer(error: &reqwest::Error) -> ProcessorError {
    if error.is_connect() {
        ProcessorError::NeverSent {
            why: why_no_connection(error).to_owned(),
        }
    } else {
        ProcessorError::Unknown {
            why: why_no_answer(error).to_owned(),
            retry_after: None,
        }
    }
}

/// Describes why an answer that had begun could not be read to its end.
pub(super) fn within_answer(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "not whole in time"
    } else {
        "broken off"
    }
}

fn why_no_connection(error: &reqwest::Error) -> &'static str {
    if error.is_dns() {
        "the provider's name does not resolve"
    } else if error.is_timeout() {
        "no connection to the provider in time"
    } else if io_kind(error) == Some(io::ErrorKind::ConnectionRefused) {
        "the provider refused the connection"
    } else {
        "no connection to the provider (unreachable, or no TLS)"
    }
}

fn why_no_answer(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "the provider did not answer in time"
    } else if io_kind(error) == Some(io::ErrorKind::ConnectionReset) {
        "the provider reset the connection"
    } else {
        "the connection ended without an answer that is HTTP"
    }
}

/// Returns the kind of the first operating-system error in the chain of causes.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
