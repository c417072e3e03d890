//! Errors of the provider: a missing answer, or a temporary refusal.

use std::time::Duration;

/// The provider gave no definite answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// Provably, not one byte of the request reached the provider: the connection was refused, the name did not
    /// resolve, or the TLS handshake failed. When in doubt, use [`Unknown`](Self::Unknown).
    #[error("nothing was sent: {why}")]
    NeverSent {
        /// The cause, without personal data.
        why: String,
    },
    /// The outcome is unknown; the money may have been paid. Causes are a timeout, a connection reset, a 5xx status or
    /// an unreadable answer.
    #[error("no answer to rely on: {why}")]
    Unknown {
        /// The cause, without personal data.
        why: String,
        /// The wait that the provider asked for.
        retry_after: Option<Duration>,
    },
    /// The provider refused to process the request now: 401, 403 or 429. Nothing of it was paid.
    #[error("refused for now: {why}")]
    Refused {
        /// The provider's message, without personal data.
        why: String,
        /// The wait that the provider asked for.
        retry_after: Option<Duration>,
    },
    /// The provider, or a gateway in front of it, does not process the request now: it is overloaded and says when to
    /// retry (503 with `Retry-After`), or answers 408, 409 or 425. A gateway may have forwarded the request before it
    /// answered, or sent it twice and passed on the answer to the second one.
    #[error("overloaded for now: {why}")]
    Overloaded {
        /// The provider's message, without personal data.
        why: String,
        /// The wait that the provider asked for; zero if it named none.
        retry_after: Duration,
    },
}

impl ProcessorError {
    /// Builds [`NeverSent`](Self::NeverSent) with a cause.
    pub fn never_sent(why: impl Into<String>) -> Self {
        Self::NeverSent { why: why.into() }
    }

    /// Builds [`Unknown`](Self::Unknown) with a cause, and without a wait.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown {
            why: why.into(),
            retry_after: None,
        }
    }

    /// Builds [`Refused`](Self::Refused) with a message.
    pub fn refused(why: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::Refused {
            why: why.into(),
            retry_after,
        }
    }

    /// Returns the wait that the provider asked for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NeverSent { .. } => None,
            Self::Unknown { retry_after, .. } | Self::Refused { retry_after, .. } => *retry_after,
            Self::Overloaded { retry_after, .. } => Some(*retry_after),
        }
    }

    /// Returns whether the error is a *not now*: the provider was not reached, or would not process the request now.
    /// Such an error does not make the outcome unknown.
    pub fn is_not_now(&self) -> bool {
        match self {
            Self::NeverSent { .. } | Self::Refused { .. } | Self::Overloaded { .. } => true,
            Self::Unknown { .. } => false,
        }
    }

    /// Returns whether a submission that ended with this error may have been executed.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::NeverSent { .. } | Self::Refused { .. } => false,
            Self::Unknown { .. } | Self::Overloaded { .. } => true,
        }
    }
}
