//! Converts a row of the old table to a payout, or collects every reason for which it cannot be imported. Pure.

use chrono::{DateTime, FixedOffset, NaiveDateTime, SubsecRound, TimeDelta, TimeZone, Utc};
use payout_adapters::django::{DjangoRow, RowKey};
use payout_core::Timestamp;
use payout_core::money::{Currency, Money, UnknownCurrency};
use payout_core::payout::{
    Actor, Description, Failure, ForeignPayout, PaymentDetails, PayoutId, ProviderReference, Recipient,
    RecipientAccount, RecipientName, Standing, Status,
};
use sha1::{Digest, Sha1};
use uuid::{Builder, Uuid};

use super::fields::{Field, Plan};
use crate::settings::{ImportCommand, PendingChoice};

/// The actor of imports in the audit trail.
pub(super) const ACTOR: &str = "import-django";
/// The number of decimal digits that a binary floating-point number stores exactly.
const FLOAT_DIGITS: u32 = 15;
/// An upper bound for the difference between the clocks of two hosts.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// A row that can be imported or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// The row is imported.
    Import {
        /// The payout's status in the old service.
        was: Status,
        /// The payout as it is imported.
        payout: Box<ForeignPayout>,
    },
    /// The row is left out, as the command line asks.
    Skip,
}

/// The rules for all rows.
pub(super) struct Rules<'a> {
    pub(super) command: &'a ImportCommand,
    pub(super) plan: &'a Plan,
    /// The time by the new database's clock.
    pub(super) now: Timestamp,
}

