//! Interpretation of PayPal's answers: pure functions, row by row.
//!
//! A definite answer moves a payout to a final state, so only an answer that PayPal documents as final counts as one.
//! Every other answer is *accepted* where PayPal shows the batch, and *unknown* where it does not. The module is public
//! so that it can be fuzzed.

use std::time::Duration;

use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::{
    DeclineCode, PaymentReturn, ProcessorError, ProcessorKey, ProviderAnswer, ReportedPayment,
};
use serde::Deserialize;
use serde_json::Value;

use super::codes;
pub use crate::outbound::{Body, Received};

/// The longest wait between two look-ups of a payment that waits for a person: the recipient, or a reviewer at PayPal.
const WAIT_FOR_A_PERSON: Duration = Duration::from_secs(60 * 60);

/// PayPal's answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The answer.
    Answer(ProviderAnswer),
    /// The key was used before, for this batch.
    Repeat(ProviderReference),
}

/// Interprets the answer to a submission.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`]. No error shows any part
/// of the body.
pub fn of_submission(received: &Received, key: &ProcessorKey) -> Result<Submitted, ProcessorError> {
    match received.status {
        200..=202 => {
            let batch: Batch = received.object()?;
            let reference = batch.reference(received, key)?;
            // The items are looked up: a batch that was just made shows none.
            Ok(Submitted::Answer(accepted(reference, None)))
        }
        400 | 422 => refused_submission(received),
        // Every other status is no answer, 404 and 405 included: a misconfigured URL must not fail a payout.
        _ => Err(received.no_answer()),
    }
}

/// Interprets the answer to a look-up of the batch that was made under a key.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`]. *Not found* is unknown:
/// PayPal has named this batch before.
pub fn of_look_up(received: &Received, key: &ProcessorKey) -> Result<ProviderAnswer, ProcessorError> {
    if received.status != 200 {
        return Err(received.no_answer());
    }
    let batch: Batch = received.object()?;
    let reference = batch.reference(received, key)?;
    match &batch.items[..] {
        [] => Ok(batch.without_items(reference)),
        [item] => {
            let payment = item.payment(received)?;
            Ok(item.answer(reference, &batch.batch_header).of_payment(payment))
        }
        [_, _, ..] => Err(received.unknown("a batch of several items")),
    }
}

/// Shortens the wait for a person to the time for which the payment has waited so far: where the notification of its end
/// is lost, the end is found after twice the time that it took.
pub fn soon_while_young(answer: ProviderAnswer, age: Duration) -> ProviderAnswer {
    match answer {
        ProviderAnswer::Accepted {
            reference,
            look_again: Some(wait),
        } => accepted(reference, Some(wait.min(age))),
        ProviderAnswer::Reported { answer, payment } => ProviderAnswer::Reported {
            answer: Box::new(soon_while_young(*answer, age)),
            payment,
        },
        same @ (ProviderAnswer::Paid { .. }
        | ProviderAnswer::Accepted { .. }
        | ProviderAnswer::Declined(_)
        | ProviderAnswer::Returned(_)
        | ProviderAnswer::Waiting { .. }) => same,
    }
}

/// A batch. Fields that the adapter does not need are ignored.
#[derive(Deserialize)]
struct Batch {
    batch_header: Header,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Header {
    payout_batch_id: String,
    batch_status: String,
    sender_batch_header: Sender,
    errors: Option<Value>,
}

#[derive(Deserialize)]
struct Sender {
    sender_batch_id: String,
}

#[derive(Deserialize)]
struct Item {
    transaction_status: Option<String>,
    payout_item: Detail,
    time_processed: Option<String>,
    errors: Option<Value>,
}

#[derive(Deserialize)]
struct Detail {
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    value: String,
    currency: String,
}

/// PayPal's form of an error.
#[derive(Deserialize, Default)]
struct Problem {
    name: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    field: Option<String>,
    #[serde(default)]
    issue: String,
    /// The links to the batch that has the key already. PayPal writes `link`; its description says `links`.
    #[serde(default, alias = "links")]
    link: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

fn accepted(reference: ProviderReference, look_again: Option<Duration>) -> ProviderAnswer {
    ProviderAnswer::Accepted {
        reference,
        look_again,
    }
}

impl Batch {
    /// Returns the batch's id, if the batch was made under this key.
    fn reference(
        &self,
        received: &Received,
        key: &ProcessorKey,
    ) -> Result<ProviderReference, ProcessorError> {
        if self.batch_header.sender_batch_header.sender_batch_id != key.as_str() {
            return Err(received.unknown("a batch of another key"));
        }
        ProviderReference::new(&self.batch_header.payout_batch_id)
            .ok_or_else(|| received.unknown("a batch without an id"))
    }

    /// Returns the answer of a batch that shows no item: only a denied one is decided.
    fn without_items(&self, reference: ProviderReference) -> ProviderAnswer {
        if self.batch_header.batch_status == "DENIED" {
            not_paid(None, &self.batch_header)
        } else {
            accepted(reference, None)
        }
    }
}

impl Item {
    fn answer(&self, reference: ProviderReference, batch: &Header) -> ProviderAnswer {
        match self.transaction_status.as_deref() {
            Some("SUCCESS") => ProviderAnswer::Paid { reference },
            Some("FAILED" | "DENIED") => not_paid(self.errors.as_ref(), batch),
            Some("BLOCKED") => {
                let problem = problem(self.errors.as_ref()).unwrap_or_else(|| named("BLOCKED"));
                ProviderAnswer::Declined(codes::failure(&problem.name, &problem.message))
            }
            Some(status @ ("RETURNED" | "REFUNDED" | "REVERSED")) => {
                let problem = problem(self.errors.as_ref()).unwrap_or_else(|| named(status));
                ProviderAnswer::Returned(PaymentReturn {
                    reference: Some(reference),
                    reason: codes::failure(&problem.name, &problem.message),
                    at: self.time_processed.as_ref().and_then(|time| time.parse().ok()),
                    amount: None,
                })
            }
            Some("UNCLAIMED" | "ONHOLD") => accepted(reference, Some(WAIT_FOR_A_PERSON)),
            // A batch that was denied has processed nothing.
            None if batch.batch_status == "DENIED" => not_paid(self.errors.as_ref(), batch),
            // PENDING and NEW. A status that PayPal does not document decides nothing.
            Some(_) | None => accepted(reference, None),
        }
    }

