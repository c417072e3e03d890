//! Answers of the provider.

use crate::payout::{Failure, ProviderReference};
use crate::provider::ReportedPayment;

/// A definite answer of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderAnswer {
    /// The money was paid. The answer is final for this key.
    Paid {
        /// The provider's reference for the payment.
        reference: ProviderReference,
    },
    /// The provider accepted the payment and will settle it later; look the key up again.
    Accepted {
        /// The provider's reference for the payment.
        reference: ProviderReference,
    },
    /// The provider declined the payment. The answer is final for this key.
    Declined(Failure),
    /// One of the other answers, with the provider's report of the payment that it acted on. The worker adopts the
    /// answer only if the report agrees with the payout.
    Reported {
        /// The answer.
        answer: Box<ProviderAnswer>,
        /// The payment that the provider reports.
        payment: Box<ReportedPayment>,
    },
}

impl ProviderAnswer {
    /// Attaches the provider's report of the payment; an empty report changes nothing.
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

    /// Returns the answer without the report.
    pub fn outcome(&self) -> &Self {
        match self {
            Self::Reported { answer, .. } => answer.outcome(),
            Self::Paid { .. } | Self::Accepted { .. } | Self::Declined(_) => self,
        }
    }

    /// Returns the provider's report of the payment, if there is one.
    pub fn payment(&self) -> Option<&ReportedPayment> {
        match self {
            Self::Reported { payment, .. } => Some(payment),
            Self::Paid { .. } | Self::Accepted { .. } | Self::Declined(_) => None,
        }
    }
}
