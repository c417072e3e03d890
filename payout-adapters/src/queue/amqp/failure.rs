//! Failures of an AMQP server.

use lapin::ErrorKind;
use lapin::protocol::AMQPError;
use payout_core::ports::QueueError;

/// A failure of an AMQP server.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server did not answer in time.
    #[error("RabbitMQ did not answer in time ({0})")]
    Timeout(&'static str),
    /// The server has too little memory or disk, and reads nothing from those who publish.
    #[error("RabbitMQ blocks publishers: its memory or disk is short")]
    Blocked,
    /// The server did not take a message.
    #[error("RabbitMQ took no message ({0})")]
    NotTaken(&'static str),
    /// The server closed the channel or the connection, with its reason.
    #[error("RabbitMQ refused: {message} ({code})")]
    Refused {
        /// The AMQP reply code.
        code: u16,
        /// The reply text. It names users and queues, and no secret.
        message: String,
    },
    /// The connection could not be opened, or it was lost.
    #[error("no connection to RabbitMQ: {0}")]
    Connection(String),
}

/// `ACCESS_REFUSED`.
const ACCESS_REFUSED: u16 = 403;
/// `NOT_FOUND`.
const NOT_FOUND: u16 = 404;
/// `PRECONDITION_FAILED`.
const PRECONDITION_FAILED: u16 = 406;
/// `CONNECTION_FORCED`: the server shuts down, or an operator closed the connection.
const CONNECTION_FORCED: u16 = 320;

impl Failure {
    /// Reports whether the connection or the channel was lost. The call may then succeed over a fresh one.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Reports whether a queue may exist in spite of this answer to its declaration: with other arguments, or without
    /// the right to declare it.
    pub(super) fn may_exist(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(*code, ACCESS_REFUSED | PRECONDITION_FAILED))
    }

    /// The failure of a message that came back since its queue does not exist.
    pub(super) fn unroutable() -> Self {
        Self::Refused {
            code: NOT_FOUND,
            message: "there is no such queue".to_owned(),
        }
    }

    /// Reports whether a queue does not exist.
    pub(super) fn is_queue_gone(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == NOT_FOUND)
    }
}

impl From<AMQPError> for Failure {
    fn from(error: AMQPError) -> Self {
        let (code, message) = (error.get_id(), error.get_message().to_string());
        if code == CONNECTION_FORCED {
            return Self::Connection(message);
        }
        Self::Refused { code, message }
    }
}

impl From<lapin::Error> for Failure {
    fn from(error: lapin::Error) -> Self {
        if let ErrorKind::ProtocolError(error) = error.kind() {
            return error.clone().into();
        }
        Self::Connection(error.to_string())
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { .. } | Failure::Blocked | Failure::NotTaken(_) => {
                Self::Refused(Box::new(failure))
            }
            Failure::Timeout(_) | Failure::Connection(_) => Self::Unavailable(Box::new(failure)),
        }
    }
}
