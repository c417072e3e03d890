//! Rows of statistics, as both dialects select them.

use chrono::NaiveDate;
use payout_core::money::Currency;
use payout_core::payout::Status;
use payout_core::ports::RepositoryError;
use payout_core::stats::{GroupKey, Grouping, StatsRow};
use rust_decimal::Decimal;

use super::row::{broken, provider};

/// Counted payouts of one group, currency and class of times. The number may be negative, where a change takes back
/// what was counted before.
pub(crate) struct Counted {
    pub(crate) group: String,
    pub(crate) currency: String,
    pub(crate) time_class: i16,
    pub(crate) payouts: i64,
    pub(crate) amount: Decimal,
}

impl Counted {
    /// Converts the row; nothing if it counts no payouts.
    pub(crate) fn restore(self, by: Option<Grouping>) -> Result<Option<StatsRow>, RepositoryError> {
        let Ok(payouts) = u64::try_from(self.payouts) else {
            return Err(broken("payouts")("a negative count"));
        };
        if payouts == 0 {
            return Ok(None);
        }
        Ok(Some(StatsRow {
            group: by.map(|by| group(by, &self.group)).transpose()?,
            currency: currency(&self.currency)?,
            time_class: Some(self.time_class).filter(|class| *class >= 0),
            payouts,
            amount: self.amount,
        }))
    }
}

fn currency(code: &str) -> Result<Currency, RepositoryError> {
    Currency::recorded(code).map_err(broken("currency"))
}

fn group(by: Grouping, text: &str) -> Result<GroupKey, RepositoryError> {
    Ok(match by {
        Grouping::Day => GroupKey::Day(text.parse::<NaiveDate>().map_err(broken("day"))?),
        Grouping::Currency => GroupKey::Currency(currency(text)?.code()),
        Grouping::Status => GroupKey::Status(text.parse::<Status>().map_err(broken("status"))?),
        Grouping::Provider => GroupKey::Provider(provider(text)?),
    })
}
