//! What can go wrong with Redis, told without what might be secret.

use bb8_redis::redis::RedisError;
use payout_core::ports::QueueError;

/// Why Redis could not be used. Of a server's own words only the code is kept: some servers repeat in them the
/// arguments of the command they refuse, a password among them.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No answer in time.
    #[error("Redis did not answer in time ({0})")]
    Timeout(&'static str),
    /// All connections stayed in use.
    #[error("all connections to Redis are in use")]
    Busy,
    /// The connection could not be made, or broke.
    #[error("no connection to Redis: {0}")]
    Connection(String),
    /// Redis refused.
    #[error("Redis refused: {category} ({code})")]
    Refused {
        /// What kind of refusal.
        category: String,
        /// The first word of its answer.
        code: String,
    },
}

impl Failure {
    /// Whether the connection was lost, so that a fresh one may well work.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Whether the consumer group, or the stream with it, has vanished.
    pub(super) fn is_group_gone(&self) -> bool {
        // UNBLOCKED is what a waiting read is told when the stream is deleted under it.
        matches!(self, Self::Refused { code, .. } if code == "NOGROUP" || code == "UNBLOCKED")
    }

    /// Whether the consumer group exists already.
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
            let code = error.code().map(str::to_owned);
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
