//! Interpretation of Adyen's answers: pure functions, row by row.
//!
//! | status of the transfer | answer |
//! |---|---|
//! | `booked` | paid; a return may follow |
//! | `returned`, and `failed` after it was booked | returned |
//! | `failed`, `refused` | declined, or waiting, by the [reason](super::codes) |
//! | any other | accepted |
//!
//! An answer that is not about this key, or not of Adyen's form, is *unknown*. The module is public so that it can be
//! fuzzed.

use payout_core::Timestamp;
use payout_core::payout::{Failure, ProviderReference};
use payout_core::provider::{
    DeclineCode, PaymentReturn, ProcessorError, ProcessorKey, ProviderAnswer, ReportedPayment, WaitReason,
};
use serde::Deserialize;

use super::amount;
use super::codes::{self, Meaning};
use super::request;
pub use crate::outbound::{Body, Received};

/// A transfer, as Adyen describes it. Fields that are not used are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    id: String,
    reference: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    amount: Amount,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    events: Option<Vec<Event>>,
    #[serde(default)]
    updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Amount {
    currency: String,
    value: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    booking_date: Option<Timestamp>,
}

/// A page of the list of transfers.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    data: Vec<Transfer>,
    #[serde(default, rename = "_links")]
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<serde::de::IgnoredAny>,
}

/// A problem document (RFC 7807) with Adyen's extensions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error_code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    invalid_fields: Vec<InvalidField>,
    #[serde(default)]
    routing_details: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct InvalidField {
    name: String,
    #[serde(default)]
    message: String,
}

/// Interprets the answer to a submission.
///
/// # Errors
/// [`ProcessorError::Refused`], [`ProcessorError::Overloaded`] or [`ProcessorError::Unknown`].
pub fn of_submission(received: &Received, key: &ProcessorKey) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200..=202 => read_transfer(received, key),
        422 => read_problem(received),
        // Every other status is no answer, 400 and 404 included: a wrong URL must not fail a payout.
        _ => Err(received.no_answer()),
    }
}

/// Interprets the answer to a look-up by the transfer's id. The transfer exists, so that *not found* is no answer.
///
/// # Errors
/// As [`of_submission`].
pub fn of_transfer(received: &Received, key: &ProcessorKey) -> Result<ProviderAnswer, ProcessorError> {
    match received.status {
        200 => read_transfer(received, key),
        _ => Err(received.no_answer()),
    }
}

/// Interprets the list of the transfers with this key. `None` if it is empty.
///
/// # Errors
/// As [`of_submission`]; also if the list has several transfers, of which none is chosen.
pub fn of_list(received: &Received, key: &ProcessorKey) -> Result<Option<ProviderAnswer>, ProcessorError> {
    if received.status != 200 {
        return Err(received.no_answer());
    }
    let page: Page = received.object()?;
    let wanted = request::wire_key(key);
    if page.data.iter().any(|transfer| transfer.reference != wanted) {
        return Err(received.unknown("a list of other transfers"));
    }
    if page.links.is_some_and(|links| links.next.is_some()) {
        return Err(received.unknown("several pages of transfers with this key"));
    }
    let mut outgoing = page.data.into_iter().filter(|transfer| !transfer.is_incoming());
    match (outgoing.next(), outgoing.next()) {
        (None, _) => Ok(None),
        (Some(transfer), None) => transfer.into_answer(received).map(Some),
        (Some(_), Some(_)) => Err(received.unknown("several transfers with this key")),
    }
}

fn read_transfer(received: &Received, key: &ProcessorKey) -> Result<ProviderAnswer, ProcessorError> {
    let transfer: Transfer = received.object()?;
    let wanted = request::wire_key(key);
    if transfer.reference != wanted || transfer.is_incoming() {
        return Err(received.unknown("another transfer"));
    }
    transfer.into_answer(received)
}

impl Transfer {
    fn is_incoming(&self) -> bool {
        self.direction.as_deref() == Some("incoming")
    }

    /// Returns the last event with this status.
    fn event(&self, status: &str) -> Option<&Event> {
        let mut events = self.events.iter().flatten().rev();
        events.find(|event| event.status.as_deref() == Some(status))
    }

