//! Requests to PayPal: their URLs and the body of a submission.

use payout_core::money::{Currency, Money};
use payout_core::payout::{Failure, PaymentDetails, Recipient, StatementText, TypedAccount};
use payout_core::provider::{DeclineCode, Instruction, ProviderName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use super::KIND;

/// The currencies that PayPal holds and pays.
pub(super) const CURRENCIES: [&str; 24] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR",
    "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];

/// The currencies whose amounts PayPal takes without decimals. ISO 4217 gives two of them decimals.
const WITHOUT_DECIMALS: [&str; 3] = ["HUF", "JPY", "TWD"];

/// The characters to escape in a path: all but those that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// PayPal's URLs.
#[derive(Debug, Clone)]
pub(super) struct Endpoints(Url);

impl Endpoints {
    pub(super) fn new(base: Url) -> Self {
        Self(base)
    }

    pub(super) fn token(&self) -> Url {
        self.below("/v1/oauth2/token")
    }

    pub(super) fn payouts(&self) -> Url {
        self.below("/v1/payments/payouts")
    }

    pub(super) fn balances(&self) -> Url {
        self.below("/v1/reporting/balances")
    }

    pub(super) fn batch(&self, id: &str) -> Url {
        let id = utf8_percent_encode(id, RESERVED);
        self.below(&format!("/v1/payments/payouts/{id}"))
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

/// The body of a submission: a batch of one item.
///
/// The idempotency key is the batch's id, the only one that PayPal keeps from being paid twice. An item's id and the
/// header `PayPal-Request-Id` let a second payment through.
#[derive(Serialize)]
pub(super) struct Order<'a> {
    sender_batch_header: Header<'a>,
    items: [Item<'a>; 1],
}

#[derive(Serialize)]
struct Header<'a> {
    sender_batch_id: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    recipient_type: &'static str,
    receiver: &'a str,
    amount: Amount,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    sender_item_id: String,
}

#[derive(Serialize)]
struct Amount {
    value: String,
    currency: &'static str,
}

impl<'a> Order<'a> {
    /// Builds the body for an instruction.
    ///
    /// # Errors
    /// A decline by this adapter, if PayPal takes no such payment. Every attempt under the key gets the same.
    pub(super) fn of(instruction: &'a Instruction, provider: &ProviderName) -> Result<Self, Failure> {
        let details = &instruction.details;
        let (recipient_type, receiver) = receiver(&details.recipient, provider)?;
        Ok(Self {
            sender_batch_header: Header {
                sender_batch_id: instruction.key.as_str(),
            },
            items: [Item {
                recipient_type,
                receiver,
                amount: amount(details.money)?,
                note: note(details),
                sender_item_id: instruction.payout_id.to_string(),
            }],
        })
    }

    #[expect(clippy::expect_used, reason = "texts under fixed names are always JSON")]
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("JSON")
    }
}

/// Returns the text that the recipient is shown: the statement text, or else the description. Neither is longer than
/// PayPal takes it.
fn note(details: &PaymentDetails) -> &str {
    let statement_text = details.statement_text.as_ref().map(StatementText::as_str);
    statement_text.unwrap_or_else(|| details.description.as_str())
}

fn receiver<'a>(recipient: &'a Recipient, name: &ProviderName) -> Result<(&'static str, &'a str), Failure> {
    match recipient.typed_account() {
        Some(TypedAccount::Email(address)) => Ok(("EMAIL", address.as_str())),
        Some(TypedAccount::Phone(number)) => Ok(("PHONE", number.as_str())),
        Some(TypedAccount::ProviderAccount { provider, id })
            if provider == name || provider.as_str() == KIND =>
        {
            Ok(("PAYPAL_ID", id.as_str()))
        }
        Some(
            TypedAccount::ProviderAccount { .. }
            | TypedAccount::Iban { .. }
            | TypedAccount::UsBank { .. }
            | TypedAccount::GbBank { .. },
        )
        | None => Err(
            Failure::new("recipient_type", "PayPal cannot pay a recipient of this type.")
                .because(DeclineCode::InvalidAccount),
        ),
    }
}

fn amount(money: Money) -> Result<Amount, Failure> {
    let (mut value, currency) = (money.amount(), money.currency().code());
    if WITHOUT_DECIMALS.contains(&currency) {
        if !value.is_integer() {
            let message = "PayPal takes amounts in this currency without decimals only.";
            return Err(Failure::new("decimals", message).because(DeclineCode::Other));
        }
        value = value.trunc();
    }
    Ok(Amount {
        value: value.to_string(),
        currency,
    })
}

/// Returns the currencies that PayPal pays.
pub(super) fn currencies() -> Vec<Currency> {
    CURRENCIES
        .iter()
        .filter_map(|code| Currency::recorded(code).ok())
        .collect()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
