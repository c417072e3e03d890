//! Interpretation of the provider's answers: pure functions that implement the provider contract row by row.
//!
//! A definite answer (paid or declined) is never revised and moves a payout to a final state. Therefore only an answer
//! that matches the contract in every detail counts as definite. Every other answer is *unknown*: the worker asks again
//! later, under the same idempotency key. The module is public so that it can be fuzzed.

use std::str::FromStr;

use payout_core::Timestamp;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::{
    DeclineCode, PaymentReturn, ProcessorError, ProviderAnswer, ReportedPayment, WaitReason, exact_number,
};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use crate::outbound::{Body, Received};

/// Interprets the answer to a submission.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`]. No error shows any part
/// of the body.
pub fn of_submission(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200..=202 => read_outcome(received),
        400 | 402 | 422 => read_refusal(received),
        // Every other status is no answer, 404 and 405 included: a misconfigured URL must not fail a payout.
        _ => Err(received.no_answer()),
    }
}

/// Interprets the answer to a look-up. `None` means that the provider never received the key.
///
/// Here 400, 402 and 422 refuse the look-up; they do not decline the payment.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`]. No error shows any part
/// of the body.
pub fn of_look_up(received: &Received) -> Result<Option<ProviderAnswer>, ProcessorError> {
    match received.status {
        200..=202 => read_outcome(received).map(Some),
        404 => Ok(None),
        _ => Err(received.no_answer()),
    }
}

/// The body of a successful answer, selected by its `status`. Fields that the contract does not name are ignored.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Completed { reference: String },
    Pending { reference: String },
    Failed(Decline),
    Returned(Return),
    Waiting(Wait),
}

#[derive(Deserialize)]
struct Decline {
    code: String,
    message: String,
    reason: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Return {
    reference: String,
    code: String,
    message: String,
    reason: Option<serde_json::Value>,
    at: Option<Timestamp>,
}

/// The part of a payment that came back. It is read apart from the other fields: the selection by `status` would round a
/// number with many digits.
#[derive(Deserialize)]
struct Part {
    returned_amount: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Wait {
    reason: WaitFor,
    message: Option<String>,
    #[serde(default)]
    spent: bool,
}

/// The reasons that the contract names. A payout that would wait for another reason waits for the wrong person.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WaitFor {
    Funds,
    ProviderLimit,
}

/// The field of a 4xx body that could contradict a decline.
#[derive(Deserialize)]
struct Claimed {
    status: Option<serde_json::Value>,
}

/// The optional fields in which an answer describes the payment. Each field that is present must agree with the payout.
#[derive(Deserialize)]
struct Payment {
    amount: Option<Box<RawValue>>,
    currency: Option<String>,
    digest: Option<String>,
}

/// Reads the payment that the answer describes.
fn read_payment(received: &Received) -> Result<ReportedPayment, ProcessorError> {
    let Payment {
        amount,
        currency,
        digest,
    } = received.object()?;
    let amount = text_of_number(amount.as_deref(), received)?;
    ReportedPayment::new(amount.as_deref(), currency.as_deref(), digest.as_deref())
        .ok_or_else(|| received.unknown("an amount that is not valid"))
}

/// Returns the text of a number that is written as text or as a number; a number as it is written, unless it has an
/// exponent.
fn text_of_number(value: Option<&RawValue>, received: &Received) -> Result<Option<String>, ProcessorError> {
    let Some(written) = value.map(RawValue::get) else {
        return Ok(None);
    };
    let text = if written.starts_with('"') {
        serde_json::from_str::<String>(written).ok()
    } else if written.contains(['e', 'E']) {
        let number = serde_json::from_str::<serde_json::Number>(written).ok();
        number.map(|number| number.to_string())
    } else {
        Some(written.to_owned())
    };
    text.map(Some)
        .ok_or_else(|| received.unknown("an amount that is not valid"))
}

fn read_outcome(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    // A 202 says that the provider has not decided yet, so a decision in its body is a contradiction.
    let decided = received.status != 202;
    let answer = match received.object()? {
        Outcome::Completed { reference } if decided => {
            ProviderReference::new(&reference).map(|reference| ProviderAnswer::Paid { reference })
        }
        Outcome::Pending { reference } => {
            ProviderReference::new(&reference).map(|reference| ProviderAnswer::Accepted {
                reference,
                look_again: None,
            })
        }
        Outcome::Failed(decline) if decided => decline.into_failure().map(ProviderAnswer::Declined),
        Outcome::Returned(returned) if decided => returned.into_answer(received)?,
        Outcome::Waiting(wait) if decided => Some(wait.into_answer()),
        Outcome::Completed { .. } | Outcome::Failed(_) | Outcome::Returned(_) | Outcome::Waiting(_) => None,
    };
    let answer = answer.ok_or_else(|| received.unknown("an outcome that the contract does not define"))?;
    Ok(answer.of_payment(read_payment(received)?))
}

/// Reads the body of a 4xx answer: a payment that is declined, or one that waits.
fn read_refusal(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    let claimed: Claimed = received.object()?;
    // A problem document (RFC 9457) repeats the HTTP status as a number, which is no contradiction.
    let status = claimed.status.as_ref().and_then(serde_json::Value::as_str);
    let answer = match status {
        Some("waiting") => read_wait(received)?,
        None | Some("failed") => {
            let failure = received.object::<Decline>()?.into_failure();
            failure
                .map(ProviderAnswer::Declined)
                .ok_or_else(|| received.unknown("a refusal without a code"))?
        }
        Some(_) => return Err(received.unknown("a refusal that contradicts itself")),
    };
    Ok(answer.of_payment(read_payment(received)?))
}

fn read_wait(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    received.object::<Wait>().map(Wait::into_answer)
}

impl Decline {
    fn into_failure(self) -> Option<Failure> {
        failure(&self.code, &self.message, self.reason.as_ref())
    }
}

impl Return {
    /// Returns `None` if the answer lacks its reference or its code.
    fn into_answer(self, received: &Received) -> Result<Option<ProviderAnswer>, ProcessorError> {
        let Part { returned_amount } = received.object()?;
        let amount = match text_of_number(returned_amount.as_deref(), received)? {
            Some(text) => {
                let amount = exact_number(&text).filter(|amount| *amount > Decimal::ZERO);
                Some(amount.ok_or_else(|| received.unknown("an amount that is not valid"))?)
            }
            None => None,
        };
        let reason = failure(&self.code, &self.message, self.reason.as_ref());
        let reference = ProviderReference::new(&self.reference);
        Ok(reason.zip(reference).map(|(reason, reference)| {
            ProviderAnswer::Returned(PaymentReturn {
                reference: Some(reference),
                reason,
                at: self.at,
                amount,
            })
        }))
    }
}

impl Wait {
    fn into_answer(self) -> ProviderAnswer {
        let (reason, why) = match self.reason {
            WaitFor::Funds => (WaitReason::Funds, "the balance is too low"),
            WaitFor::ProviderLimit => (WaitReason::ProviderLimit, "a limit is reached"),
        };
        ProviderAnswer::Waiting {
            reason,
            why: self.message.unwrap_or_else(|| why.to_owned()),
            key_is_spent: self.spent,
        }
    }
}

/// Returns `None` without a code. A reason that is not one of the service's own codes is ignored.
fn failure(code: &str, message: &str, reason: Option<&serde_json::Value>) -> Option<Failure> {
    let reason = reason
        .and_then(serde_json::Value::as_str)
        .and_then(|reason| DeclineCode::from_str(reason).ok());
    let failure = Failure::new(code, message).with_reason(reason);
    (!failure.code().is_empty()).then_some(failure)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
