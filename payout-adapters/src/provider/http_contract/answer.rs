//! Interpretation of the provider's answers: pure functions that implement the provider contract row by row.
//!
//! A definite answer (paid or declined) is never revised and moves a payout to a final state. Therefore only an answer
//! that matches the contract in every detail counts as definite. Every other answer is *unknown*: the worker asks again
//! later, under the same idempotency key. The module is public so that it can be fuzzed.

use std::fmt;
use std::time::Duration;

use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::ReportedPayment;
use payout_core::provider::{ProcessorError, ProviderAnswer};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The byte order mark (U+FEFF), encoded as UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An answer from the provider, before it is interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// The wait that the provider asks for before the next request.
    pub retry_after: Option<Duration>,
    /// The body of the answer.
    pub body: Body,
}

/// The body of an answer. `Debug` prints its length only, since the body may quote the recipient.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The complete body.
    Whole(Vec<u8>),
    /// The body could not be read to its end; the text gives the reason.
    Unreadable(&'static str),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Unreadable(why) => write!(f, "Unreadable({why})"),
        }
    }
}

/// Interprets the answer to a submission.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`]. No error shows any part
/// of the body.
pub fn of_submission(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200..=202 => read_outcome(received),
        400 | 402 | 422 => read_decline(received),
        // Every other status is no answer, 404 and 405 included: a misconfigured URL must not fail a payout.
        _ => Err(no_answer(received)),
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
        _ => Err(no_answer(received)),
    }
}

/// The body of a successful answer, selected by its `status`. Fields that the contract does not name are ignored.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Completed { reference: String },
    Pending { reference: String },
    Failed(Decline),
}

#[derive(Deserialize)]
struct Decline {
    code: String,
    message: String,
}

/// The field of a 4xx body that could contradict a decline.
#[derive(Deserialize)]
struct Claimed {
    status: Option<serde_json::Value>,
}

/// The optional fields in which an answer describes the payment. Each field that is present must agree with the payout.
#[derive(Deserialize)]
struct Payment {
    amount: Option<serde_json::Value>,
    currency: Option<String>,
    digest: Option<String>,
}

/// Reads the payment that the answer describes.
fn read_payment(received: &Received) -> Result<ReportedPayment, ProcessorError> {
    let Payment {
        amount,
        currency,
        digest,
    } = object(received)?;
    let amount = match amount {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        Some(serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            return Err(unknown(received, "an amount that is not valid"));
        }
    };
    ReportedPayment::new(amount.as_deref(), currency.as_deref(), digest.as_deref())
        .ok_or_else(|| unknown(received, "an amount that is not valid"))
}

fn read_outcome(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    // A 202 says that the provider has not decided yet, so a decision in its body is a contradiction.
    let decided = received.status != 202;
    let answer = match object(received)? {
        Outcome::Completed { reference } if decided => {
            ProviderReference::new(&reference).map(|reference| ProviderAnswer::Paid { reference })
        }
        Outcome::Pending { reference } => {
            ProviderReference::new(&reference).map(|reference| ProviderAnswer::Accepted { reference })
        }
        Outcome::Failed(decline) if decided => decline.into_failure().map(ProviderAnswer::Declined),
        Outcome::Completed { .. } | Outcome::Failed(_) => None,
    };
    let answer = answer.ok_or_else(|| unknown(received, "an outcome that the contract does not define"))?;
    Ok(answer.of_payment(read_payment(received)?))
}

fn read_decline(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    let claimed: Claimed = object(received)?;
    // A problem document (RFC 9457) repeats the HTTP status as a number, which is no contradiction.
    if claimed
        .status
        .is_some_and(|status| status.as_str().is_some_and(|status| status != "failed"))
    {
        return Err(unknown(received, "a refusal that contradicts itself"));
    }
    let failure = object::<Decline>(received)?.into_failure();
    let declined = failure
        .map(ProviderAnswer::Declined)
        .ok_or_else(|| unknown(received, "a refusal without a code"))?;
    Ok(declined.of_payment(read_payment(received)?))
}

impl Decline {
    fn into_failure(self) -> Option<Failure> {
        let failure = Failure::new(&self.code, &self.message);
        (!failure.code().is_empty()).then_some(failure)
    }
}

/// Reads a body that must be a single JSON object. Left to itself, serde also accepts an array of the field values.
fn object<T: DeserializeOwned>(received: &Received) -> Result<T, ProcessorError> {
    let body = match &received.body {
        // RFC 8259 §8.1 lets a reader ignore a byte order mark, and some servers write one.
        Body::Whole(body) => body
            .strip_prefix(BYTE_ORDER_MARK)
            .unwrap_or(body)
            .trim_ascii_start(),
        Body::Unreadable(why) => return Err(unknown(received, why)),
    };
    // Parsed as text: given bytes, the parser would not check the UTF-8 of the fields that it skips.
    let parsed = std::str::from_utf8(body)
        .ok()
        .filter(|body| body.starts_with('{'))
        .and_then(|body| serde_json::from_str(body).ok());
    parsed.ok_or_else(|| unknown(received, "not of the contract's form"))
}

/// Classifies an answer by its HTTP status alone: such an answer decides nothing, whatever its body says.
fn no_answer(received: &Received) -> ProcessorError {
    let (why, retry_after) = (
        format!("the provider answered {}", received.status),
        received.retry_after,
    );
    match received.status {
        401 | 403 | 408 | 409 | 425 | 429 => ProcessorError::Refused { why, retry_after },
        503 if let Some(retry_after) = retry_after => ProcessorError::Overloaded { why, retry_after },
        _ => ProcessorError::Unknown { why, retry_after },
    }
}

fn unknown(received: &Received, what: &str) -> ProcessorError {
    let why = format!(
        "the provider answered {} with a body that cannot be relied on: {what}",
        received.status
    );
    ProcessorError::Unknown {
        why,
        retry_after: received.retry_after,
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
