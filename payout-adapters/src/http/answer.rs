//! What the provider's answers mean: pure functions, the provider contract row by row.
//!
//! A definite answer (paid, declined) is definite for good and moves a payout to a final state, so only what the
//! contract says in every detail is one. Everything else is unknown: asked again later, under the same key. Public so that
//! it can be fuzzed.

use std::fmt;
use std::time::Duration;

use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::ReportedPayment;
use payout_core::provider::{ProcessorError, ProviderAnswer};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
    /// What it said.
    pub body: Body,
}

/// The body of an answer. It may quote who is paid, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It could not be read to its end, for this reason.
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

/// What an answer to a submission means.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] and [`ProcessorError::Unknown`]. None shows anything of the body.
pub fn of_submission(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200..=202 => read_outcome(received),
        400 | 402 | 422 => read_decline(received),
        // 404 and 405 are among the rest: a wrong URL must fail nobody's payout.
        _ => Err(no_answer(received)),
    }
}

/// What an answer to a look-up means. `None`: the provider never received the key.
///
/// 400, 402 and 422 refuse the question here, they do not decline the payment.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] and [`ProcessorError::Unknown`]. None shows anything of the body.
pub fn of_look_up(received: &Received) -> Result<Option<ProviderAnswer>, ProcessorError> {
    match received.status {
        200..=202 => read_outcome(received).map(Some),
        404 => Ok(None),
        _ => Err(no_answer(received)),
    }
}

/// The body of a success, by its `status`. What the contract does not name in it is not looked at.
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

/// Of the body of a 4xx, what could contradict that it declines.
#[derive(Deserialize)]
struct Claimed {
    status: Option<serde_json::Value>,
}

/// What an answer may say of the payment: whatever it says must agree.
#[derive(Deserialize)]
struct Payment {
    amount: Option<serde_json::Value>,
    currency: Option<String>,
    digest: Option<String>,
}

/// What the answer says of the payment.
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
            return Err(unknown(received, "an amount that is none"));
        }
    };
    ReportedPayment::new(amount.as_deref(), currency.as_deref(), digest.as_deref())
        .ok_or_else(|| unknown(received, "an amount that is none"))
}

fn read_outcome(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    // 202 says that nothing is decided yet: with a decision in its body it contradicts itself.
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
    let answer = answer.ok_or_else(|| unknown(received, "an outcome that is none of the contract's"))?;
    Ok(answer.of_payment(read_payment(received)?))
}

fn read_decline(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    let claimed: Claimed = object(received)?;
    // A problem document (RFC 9457) repeats the HTTP status as a number: no contradiction.
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

/// Reads a body that is one JSON object. The parser would also take an array of the fields' values for one.
fn object<T: DeserializeOwned>(received: &Received) -> Result<T, ProcessorError> {
    let body = match &received.body {
        // A reader may ignore a byte order mark (RFC 8259 §8.1), and some servers write one.
        Body::Whole(body) => body
            .strip_prefix(BYTE_ORDER_MARK)
            .unwrap_or(body)
            .trim_ascii_start(),
        Body::Unreadable(why) => return Err(unknown(received, why)),
    };
    // As text: of bytes, the parser would take what it passes over for valid without a look.
    let parsed = std::str::from_utf8(body)
        .ok()
        .filter(|body| body.starts_with('{'))
        .and_then(|body| serde_json::from_str(body).ok());
    parsed.ok_or_else(|| unknown(received, "not of the contract's form"))
}

/// An answer that is none, whatever its body says.
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
