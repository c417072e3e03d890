//! The payment processor: who moves the money.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::payout::{
    Claim, Failure, PaymentDetails, PayoutId, ProviderKey, ProviderReference, ReportedPayment,
};

/// The key under which the provider pays at most once: `{base}:{generation}`, of at most 47 characters that a URL and a
/// header take as they are. The base is the payout's [`ProviderKey`] where its client gave an idempotency key, else its id;
/// both are UUIDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessorKey(String);

impl ProcessorKey {
    /// Every attempt of one generation has the same key, and no two generations share one.
    pub fn new(id: PayoutId, provider_key: Option<ProviderKey>, generation: u32) -> Self {
        let base = provider_key.map_or(id.as_uuid(), ProviderKey::as_uuid);
        Self(format!("{base}:{generation}"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to pay: the same for every attempt under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The idempotency key.
    pub key: ProcessorKey,
    /// The payout.
    pub payout_id: PayoutId,
    /// What is to be paid.
    pub details: PaymentDetails,
}

impl Instruction {
    /// The digest of what is to be paid, for the provider to answer with: see [`PaymentDetails::digest`].
    pub fn digest(&self) -> String {
        self.details.digest()
    }
}

impl From<&Claim> for Instruction {
    fn from(claim: &Claim) -> Self {
        let payout = claim.payout();
        Self {
            key: claim.key(),
            payout_id: payout.id(),
            details: payout.details().clone(),
        }
    }
}

/// What the provider said, readably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The money was paid: the provider's answer for this key for good.
    Paid {
        /// Its name for the payment.
        reference: ProviderReference,
    },
    /// It will be settled later; ask again.
    Accepted {
        /// Its name for the payment.
        reference: ProviderReference,
    },
    /// It was declined: the provider's answer for this key for good.
    Declined(Failure),
    /// One of these, with what the provider says it was told to pay: it is adopted only where that agrees.
    Reported {
        /// The answer itself.
        answer: Box<Answer>,
        /// What was to be paid.
        payment: Box<ReportedPayment>,
    },
}

impl Answer {
    /// The same, with what the provider says of the payment, if it says anything.
    #[must_use]
    pub fn of_payment(self, payment: ReportedPayment) -> Self {
        if payment.is_empty() {
            return self;
        }
        Self::Reported {
            answer: Box::new(self),
            payment: Box::new(payment),
        }
    }

    /// The answer itself.
    pub fn outcome(&self) -> &Self {
        match self {
            Self::Reported { answer, .. } => answer.outcome(),
            Self::Paid { .. } | Self::Accepted { .. } | Self::Declined(_) => self,
        }
    }

    /// What the provider says of the payment, where it does.
    pub fn payment(&self) -> Option<&ReportedPayment> {
        match self {
            Self::Reported { payment, .. } => Some(payment),
            Self::Paid { .. } | Self::Accepted { .. } | Self::Declined(_) => None,
        }
    }
}

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

/// Moves the money.
///
/// # Promises
/// - The first definite answer for a key (paid or declined) is the answer for that key ever after, and one key is
///   paid at most once, however often and from wherever it is submitted.
/// - A dropped call leaves the outcome unknown, never undone.
/// - No call retries by itself: the worker owns every attempt.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Processor: Send + Sync {
    /// Sends the instruction.
    ///
    /// # Errors
    /// [`ProcessorError`] when the provider gave no answer that can be relied on.
    async fn submit(&self, instruction: &Instruction) -> Result<Answer, ProcessorError>;

    /// Asks what became of a key. `None`: the provider has never received it.
    ///
    /// # Errors
    /// [`ProcessorError`] when the provider gave no answer that can be relied on.
    async fn look_up(&self, key: &ProcessorKey) -> Result<Option<Answer>, ProcessorError>;
}
