//! `payout export`: what it can be told.

use clap::{Args, ValueEnum};
use payout_core::money::Currency;
use payout_core::payout::Status;
use payout_core::ports::Deleted;

use super::reconcile_command::When;
use crate::export::ExportFormat;

/// The payouts that are exported, and the form of the file.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportCommand {
    /// The form of the file on standard output
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// Only payouts with this status; may be repeated
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<Status>,
    /// Only payouts in this currency
    #[arg(long, value_name = "CODE", value_parser = Currency::recorded)]
    pub currency: Option<Currency>,
    /// Payouts created since: an RFC 3339 time, a date (midnight UTC), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "WHEN")]
    pub created_after: Option<When>,
    /// Payouts created before
    #[arg(long, value_name = "WHEN")]
    pub created_before: Option<When>,
    /// Only payouts that are, or are not, under review
    #[arg(long, value_name = "BOOL")]
    pub needs_review: Option<bool>,
    /// Deleted payouts alone, or beside the others
    #[arg(long, value_enum, value_name = "WHICH")]
    pub deleted: Option<DeletedChoice>,
    /// The oldest payout first, instead of the newest
    #[arg(long)]
    pub oldest_first: bool,
    /// Accounts and names in full, instead of masked
    #[arg(long)]
    pub reveal: bool,
}

/// The deleted payouts of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeletedChoice {
    /// No others
    Only,
    /// Beside the others
    With,
}

impl From<DeletedChoice> for Deleted {
    fn from(choice: DeletedChoice) -> Self {
        match choice {
            DeletedChoice::Only => Self::Only,
            DeletedChoice::With => Self::With,
        }
    }
}
