//! The provider's silence, and its refusals for now.

use std::time::Duration;

/// The provider gave no answer that can be relied on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// Provably, not one byte of the request reached the provider: a refused connection, a name that does not
    /// resolve, a TLS handshake that failed. When in doubt it is [`Unknown`](Self::Unknown).
    #[error("nothing was sent: {why}")]
    NeverSent {
        /// What went wrong, without personal data.
        why: String,
    },
    /// It may or may not have been paid: a timeout, a reset, a 5xx, an unreadable answer.
    #[error("no answer to rely on: {why}")]
    Unknown {
        /// What went wrong, without personal data.
        why: String,
        /// How long the provider asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The provider would not look at the request now: 401, 403, 408, 409, 425, 429. It says nothing of the payment.
    #[error("refused for now: {why}")]
    Refused {
        /// What it said, without personal data.
        why: String,
        /// How long the provider asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The provider, or a gateway in front of it, is overloaded and says when to come back: 503 with `Retry-After`. A gateway
    /// may have passed the request on before.
    #[error("overloaded for now: {why}")]
    Overloaded {
        /// What it said, without personal data.
        why: String,
        /// How long the provider asked to be left alone.
        retry_after: Duration,
    },
}

impl ProcessorError {
    /// [`NeverSent`](Self::NeverSent), for the reason that is given.
    pub fn never_sent(why: impl Into<String>) -> Self {
        Self::NeverSent { why: why.into() }
    }

    /// [`Unknown`](Self::Unknown), for the reason that is given.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown {
            why: why.into(),
            retry_after: None,
        }
    }

    /// [`Refused`](Self::Refused), for the reason that is given.
    pub fn refused(why: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::Refused {
            why: why.into(),
            retry_after,
        }
    }

    /// How long the provider asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NeverSent { .. } => None,
            Self::Unknown { retry_after, .. } | Self::Refused { retry_after, .. } => *retry_after,
            Self::Overloaded { retry_after, .. } => Some(*retry_after),
        }
    }

    /// Whether the provider was not reached, or would not look at the request now: no outcome is unknown on its account.
    pub fn is_not_now(&self) -> bool {
        match self {
            Self::NeverSent { .. } | Self::Refused { .. } | Self::Overloaded { .. } => true,
            Self::Unknown { .. } => false,
        }
    }

    /// Whether a submission that ended so may have been executed.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::NeverSent { .. } | Self::Refused { .. } => false,
            Self::Unknown { .. } | Self::Overloaded { .. } => true,
        }
    }
}
