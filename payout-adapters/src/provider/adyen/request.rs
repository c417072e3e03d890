//! Requests to Adyen: their URLs and the body of a submission.

use payout_core::payout::{
    Address, EntityType, Failure, PaymentDetails, Recipient, StatementText, TypedAccount,
};
use payout_core::provider::{DeclineCode, Instruction, ProcessorKey};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use super::amount;
use super::look_up::Window;
use super::settings::{AdyenPriority, AdyenSetupError};
use super::text::{self, Charset, Unsupported};

/// Returns the form in which a key is sent: as the idempotency key, and as the transfer's reference.
///
/// It has letters, digits and hyphens only. Adyen's description of version 1 allows no others in a reference, and that of
/// version 4 does not say.
pub(super) fn wire_key(key: &ProcessorKey) -> String {
    key.as_str().replace(':', "-")
}

/// Returns the key of a transfer's reference; `None` if it is not one of this service.
pub(super) fn key_of(reference: &str) -> Option<String> {
    let (id, generation) = (reference.get(..UUID_CHARS)?, reference.get(UUID_CHARS..)?);
    let generation = generation.strip_prefix('-')?;
    let is_number = !generation.is_empty() && generation.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{id}:{generation}"))
}

/// The length of the id with which a key begins.
const UUID_CHARS: usize = 36;
/// The longest description.
const DESCRIPTION_MAX_CHARS: usize = 140;

/// Adyen's URLs.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    transfers: Url,
}

impl Endpoints {
    /// Derives the URLs from the address of the API.
    ///
    /// A URL with a user is refused, since logs would show the password with the URL. A URL with a query is refused,
    /// since the query would be lost.
    pub(super) fn new(base: &str) -> Result<Self, AdyenSetupError> {
        let mut url = Url::parse(base).map_err(|_| AdyenSetupError::InvalidUrl)?;
        let reachable = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none();
        if !reachable || !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(AdyenSetupError::InvalidUrl);
        }
        let path = format!("{}/transfers", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self { transfers: url })
    }

    pub(super) fn transfers(&self) -> Url {
        self.transfers.clone()
    }

    /// Returns the URL of one transfer.
    pub(super) fn transfer(&self, id: &str) -> Url {
        let mut url = self.transfers.clone();
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        url.set_path(&format!("{}/{id}", self.transfers.path()));
        url
    }

    /// Returns the URL of a balance account. It is in another API at the same host; `None` if the address does not end as
    /// Adyen's does.
    pub(super) fn balance_account(&self, id: &str) -> Option<Url> {
        let base = self.transfers.path().strip_suffix("/btl/v4/transfers")?;
        let mut url = self.transfers.clone();
        url.set_path(&format!("{base}/bcl/v2/balanceAccounts/{id}"));
        Some(url)
    }

    /// Returns the URL of the list of transfers with this key as their reference.
    pub(super) fn list(&self, key: &ProcessorKey, balance_account: &str, window: &Window) -> Url {
        let mut url = self.transfers.clone();
        url.query_pairs_mut()
            .append_pair("balanceAccountId", balance_account)
            .append_pair("reference", &wire_key(key))
            .append_pair("createdSince", &window.since())
            .append_pair("createdUntil", &window.until());
        url
    }
}

/// An instruction that Adyen cannot take, so that it is declined without being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpayable {
    code: &'static str,
    message: String,
    reason: DeclineCode,
}