    fn payment(&self, received: &Received) -> Result<ReportedPayment, ProcessorError> {
        let Amount { value, currency } = &self.payout_item.amount;
        ReportedPayment::new(Some(value), Some(currency), None)
            .ok_or_else(|| received.unknown("an amount that is not valid"))
    }
}

/// Returns the answer of a payment that PayPal has definitely not made. The batch, and with it the key, is used up.
fn not_paid(errors: Option<&Value>, batch: &Header) -> ProviderAnswer {
    let problem = problem(errors)
        .or_else(|| problem(batch.errors.as_ref()))
        .unwrap_or_else(|| named("DENIED"));
    match codes::wait_reason(&problem.name) {
        Some(reason) => ProviderAnswer::Waiting {
            reason,
            why: problem.name,
            key_is_spent: true,
        },
        None => ProviderAnswer::Declined(codes::failure(&problem.name, &problem.message)),
    }
}

fn named(name: &str) -> Problem {
    Problem {
        name: name.to_owned(),
        message: format!("PayPal's item is {name}."),
        ..Problem::default()
    }
}

/// Reads the errors of a batch or an item: an object, or in old answers a list of them.
fn problem(errors: Option<&Value>) -> Option<Problem> {
    let errors = errors?;
    let first = match errors.as_array() {
        Some(all) => all.first()?,
        None => errors,
    };
    Problem::deserialize(first)
        .ok()
        .filter(|problem| !problem.name.trim().is_empty())
}

/// Interprets 400 and 422.
///
/// Only a refusal of the item's own content declines the payment: every attempt under the key has the same content, so
/// an earlier one was refused as well. A lack of funds proves nothing of an earlier attempt, which may have taken the
/// funds; the same key is sent again later.
fn refused_submission(received: &Received) -> Result<Submitted, ProcessorError> {
    let problem: Problem = received.object()?;
    if let Some(reason) = codes::wait_reason(&problem.name) {
        return Ok(Submitted::Answer(ProviderAnswer::Waiting {
            reason,
            why: problem.name,
            key_is_spent: false,
        }));
    }
    match problem.name.as_str() {
        "USER_BUSINESS_ERROR" => repeated(received, &problem),
        "VALIDATION_ERROR" | "INVALID_REQUEST" => invalid_item(&problem)
            .map(Submitted::Answer)
            .ok_or_else(|| received.unknown("a refusal of the request's form")),
        _ => Err(received.unknown("a refusal that PayPal does not document as final")),
    }
}

/// Returns the batch that has the key already.
fn repeated(received: &Received, problem: &Problem) -> Result<Submitted, ProcessorError> {
    let about_the_key = |issue: &&Issue| {
        issue
            .field
            .as_deref()
            .is_some_and(|field| field.to_ascii_uppercase().ends_with("SENDER_BATCH_ID"))
    };
    let Some(issue) = problem.details.iter().find(about_the_key) else {
        return Err(received.unknown("a business error without a reason"));
    };
    issue
        .link
        .iter()
        .find_map(|link| batch_of(&link.href))
        .map(Submitted::Repeat)
        .ok_or_else(|| received.unknown("the key was used before, and PayPal does not say for which batch"))
}

/// Reads the id of a batch from a link to it. Only the id is used: the link's host may be another one.
fn batch_of(href: &str) -> Option<ProviderReference> {
    let (_, rest) = href.split_once("/v1/payments/payouts/")?;
    let id = rest.split(['?', '#']).next()?.trim_end_matches('/');
    let plain = !id.is_empty()
        && id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    plain.then(|| ProviderReference::new(id)).flatten()
}

/// Returns the decline, if everything that PayPal finds invalid is the item's receiver or amount.
fn invalid_item(problem: &Problem) -> Option<ProviderAnswer> {
    let mut decline = None;
    for issue in &problem.details {
        let code = invalid_field(issue.field.as_deref()?)?;
        decline.get_or_insert_with(|| Failure::new(&problem.name, &issue.issue).because(code));
    }
    decline.map(ProviderAnswer::Declined)
}

/// Reads the field of an issue, such as `items[0].receiver` or `/items/0/amount/value`.
fn invalid_field(field: &str) -> Option<DeclineCode> {
    let field = field.to_ascii_lowercase();
    let mut parts = field
        .split(['.', '/', '[', ']', '$'])
        .filter(|part| !part.is_empty());
    if (parts.next(), parts.next()) != (Some("items"), Some("0")) {
        return None;
    }
    match (parts.next(), parts.next()) {
        (Some("receiver"), None) => Some(DeclineCode::InvalidAccount),
        (Some("amount"), Some("value")) => Some(DeclineCode::AmountLimit),
        (Some("amount"), Some("currency") | None) => Some(DeclineCode::Other),
        _ => None,
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