/// Returns the id for a row of the old table. A UUID stays as it is. Any other id becomes a UUID of version 5, in the
/// namespace of URLs, of `django:TABLE:ID`, so that a repeated import finds the payout.
pub(super) fn id_of(table: &str, key: &RowKey) -> PayoutId {
    if let Some(uuid) = (!key.number).then(|| Uuid::try_parse(&key.text).ok()).flatten() {
        return PayoutId::from(uuid);
    }
    let table = table.rsplit('.').next().unwrap_or(table);
    let name = format!("django:{table}:{}", key.text);
    let digest = Sha1::new()
        .chain_update(Uuid::NAMESPACE_URL.as_bytes())
        .chain_update(name.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    PayoutId::from(Builder::from_sha1_bytes(bytes).into_uuid())
}

impl Rules<'_> {
    /// Converts a row.
    ///
    /// # Errors
    /// Every reason for which the row cannot be imported. None contains personal data.
    pub(super) fn take(&self, row: &DjangoRow) -> Result<Taken, Vec<String>> {
        let mut reasons = Vec::new();
        let mut note = |field: Field, reason: String| reasons.push(format!("{}: {reason}", field.name()));
        let text = |field| self.plan.text(field, row);

        let status = self
            .status(row)
            .map_err(|reason| note(Field::Status, reason))
            .ok();
        let choice = self.command.pending;
        if status == Some(Status::Pending) && choice == Some(PendingChoice::Skip) {
            return Ok(Taken::Skip);
        }
        if status == Some(Status::Pending) && choice.is_none() {
            note(
                Field::Status,
                "it is pending: say --pending=import, cancel, review or skip".to_owned(),
            );
        }
        let to_be_paid = status == Some(Status::Pending) && choice == Some(PendingChoice::Import);
        let currency = needed(text(Field::Currency))
            .and_then(|text| currency_of(text.trim(), to_be_paid).map_err(|error| error.to_string()))
            .map_err(|reason| note(Field::Currency, reason))
            .ok();
        let money = currency.and_then(|currency| {
            let money = self.money(row, currency);
            money.map_err(|reason| note(Field::Amount, reason)).ok()
        });
        let account = needed(text(Field::RecipientAccount))
            .and_then(|text| RecipientAccount::new(text).map_err(|error| error.to_string()))
            .map_err(|reason| note(Field::RecipientAccount, reason))
            .ok();
        let name = needed(text(Field::RecipientName))
            .and_then(|text| RecipientName::new(text).map_err(|error| error.to_string()))
            .map_err(|reason| note(Field::RecipientName, reason))
            .ok();
        let description = Description::new(text(Field::Description).unwrap_or_default())
            .map_err(|error| note(Field::Description, error.to_string()))
            .ok();
        let created_at = needed(text(Field::CreatedAt))
            .and_then(|text| self.time(text))
            .map_err(|reason| note(Field::CreatedAt, reason))
            .ok();
        let updated_at = match text(Field::UpdatedAt) {
            Some(text) => self
                .time(text)
                .map_err(|reason| note(Field::UpdatedAt, reason))
                .ok(),
            None => created_at,
        };
        let all = (status, money, account, name, description, created_at, updated_at);
        let (
            Some(status),
            Some(money),
            Some(recipient_account),
            Some(recipient_name),
            Some(description),
            Some(created_at),
            Some(updated_at),
        ) = all
        else {
            return Err(reasons);
        };
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let origin = format!(
            "Imported from {} {}, where it was {status}.",
            self.command.table, row.key.text
        );
        let payout = ForeignPayout {
            id: id_of(&self.command.table, &row.key),
            details: PaymentDetails {
                description,
                ..PaymentDetails::new(money, Recipient::new(recipient_account, recipient_name))
            },
            standing: self.standing(status, row),
            created_at,
            updated_at,
            actor: Actor::new(ACTOR),
            detail: origin.chars().filter(|c| !c.is_control()).take(255).collect(),
        };
        Ok(Taken::Import {
            was: status,
            payout: Box::new(payout),
        })
    }

    fn standing(&self, status: Status, row: &DjangoRow) -> Standing {
        let text = |field| self.plan.text(field, row).filter(|text| !text.trim().is_empty());
        match (status, self.command.pending) {
            (Status::Pending, Some(PendingChoice::Import)) => Standing::Pending,
            (Status::Pending, Some(PendingChoice::Cancel)) | (Status::Cancelled, _) => Standing::Cancelled,
            (Status::Pending, Some(PendingChoice::Review | PendingChoice::Skip) | None)
            | (Status::AwaitingApproval | Status::Processing, _) => Standing::UnderReview,
            (Status::Completed, _) => {
                Standing::Completed(text(Field::ProviderReference).and_then(ProviderReference::new))
            }
            (Status::Failed | Status::Returned, _) => Standing::Failed(Failure::new(
                text(Field::FailureCode).unwrap_or("imported"),
                text(Field::FailureMessage).unwrap_or("It failed in the service that it comes from."),
            )),
        }
    }

    fn status(&self, row: &DjangoRow) -> Result<Status, String> {
        let word = needed(self.plan.text(Field::Status, row))?.trim();
        let told = self.command.status.iter().rev().find(|pair| pair.old == word);
        if let Some(pair) = told {
            return Ok(pair.status);
        }
        match word.to_lowercase().as_str() {
            "canceled" => Ok(Status::Cancelled),
            other => other.parse().map_err(|_| {
                let shown: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
                format!(
                    "{shown:?} is unknown: say what it means by --status {shown}=completed, or another status"
                )
            }),
        }
    }

    fn money(&self, row: &DjangoRow, currency: Currency) -> Result<Money, String> {
        let text = needed(self.plan.text(Field::Amount, row))?.trim();
        // Django writes as many decimals as its column has, and the currency may have fewer.
        let short = if text.contains('.') && !text.contains(['e', 'E']) {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text
        };
        if self.plan.is_float(Field::Amount, row) {
            let whole = short.split('.').next().unwrap_or_default();
            let digits = whole.bytes().filter(u8::is_ascii_digit).count();
            if short.contains(['e', 'E'])
                || digits as u64 + u64::from(currency.minor_units()) > u64::from(FLOAT_DIGITS)
            {
                return Err(
                    "it is kept as a binary number, which is not exact for so large an amount".to_owned(),
                );
            }
        }
        let amount = short
            .parse()
            .map_err(|error: payout_core::money::AmountError| error.to_string())?;
        Money::new(amount, currency).map_err(|error| error.to_string())
    }

    fn time(&self, text: &str) -> Result<Timestamp, String> {
        let at = time(text.trim(), self.command.utc_offset).ok_or("this is not a time")?;
        if at > self.now + AHEAD {
            return Err("it is in the future: is --utc-offset right?".to_owned());
        }
        Ok(at)
    }
}

/// Parses a currency. A payout that is not to be paid may have a currency that no longer exists.
fn currency_of(code: &str, to_be_paid: bool) -> Result<Currency, UnknownCurrency> {
    if to_be_paid {
        code.parse()
    } else {
        Currency::recorded(code)
    }
}

fn needed(text: Option<&str>) -> Result<&str, String> {
    text.ok_or_else(|| "it is empty".to_owned())
}

/// Parses a time as Django and its databases write it: with an offset, or in the time zone of the application.
fn time(text: &str, offset: FixedOffset) -> Option<Timestamp> {
    let aware = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .map(|at| at.with_timezone(&Utc));
    let at = aware.ok().or_else(|| {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"))
            .ok()?;
        let at = offset.from_local_datetime(&naive).single()?;
        Some(at.with_timezone(&Utc))
    })?;
    Some(at.trunc_subsecs(6))
}