impl Unpayable {
    fn new(code: &'static str, message: impl Into<String>, reason: DeclineCode) -> Self {
        Self {
            code,
            message: message.into(),
            reason,
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        Failure::new(self.code, &self.message).because(self.reason)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transfer<'a> {
    amount: Amount,
    balance_account_id: &'a str,
    category: &'static str,
    counterparty: Counterparty<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    priority: &'static str,
    reference: String,
}

#[derive(Serialize)]
struct Amount {
    currency: &'static str,
    value: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counterparty<'a> {
    bank_account: BankAccount<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BankAccount<'a> {
    account_holder: Holder,
    account_identification: Identification<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    full_name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    entity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<PostalAddress>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostalAddress {
    line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line2: Option<String>,
    city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_or_province: Option<String>,
    country: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Identification<'a> {
    #[serde(rename = "iban")]
    Iban {
        iban: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bic: Option<&'a str>,
    },
    #[serde(rename = "usLocal")]
    Us {
        routing_number: &'a str,
        account_number: &'a str,
        account_type: &'static str,
    },
    #[serde(rename = "ukLocal")]
    Gb {
        sort_code: &'a str,
        account_number: &'a str,
    },
}

/// Builds the JSON body of a submission. It is the same for every attempt of an instruction.
pub(super) fn body(
    instruction: &Instruction,
    balance_account: &str,
    priority: AdyenPriority,
) -> Result<Vec<u8>, Unpayable> {
    let details = &instruction.details;
    let identification = identification(&details.recipient)?;
    let value = amount::minor_units(details.money).ok_or_else(|| {
        Unpayable::new(
            "amount_not_payable",
            "Adyen's minor units of this currency cannot express the amount.",
            DeclineCode::AmountLimit,
        )
    })?;
    let transfer = Transfer {
        amount: Amount {
            currency: details.money.currency().code(),
            value,
        },
        balance_account_id: balance_account,
        category: "bank",
        counterparty: Counterparty {
            bank_account: BankAccount {
                account_holder: holder(&details.recipient)?,
                account_identification: identification,
            },
        },
        description: description(details, priority)?,
        priority: priority.as_str(),
        reference: wire_key(&instruction.key),
    };
    serde_json::to_vec(&transfer)
        .map_err(|_| Unpayable::new("not_json", "The instruction is not JSON.", DeclineCode::Other))
}

fn identification(recipient: &Recipient) -> Result<Identification<'_>, Unpayable> {
    match recipient.typed_account() {
        Some(TypedAccount::Iban { iban, bic }) => Ok(Identification::Iban {
            iban: iban.as_str(),
            bic: bic.as_ref().map(|bic| bic.as_str()),
        }),
        Some(TypedAccount::UsBank {
            routing_number,
            account_number,
            account_type,
        }) => Ok(Identification::Us {
            routing_number: routing_number.as_str(),
            account_number: account_number.as_str(),
            account_type: account_type.as_str(),
        }),
        Some(TypedAccount::GbBank {
            sort_code,
            account_number,
        }) => Ok(Identification::Gb {
            sort_code: sort_code.as_str(),
            account_number: account_number.as_str(),
        }),
        Some(TypedAccount::Email(_) | TypedAccount::Phone(_) | TypedAccount::ProviderAccount { .. })
        | None => Err(Unpayable::new(
            "recipient_type_not_payable",
            "Adyen pays an IBAN and bank accounts in the United States and the United Kingdom.",
            DeclineCode::InvalidAccount,
        )),
    }
}

fn holder(recipient: &Recipient) -> Result<Holder, Unpayable> {
    Ok(Holder {
        full_name: written(recipient.name().as_str(), Charset::NAME, "name")?,
        entity: recipient.entity().map(|entity| match entity {
            EntityType::Individual => "individual",
            EntityType::Business => "organization",
        }),
        address: recipient.address().map(address).transpose()?,
    })
}

/// Writes an address. Adyen takes no dashes in a postal code, and Polish, Portuguese and other codes are read without.
fn address(address: &Address) -> Result<PostalAddress, Unpayable> {
    let line = |text: &str, field| written(text, Charset::ADDRESS, field);
    let postal_code = address
        .postal_code
        .as_deref()
        .map(|code| written(&code.replace('-', ""), Charset::POSTAL_CODE, "postal code"))
        .transpose()?;
    // Adyen takes the two-letter code of a state or province only, and asks for it in the United States and Canada.
    let region = address.region.as_deref().map(str::to_ascii_uppercase);
    let region = region.filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()));
    if region.is_none() && matches!(address.country.as_str(), "US" | "CA") {
        return Err(Unpayable::new(
            "region_not_supported",
            "The address needs a state or province as its two-letter code.",
            DeclineCode::InvalidAccount,
        ));
    }
    Ok(PostalAddress {
        line1: line(&address.line1, "address")?,
        line2: address
            .line2
            .as_deref()
            .map(|text| line(text, "address"))
            .transpose()?,
        city: line(&address.city, "city")?,
        postal_code,
        state_or_province: region,
        country: address.country.clone(),
    })
}

/// Writes the text that the recipient is shown: the statement text, or else the description, which is cut. A statement
/// text is not longer than Adyen takes it, and has no character that is replaced.
fn description(details: &PaymentDetails, priority: AdyenPriority) -> Result<Option<String>, Unpayable> {
    let statement_text = details.statement_text.as_ref().map(StatementText::as_str);
    let text = statement_text.unwrap_or_else(|| details.description.as_str());
    if text.is_empty() {
        return Ok(None);
    }
    let to_us = matches!(
        details.recipient.typed_account(),
        Some(TypedAccount::UsBank { .. })
    );
    let charset = if to_us && matches!(priority, AdyenPriority::Regular | AdyenPriority::Fast) {
        Charset::US_DESCRIPTION
    } else {
        Charset::DESCRIPTION
    };
    let field = if statement_text.is_some() {
        "statement text"
    } else {
        "description"
    };
    let text = written(text, charset, field)?;
    Ok(Some(text::cut(&text, DESCRIPTION_MAX_CHARS).to_owned()))
}

fn written(text: &str, charset: Charset, field: &str) -> Result<String, Unpayable> {
    text::write(text, charset).map_err(|Unsupported(c)| {
        Unpayable::new(
            "character_not_supported",
            format!(
                "Adyen does not support the character U+{:04X} in the {field}.",
                u32::from(c)
            ),
            DeclineCode::Other,
        )
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
