//! `payout import-django`: what it can be told.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::FixedOffset;
use clap::{ArgGroup, Args, ValueEnum};
use payout_adapters::Secret;
use payout_core::payout::Status;

use super::ConfigError;

/// Where the payouts come from, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["from", "from_file"]))]
pub struct ImportCommand {
    /// The old service's database, which is only read: postgres://USER:PASSWORD@HOST/DATABASE or sqlite:///PATH
    #[arg(long, value_name = "URL")]
    pub from: Option<SourceUrl>,
    /// A file with that URL: others on this host can see options
    #[arg(long, value_name = "FILE")]
    pub from_file: Option<PathBuf>,
    /// The table
    #[arg(long, value_name = "TABLE", default_value = "payouts_payout")]
    pub table: String,
    /// The column of a field, where its name is another: recipient_account=iban, or recipient_name=details.name for a value
    /// within a column of JSON. Fields: id, amount, currency, recipient_account, recipient_name, description, status,
    /// created_at, updated_at, provider_reference, failure_code, failure_message
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<Pair>,
    /// The value of a field that has no column, the same for every row: currency=USD
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Pair>,
    /// The status that a word of the old service means: paid=completed
    #[arg(long, value_name = "OLD=STATUS")]
    pub status: Vec<StatusPair>,
    /// The treatment of payouts that are pending there. Without it they are refused: the old service might still send them
    #[arg(long, value_enum, value_name = "WHAT")]
    pub pending: Option<PendingChoice>,
    /// The offset from UTC of times without one, where Django ran with USE_TZ=False: +02:00
    #[arg(
        long,
        value_name = "OFFSET",
        default_value = "+00:00",
        allow_hyphen_values = true
    )]
    pub utc_offset: FixedOffset,
    /// Read and check everything, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The treatment of a payout that is pending in the old service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PendingChoice {
    /// This service pays it; the old one must be stopped for good
    Import,
    /// Nobody pays it
    Cancel,
    /// A person decides
    Review,
    /// It is left out
    Skip,
}

/// The address of the old service's database, which may hold a password.
#[derive(Debug, Clone)]
pub struct SourceUrl(pub Secret);

impl PartialEq for SourceUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for SourceUrl {}

impl FromStr for SourceUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Before the sign.
    pub name: String,
    /// After it.
    pub value: String,
}

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            Some(_) | None => Err("use NAME=VALUE"),
        }
    }
}

/// A word of the old service, and the status that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPair {
    /// The word.
    pub old: String,
    /// The status.
    pub status: Status,
}

impl FromStr for StatusPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Pair { name, value } = text.parse()?;
        let status: Status = value.parse().map_err(|error| format!("{value}: {error}"))?;
        Ok(Self { old: name, status })
    }
}

impl ImportCommand {
    /// The address of the old service's database.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read.
    pub(crate) fn source(&self) -> Result<Secret, ConfigError> {
        if let Some(SourceUrl(url)) = &self.from {
            return Ok(url.clone());
        }
        let path = self.from_file.clone().unwrap_or_default();
        let text = fs::read_to_string(path).map_err(|error| {
            ConfigError::new("--from-file", format!("cannot read the file: {}", error.kind()))
        })?;
        Ok(text.trim().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_understood_and_others_refused() {
        let pair: Pair = "recipient_account=details.iban".parse().unwrap();
        assert_eq!(
            (pair.name.as_str(), pair.value.as_str()),
            ("recipient_account", "details.iban")
        );
        for odd in ["", "amount", "=x", "amount="] {
            assert!(odd.parse::<Pair>().is_err(), "{odd:?}");
        }
        let pair: StatusPair = "paid=completed".parse().unwrap();
        assert_eq!((pair.old.as_str(), pair.status), ("paid", Status::Completed));
        assert!("paid=done".parse::<StatusPair>().is_err());
    }

    #[test]
    fn a_source_is_not_shown() {
        let url = SourceUrl("postgres://u:hunter2@h/d".into());
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
