//! Failures of a NATS server.

use payout_core::ports::QueueError;

/// A failure of a NATS server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server did not answer in time.
    #[error("NATS did not answer in time ({0})")]
    Timeout(&'static str),
    /// There is no connection.
    #[error("no connection to NATS: {0}")]
    Connection(String),
    /// The stream or its consumer does not exist.
    #[error("NATS has no such stream or consumer")]
    Gone,
    /// The server answered with an error.
    #[error("NATS refused: {0}")]
    Refused(String),
}

impl Failure {
    /// Wraps an error of a call.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        let lower = text.to_lowercase();
        if lower.contains("no responders")
            || lower.contains("the stream: 503")
            || lower.contains("no stream found")
            || lower.contains("not found")
        {
            return Self::Gone;
        }
        if lower.contains("timed out") || lower.contains("timeout") {
            return Self::Timeout("request");
        }
        Self::Refused(text)
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(_) => Self::Refused(Box::new(failure)),
            // Nothing answers: JetStream is off, or starts just now.
            Failure::Timeout(_) | Failure::Connection(_) | Failure::Gone => {
                Self::Unavailable(Box::new(failure))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_told_from_what_is_refused() {
        let of = |text: &str| Failure::of(&std::io::Error::other(text.to_owned()));
        assert_eq!(of("no stream found for given subject"), Failure::Gone);
        assert_eq!(
            of("error while processing messages from the stream: 503, None"),
            Failure::Gone
        );
        assert_eq!(
            of("timed out: didn't receive ack in time"),
            Failure::Timeout("request")
        );
        assert_eq!(
            of("code 503: maximum bytes exceeded"),
            Failure::Refused("code 503: maximum bytes exceeded".to_owned())
        );
    }
}
