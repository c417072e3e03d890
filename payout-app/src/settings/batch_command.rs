//! `payout import` and `payout batch`: what they can be told.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use payout_core::Timestamp;
use payout_core::batch::BatchId;
use payout_core::payout::{Description, ExternalId};

use crate::batch_file::DecimalSign;
use crate::http::moment;

/// The file of a batch, and its treatment.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BatchImportCommand {
    /// The CSV file; - reads standard input
    pub file: PathBuf,
    /// The reference of the batch, by which it is recognized when the file is sent again
    #[arg(long, value_name = "TEXT", value_parser = external_id)]
    pub external_id: Option<ExternalId>,
    /// The purpose of the batch
    #[arg(long, value_name = "TEXT", value_parser = description)]
    pub description: Option<Description>,
    /// The time at which payouts without a schedule of their own become due, in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = scheduled_at)]
    pub scheduled_at: Option<Timestamp>,
    /// The decimal sign of amounts
    #[arg(long, value_enum, value_name = "SIGN", default_value_t = DecimalChoice::Point)]
    pub decimal: DecimalChoice,
    /// Leave out rows whose external_id is stored already with the same content and schedule
    #[arg(long)]
    pub only_new: bool,
    /// Check everything, and store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The decimal sign of amounts in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DecimalChoice {
    /// 1234.50
    Point,
    /// 1234,50
    Comma,
}

impl DecimalChoice {
    pub(crate) fn sign(self) -> DecimalSign {
        match self {
            Self::Point => DecimalSign::Point,
            Self::Comma => DecimalSign::Comma,
        }
    }
}

/// A command for stored batches.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum BatchCommand {
    /// List the newest batches
    List {
        /// The number of batches
        #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show a batch: its payouts by status and currency, and its progress
    Show {
        /// Its id
        #[arg(value_parser = BatchId::from_str)]
        id: BatchId,
    },
    /// Approve every payout of a batch that awaits it, except those that the approver created or edited
    Approve {
        /// Its id
        #[arg(value_parser = BatchId::from_str)]
        id: BatchId,
        /// The file with the approver's API key, which has the scope approve; - reads standard input
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// A reason, for the audit trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Reject every payout of a batch that awaits approval: it is cancelled
    Reject {
        /// Its id
        #[arg(value_parser = BatchId::from_str)]
        id: BatchId,
        /// The file with the approver's API key, which has the scope approve; - reads standard input
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// The reason, for the audit trail
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Cancel every payout of a batch that no worker has claimed yet
    Cancel {
        /// Its id
        #[arg(value_parser = BatchId::from_str)]
        id: BatchId,
        /// The reason, for the audit trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Retry every payout of a batch that failed
    Retry {
        /// Its id
        #[arg(value_parser = BatchId::from_str)]
        id: BatchId,
        /// The reason, for the audit trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

fn external_id(text: &str) -> Result<ExternalId, String> {
    ExternalId::new(text).map_err(|error| error.to_string())
}

fn scheduled_at(text: &str) -> Result<Timestamp, &'static str> {
    moment::parse(text).ok_or(moment::EXPECTED)
}

fn description(text: &str) -> Result<Description, String> {
    Description::new(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_time_and_no_date() {
        assert!(scheduled_at("2026-12-20T09:00:00+01:00").is_ok());
        for odd in ["2026-12-20", "tomorrow", "", "2026-12-20T09:00:00"] {
            assert_eq!(scheduled_at(odd), Err(moment::EXPECTED), "{odd}");
        }
    }
}
