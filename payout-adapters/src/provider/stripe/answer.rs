//! Interpretation of Stripe's answers to a creation: pure functions.
//!
//! A transfer has no status. Once it exists, the money has moved to the connected account; a reversal takes it back. Only
//! an answer that is certain in every detail counts as definite. Every other answer is *unknown*: the worker looks the
//! key up. The module is public so that it can be fuzzed.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::{
    DeclineCode, PaymentReturn, ProcessorError, ProcessorKey, ProviderAnswer, ReportedPayment,
};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::codes::{self, Meaning};
use super::currency;
use super::request::DIGEST_FIELD;
use crate::outbound::Received;

/// A transfer, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    object: String,
    id: String,
    amount: u64,
    amount_reversed: u64,
    reversed: bool,
    currency: String,
    transfer_group: Option<String>,
    #[serde(default)]
    metadata: HashMap<String, serde_json::Value>,
    reversals: Option<Reversals>,
}

#[derive(Debug, Deserialize)]
struct Reversals {
    data: Vec<Reversal>,
}

#[derive(Debug, Deserialize)]
struct Reversal {
    created: i64,
}

/// The body of an error.
#[derive(Deserialize)]
struct ErrorBody {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    r#type: String,
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

/// Interprets the answer to the creation of a transfer.
///
/// # Errors
/// [`ProcessorError`] if the answer decides nothing. No error shows any part of the body but Stripe's code.
pub fn of_creation(received: &Received, key: &ProcessorKey) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200 => received.object::<Transfer>()?.into_answer(received, key),
        400 | 402 | 404 => of_error(received),
        // Another request with this key is being executed. So this key may be paid in this moment.
        409 => Err(ProcessorError::Overloaded {
            why: "the provider is executing another request with this key".to_owned(),
            retry_after: received.retry_after.unwrap_or(Duration::ZERO),
        }),
        _ => Err(received.no_answer()),
    }
}

fn of_error(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    let ErrorBody { error } = received.object()?;
    let code = error.code.as_deref().unwrap_or_default();
    let meaning = match error.r#type.as_str() {
        "invalid_request_error" | "card_error" => codes::meaning(code, error.param.as_deref()),
        // The key was used for a request with another body: it says nothing about that request's outcome.
        "idempotency_error" => {
            return Err(received.unknown("the key was used for another request"));
        }
        _ => None,
    };
    let message = error.message.as_deref().unwrap_or_default();
    match meaning {
        Some(Meaning::Declined(reason)) => Ok(ProviderAnswer::Declined(
            Failure::new(code, message).because(reason),
        )),
        Some(Meaning::Waiting(reason)) => Ok(ProviderAnswer::Waiting {
            reason,
            why: format!("{code}: {message}"),
            key_is_spent: true,
        }),
        Some(Meaning::NotNow) => Err(ProcessorError::refused(
            format!("the provider answered {} with {code}", received.status),
            received.retry_after,
        )),
        None => Err(received.unknown("an error that decides nothing")),
    }
}

impl Transfer {
    /// Returns the outcome that the transfer proves, with the payment that it reports.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`] if it is the transfer of another key, or contradicts itself.
    pub(super) fn into_answer(
        self,
        received: &Received,
        key: &ProcessorKey,
    ) -> Result<ProviderAnswer, ProcessorError> {
        let flaw = |what| Err(received.unknown(what));
        if self.object != "transfer" {
            return flaw("not a transfer");
        }
        if self.transfer_group.as_deref() != Some(key.as_str()) {
            return flaw("the transfer of another key");
        }
        if self.amount_reversed > self.amount || self.reversed != (self.amount_reversed == self.amount) {
            return flaw("a reversal that contradicts itself");
        }
        let Some(reference) = ProviderReference::new(&self.id) else {
            return flaw("a transfer without an id");
        };
        let Some(amount) = currency::amount(self.amount, &self.currency) else {
            return flaw("a currency that is not supported");
        };
        let answer = match self.amount_reversed {
            0 => ProviderAnswer::Paid { reference },
            _ => ProviderAnswer::Returned(self.to_return(reference)),
        };
        let digest = self
            .metadata
            .get(DIGEST_FIELD)
            .and_then(serde_json::Value::as_str);
        Ok(answer.of_payment(ReportedPayment {
            amount: Some(amount),
            currency: Some(self.currency),
            digest: digest.map(str::to_owned),
        }))
    }

    fn to_return(&self, reference: ProviderReference) -> PaymentReturn {
        let reversals = self.reversals.iter().flat_map(|reversals| &reversals.data);
        let last = reversals.map(|reversal| reversal.created).max();
        PaymentReturn {
            reference: Some(reference),
            reason: Failure::new("transfer_reversed", "The transfer was reversed.")
                .because(DeclineCode::Other),
            at: last.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            amount: self.partly_reversed(),
        }
    }

    /// Returns the amount that came back, if it is not the whole amount.
    fn partly_reversed(&self) -> Option<Decimal> {
        if self.reversed {
            None
        } else {
            currency::amount(self.amount_reversed, &self.currency)
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
