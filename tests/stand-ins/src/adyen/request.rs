//! Requests to create and to list transfers, with the vendor's checks.

use serde::Deserialize;
use serde_json::Value;

use super::{BALANCE_ACCOUNT, problem};
use crate::clock::Time;
use crate::http::{Answer, Request};

/// A request to create a transfer.
pub(super) struct Asked {
    /// The body as it was sent.
    pub(super) body: Value,
    pub(super) amount: Amount,
    transfer: Transfer,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Amount {
    pub(super) currency: String,
    pub(super) value: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Transfer {
    amount: Amount,
    #[serde(default)]
    balance_account_id: String,
    category: String,
    counterparty: Counterparty,
    #[serde(default)]
    description: String,
    #[serde(default)]
    priority: String,
    #[serde(default)]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counterparty {
    bank_account: BankAccount,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BankAccount {
    account_holder: Holder,
    account_identification: Identification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Holder {
    full_name: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Identification {
    #[serde(rename = "iban")]
    Iban {
        iban: String,
        #[serde(default)]
        bic: Option<String>,
    },
    #[serde(rename = "usLocal")]
    Us {
        routing_number: String,
        account_number: String,
        #[serde(default)]
        account_type: Option<String>,
    },
    #[serde(rename = "ukLocal")]
    Gb {
        sort_code: String,
        account_number: String,
    },
}

const NAME: &str = ",.;:-—/\\+&!?@()\"' ";
const DESCRIPTION: &str = "/-?:().,'+&$%#@~=_\"! ";

fn has_only(text: &str, others: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Asked {
    /// Reads and checks a request.
    pub(super) fn read(request: &Request) -> Result<Self, Answer> {
        let body: Value = request.json().ok_or_else(problem::not_json)?;
        let transfer: Transfer = request.json().ok_or_else(problem::not_json)?;
        if request
            .header("idempotency-key")
            .is_some_and(|key| key.len() > 64)
        {
            return Err(problem::invalid("Idempotency-Key", "At most 64 characters."));
        }
        transfer.check()?;
        Ok(Self {
            body,
            amount: transfer.amount.clone(),
            transfer,
        })
    }

    /// Returns the service's key, which the reference contains.
    pub(super) fn key(&self) -> String {
        service_key(self.transfer.reference.as_deref().unwrap_or("without reference"))
    }

    /// Returns the text by which faults are drawn.
    pub(super) fn name(&self) -> &str {
        &self.transfer.description
    }

    pub(super) fn priority(&self) -> &str {
        &self.transfer.priority
    }

    /// Returns the recipient's account as one text.
    pub(super) fn recipient(&self) -> String {
        match &self.transfer.counterparty.bank_account.account_identification {
            Identification::Iban { iban, .. } => iban.clone(),
            Identification::Us {
                routing_number,
                account_number,
                ..
            } => format!("{routing_number}-{account_number}"),
            Identification::Gb {
                sort_code,
                account_number,
            } => format!("{sort_code}-{account_number}"),
        }
    }
}

impl Transfer {
    fn check(&self) -> Result<(), Answer> {
        let invalid = |name, message| Err(problem::invalid(name, message));
        let account = &self.counterparty.bank_account;
        if self.balance_account_id != BALANCE_ACCOUNT {
            return invalid("balanceAccountId", "Unknown balance account.");
        }
        if self.category != "bank" {
            return invalid("category", "Only bank is supported here.");
        }
        if !["crossBorder", "fast", "instant", "internal", "regular", "wire"]
            .contains(&self.priority.as_str())
        {
            return invalid("priority", "Required for the category bank.");
        }
        if self.amount.value <= 0 {
            return invalid("amount.value", "Must be positive.");
        }
        if self
            .reference
            .as_ref()
            .is_some_and(|text| text.chars().count() > 80)
        {
            return invalid("reference", "At most 80 characters.");
        }
        if self.description.chars().count() > 140 || !has_only(&self.description, DESCRIPTION) {
            return invalid("description", "At most 140 supported characters.");
        }
        if account.account_holder.full_name.is_empty() || !has_only(&account.account_holder.full_name, NAME) {
            return invalid(
                "counterparty.bankAccount.accountHolder.fullName",
                "Not supported.",
            );
        }
        if !account.account_identification.is_valid() {
            return invalid(
                "counterparty.bankAccount.accountIdentification",
                "Not an account.",
            );
        }
        Ok(())
    }
}

impl Identification {
    fn is_valid(&self) -> bool {
        match self {
            Self::Iban { iban, bic } => {
                is_iban(iban) && bic.as_ref().is_none_or(|bic| [8, 11].contains(&bic.len()))
            }
            Self::Us {
                routing_number,
                account_number,
                account_type,
            } => {
                is_digits(routing_number, 9..=9)
                    && is_digits(account_number, 2..=18)
                    && account_type
                        .as_deref()
                        .is_none_or(|kind| ["checking", "savings"].contains(&kind))
            }
            Self::Gb {
                sort_code,
                account_number,
            } => is_digits(sort_code, 6..=6) && is_digits(account_number, 8..=8),
        }
    }
}

/// Returns whether the check digits are valid (ISO 7064, MOD 97-10).
fn is_iban(text: &str) -> bool {
    let (Some(front), Some(rest)) = (text.get(..4), text.get(4..)) else {
        return false;
    };
    let digits = rest.chars().chain(front.chars()).map(|c| c.to_digit(36));
    let remainder = digits.into_iter().try_fold(0, |remainder, digit| {
        let digit = digit?;
        Some((remainder * if digit < 10 { 10 } else { 100 } + digit) % 97)
    });
    (15..=34).contains(&text.len()) && remainder == Some(1)
}

/// Returns the service's key of a reference: `UUID-GENERATION` is sent for `UUID:GENERATION`.
fn service_key(reference: &str) -> String {
    match reference.rsplit_once('-') {
        Some((id, generation)) if id.len() == 36 => format!("{id}:{generation}"),
        Some(_) | None => reference.to_owned(),
    }
}

/// A request to list transfers.
pub(super) struct Listing {
    pub(super) key: Option<String>,
    pub(super) since: Time,
    pub(super) until: Time,
    pub(super) limit: usize,
    pub(super) cursor: usize,
}

impl Listing {
    /// Reads and checks a request.
    pub(super) fn read(request: &Request) -> Result<Self, Answer> {
        let date = |name| {
            let date = request.parameter(name).and_then(|text| text.parse::<Time>().ok());
            date.ok_or_else(|| problem::invalid(name, "A date and time is required."))
        };
        let (since, until) = (date("createdSince")?, date("createdUntil")?);
        if until < since || (until - since).num_days() > 181 {
            return Err(problem::invalid(
                "createdSince",
                "At most six months before createdUntil.",
            ));
        }
        if request.parameter("balanceAccountId") != Some(BALANCE_ACCOUNT) {
            return Err(problem::invalid("balanceAccountId", "Unknown balance account."));
        }
        let number = |name, other| match request.parameter(name) {
            Some(text) => text.parse().map_err(|_| problem::invalid(name, "Not a number.")),
            None => Ok(other),
        };
        Ok(Self {
            key: request.parameter("reference").map(service_key),
            since,
            until,
            limit: number("limit", 10)?.min(100),
            cursor: number("cursor", 0)?,
        })
    }
}
