//! Answers of the provider.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::Timestamp;
use crate::payout::{Failure, ProviderReference};
use crate::provider::{ReportedPayment, WaitReason};

/// An answer of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderAnswer {
    /// The money was paid. It may still be [returned](Self::Returned), and is never declined.
    Paid {
        /// The provider's reference for the payment.
        reference: ProviderReference,
    },
    /// The provider accepted the payment and will settle it later; look the key up again.
    Accepted {
        /// The provider's reference for the payment.
        reference: ProviderReference,
        /// The wait before the next look-up, where the provider suggests one.
        look_again: Option<Duration>,
    },
    /// The provider declined the payment. The answer is final for this key.
    Declined(Failure),
    /// The money was paid and came back. The answer is final for this key.
    Returned(PaymentReturn),
    /// The provider refuses the payment for now, such as for lack of funds. Nothing of this key was paid.
    Waiting {
        /// The reason.
        reason: WaitReason,
        /// The provider's message, without personal data.
        why: String,
        /// True if the provider keeps this refusal under the key, so that only another key can be paid.
        key_is_spent: bool,
    },
    /// One of the other answers, with the provider's report of the payment that it acted on. The worker adopts the
    /// answer only if the report agrees with the payout.
    Reported {
        /// The answer.
        answer: Box<ProviderAnswer>,
        /// The payment that the provider reports.
        payment: Box<ReportedPayment>,
    },
}

/// The return of a payment that was paid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaymentReturn {
    /// The provider's reference for the payment, where the answer has one.
    pub reference: Option<ProviderReference>,
    /// The reason: the provider's code and message, and the service's own code.
    pub reason: Failure,
    /// The time of the return, where the provider tells it.
    pub at: Option<Timestamp>,
    /// The amount that came back, where it differs from the amount that was paid.
    pub amount: Option<Decimal>,
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
            Self::Paid { .. }
            | Self::Accepted { .. }
            | Self::Declined(_)
            | Self::Returned(_)
            | Self::Waiting { .. } => self,
        }
    }

    /// Returns the provider's report of the payment, if there is one.
    pub fn payment(&self) -> Option<&ReportedPayment> {
        match self {
            Self::Reported { payment, .. } => Some(payment),
            Self::Paid { .. }
            | Self::Accepted { .. }
            | Self::Declined(_)
            | Self::Returned(_)
            | Self::Waiting { .. } => None,
        }
    }
}
