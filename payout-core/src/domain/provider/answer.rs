//! The provider's answer.

use crate::payout::{Failure, ProviderReference};
use crate::provider::ReportedPayment;

/// An answer of the provider that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderAnswer {
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
        answer: Box<ProviderAnswer>,
        /// What was to be paid.
        payment: Box<ReportedPayment>,
    },
}

impl ProviderAnswer {
    /// Adds what the provider says of the payment, if it says anything.
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
