//! An answer before a provider's adapter interprets it.

use std::fmt;
use std::time::Duration;

use payout_core::provider::ProcessorError;
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

impl Received {
    /// Reads a body that must be a single JSON object. Left to itself, serde also accepts an array of the field values.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`] for any other body.
    pub fn object<T: DeserializeOwned>(&self) -> Result<T, ProcessorError> {
        let body = match &self.body {
            // RFC 8259 §8.1 lets a reader ignore a byte order mark, and some servers write one.
            Body::Whole(body) => body
                .strip_prefix(BYTE_ORDER_MARK)
                .unwrap_or(body)
                .trim_ascii_start(),
            Body::Unreadable(why) => return Err(self.unknown(why)),
        };
        // Parsed as text: given bytes, the parser would not check the UTF-8 of the fields that it skips.
        let parsed = std::str::from_utf8(body)
            .ok()
            .filter(|body| body.starts_with('{'))
            .and_then(|body| serde_json::from_str(body).ok());
        parsed.ok_or_else(|| self.unknown("not of the contract's form"))
    }

    /// Reads what a provider tells if it has the endpoint and lets this client use it; otherwise `None`.
    ///
    /// # Errors
    /// [`ProcessorError`] for an answer that is neither.
    pub fn told<T: DeserializeOwned>(&self) -> Result<Option<T>, ProcessorError> {
        match self.status {
            200 => self.object().map(Some),
            403 | 404 | 405 | 501 => Ok(None),
            _ => Err(self.no_answer()),
        }
    }

    /// Classifies the answer by its HTTP status alone: such an answer decides nothing, whatever its body says.
    pub fn no_answer(&self) -> ProcessorError {
        let (why, retry_after) = (format!("the provider answered {}", self.status), self.retry_after);
        match self.status {
            401 | 403 | 429 => ProcessorError::Refused { why, retry_after },
            // Of a gateway that repeats requests: an earlier copy of this one may be under way, or paid.
            408 | 409 | 425 => ProcessorError::Overloaded {
                why,
                retry_after: retry_after.unwrap_or_default(),
            },
            503 if let Some(retry_after) = retry_after => ProcessorError::Overloaded { why, retry_after },
            _ => ProcessorError::Unknown { why, retry_after },
        }
    }

    /// Builds the error for an answer whose body cannot be relied on. `what` names the flaw, without any of the body.
    pub fn unknown(&self, what: &str) -> ProcessorError {
        let why = format!(
            "the provider answered {} with a body that cannot be relied on: {what}",
            self.status
        );
        ProcessorError::Unknown {
            why,
            retry_after: self.retry_after,
        }
    }
}
