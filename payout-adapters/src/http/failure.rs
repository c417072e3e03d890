//! What the HTTP client reports, sorted into what was surely never sent, and the rest.

use std::error::Error as _;
use std::io;

use payout_core::provider::ProcessorError;

/// Why no answer came.
///
/// A request is written to a connection that is fully made (TCP, and TLS with its last message sent), never sooner: no
/// early data is used. So whatever fails *while connecting*, a timeout included, was never sent; and so is whatever fails for
/// want of another connection after a pooled one had closed unused. Of all else, nothing is known. The words are our
/// own, since the client's may show the URL.
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

/// Why an answer that had begun could not be read to its end.
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

/// What the operating system said, somewhere down the chain of causes.
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