    fn into_answer(self, received: &Received) -> Result<ProviderAnswer, ProcessorError> {
        let reference =
            ProviderReference::new(&self.id).ok_or_else(|| received.unknown("a transfer without an id"))?;
        let payment = ReportedPayment {
            amount: amount::from_minor_units(self.amount.value, &self.amount.currency),
            currency: Some(self.amount.currency.clone()),
            digest: None,
        };
        let answer = match self.status.as_str() {
            "booked" => ProviderAnswer::Paid { reference },
            "returned" => self.returned(reference),
            "failed" | "refused" if self.event("booked").is_some() => self.returned(reference),
            "failed" | "refused" => self.unpaid(received)?,
            _ => ProviderAnswer::Accepted {
                reference,
                look_again: None,
            },
        };
        Ok(answer.of_payment(payment))
    }

    fn reason(&self) -> &str {
        self.reason
            .as_deref()
            .filter(|reason| !reason.is_empty())
            .unwrap_or("unknown")
    }

    fn returned(&self, reference: ProviderReference) -> ProviderAnswer {
        let reason = self.reason();
        let message = format!("Adyen's transfer is {}: {reason}.", self.status);
        ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference),
            reason: Failure::new(reason, &message).because(codes::of_return(reason)),
            at: self
                .event(&self.status)
                .and_then(|event| event.booking_date)
                .or(self.updated_at),
            amount: None,
        })
    }

    fn unpaid(&self, received: &Received) -> Result<ProviderAnswer, ProcessorError> {
        let reason = self.reason();
        let message = format!("Adyen's transfer is {}: {reason}.", self.status);
        match codes::meaning(reason) {
            Meaning::Final(code) => Ok(ProviderAnswer::Declined(
                Failure::new(reason, &message).because(code),
            )),
            Meaning::NotNow(wait) => Ok(ProviderAnswer::Waiting {
                reason: wait,
                why: message,
                // Adyen keeps the transfer, and answers its key with it.
                key_is_spent: true,
            }),
            Meaning::Unclear => Err(received.unknown("a transfer that another one may have paid")),
        }
    }
}

/// The subject of a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The payment: its recipient, amount or description.
    Payment(DeclineCode),
    /// The setup of this service at Adyen.
    Setup,
    Unclear,
}

impl InvalidField {
    fn subject(&self) -> Subject {
        let first = self.name.split(['.', '[']).next().unwrap_or_default();
        match first {
            "counterparty" => Subject::Payment(DeclineCode::InvalidAccount),
            "amount" => Subject::Payment(DeclineCode::AmountLimit),
            "description" => Subject::Payment(DeclineCode::Other),
            "balanceAccountId"
            | "balanceAccount"
            | "paymentInstrumentId"
            | "priority"
            | "priorities"
            | "category" => Subject::Setup,
            _ => Subject::Unclear,
        }
    }
}

/// Interprets a 422. It declines the payment only if it names fields of the payment and no others; nothing was created
/// then. One about another request under this key, which is running or had another body, is unknown: that request may
/// have paid.
fn read_problem(received: &Received) -> Result<ProviderAnswer, ProcessorError> {
    let problem: Problem = received.object()?;
    if problem.error_code.is_empty() {
        return Err(received.unknown("a refusal without a code"));
    }
    if !problem.routing_details.is_empty() {
        return Ok(ProviderAnswer::Waiting {
            reason: WaitReason::Provider,
            why: format!("Adyen finds no route for the transfer ({}).", problem.error_code),
            key_is_spent: false,
        });
    }
    let subjects: Vec<Subject> = problem.invalid_fields.iter().map(InvalidField::subject).collect();
    match subjects.first() {
        Some(Subject::Setup) if subjects.iter().all(|subject| *subject == Subject::Setup) => {
            Err(ProcessorError::Refused {
                why: format!("Adyen refuses the setup ({})", problem.error_code),
                retry_after: received.retry_after,
            })
        }
        Some(Subject::Payment(code))
            if subjects
                .iter()
                .all(|subject| matches!(subject, Subject::Payment(_))) =>
        {
            let failure = Failure::new(&problem.error_code, &problem.message());
            Ok(ProviderAnswer::Declined(failure.because(*code)))
        }
        Some(_) | None => Err(received.unknown("a refusal that does not say of what")),
    }
}

impl Problem {
    /// Returns the title and the messages about the fields, without their values.
    fn message(&self) -> String {
        let fields: Vec<String> = self
            .invalid_fields
            .iter()
            .map(|field| format!("{}: {}", field.name, field.message))
            .collect();
        format!("{} {}", self.title, fields.join("; ")).trim().to_owned()
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
