//! Failures of Redis, described without any secret.

use bb8_redis::redis::RedisError;
use payout_core::ports::QueueError;

/// A failure of Redis.
///
/// Of a server's error message only the code is kept: some servers repeat the arguments of the command that they
/// refuse, which may include a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Redis did not answer in time.
    #[error("Redis did not answer in time ({0})")]
    Timeout(&'static str),
    /// All pooled connections are in use.
    #[error("all connections to Redis are in use")]
    Busy,
    /// The connection could not be opened, or it was lost.
    #[error("no connection to Redis: {0}")]
    Connection(String),
    /// Redis refused the command.
    #[error("Redis refused: {category} ({code})")]
    Refused {
        /// The kind of refusal.
        category: String,
        /// The error code: the first word of the answer.
        code: String,
    },
}

impl Failure {
    /// Reports whether the connection was lost. The command may then succeed over a fresh one.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Reports whether the server is a replica, as a primary is after a failover. A fresh connection may lead to the new
    /// primary.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "READONLY")
    }

    /// Reports whether the consumer group no longer exists, alone or together with its stream.
    pub(super) fn is_group_gone(&self) -> bool {
        // A blocked read receives UNBLOCKED when its stream is deleted.
        matches!(self, Self::Refused { code, .. } if code == "NOGROUP" || code == "UNBLOCKED")
    }

    /// Reports whether the consumer group exists already.
    pub(super) fn is_group_there(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "BUSYGROUP")
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            Self::Timeout("client")
        } else if error.is_io_error() || error.is_connection_dropped() {
            Self::Connection(error.to_string())
        } else {
            let category = error.category().to_owned();
            let of_select = error.detail().and_then(code_of_select);
            let code = of_select.or(error.code()).map(str::to_owned);
            let of_first = || {
                error
                    .into_server_errors()?
                    .first()
                    .map(|(_, error)| error.code().to_owned())
            };
            let code = code.or_else(of_first).unwrap_or_else(|| "no code".to_owned());
            Self::Refused { category, code }
        }
    }
}

/// Returns the code of a refusal to select the database, of which the client keeps the text alone.
fn code_of_select(text: &str) -> Option<&'static str> {
    if text.starts_with("Authentication required") {
        Some("NOAUTH")
    } else if text.contains("has no permissions to run the 'select' command") {
        Some("NOPERM")
    } else {
        None
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { .. } => Self::Refused(Box::new(failure)),
            Failure::Timeout(_) | Failure::Busy | Failure::Connection(_) => {
                Self::Unavailable(Box::new(failure))
            }
        }
    }
}
