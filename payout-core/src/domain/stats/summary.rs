//! Statistics as they are asked for: a summary of all payouts, and of each group.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::TimeToPay;
use crate::money::Currency;
use crate::payout::{Payout, Status};
use crate::provider::ProviderName;
use crate::stats::time_class;

/// The feature by which payouts are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grouping {
    /// The day of creation.
    Day,
    /// The currency.
    Currency,
    /// The status.
    Status,
    /// The provider.
    Provider,
}

/// A group of payouts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKey {
    /// Those that were created on this day.
    Day(NaiveDate),
    /// Those in the currency with this code.
    Currency(&'static str),
    /// Those with this status.
    Status(Status),
    /// Those of this provider; absent: those whose provider has no name.
    Provider(Option<ProviderName>),
}

impl GroupKey {
    /// Returns the group of a payout.
    pub fn of(payout: &Payout, by: Grouping) -> Self {
        let parts = payout.parts();
        match by {
            Grouping::Day => Self::Day(parts.created_at.date_naive()),
            Grouping::Currency => Self::Currency(parts.details.money.currency().code()),
            Grouping::Status => Self::Status(parts.status),
            Grouping::Provider => Self::Provider(parts.provider.clone()),
        }
    }
}

/// Some payouts of one group and currency, as a store counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsRow {
    /// Their group; absent if the payouts are not grouped.
    pub group: Option<GroupKey>,
    /// Their currency.
    pub currency: Currency,
    /// The class of their time to pay; absent unless they were completed.
    pub time_class: Option<i16>,
    /// Their number.
    pub payouts: u64,
    /// The sum of their amounts.
    pub amount: Decimal,
}

impl StatsRow {
    /// Returns the row of one payout.
    pub fn of(payout: &Payout, by: Option<Grouping>) -> Self {
        let parts = payout.parts();
        let money = parts.details.money;
        Self {
            group: by.map(|by| GroupKey::of(payout, by)),
            currency: money.currency(),
            time_class: parts
                .completed_at
                .filter(|_| was_paid(parts.status))
                .map(|at| time_class(parts.created_at, parts.details.scheduled_at, at)),
            payouts: 1,
            amount: money.amount(),
        }
    }
}

/// Returns whether a payout with this status was paid, perhaps to come back later.
fn was_paid(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Returned)
}

/// The payouts in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrencySum {
    /// The currency.
    pub currency: Currency,
    /// Their number.
    pub payouts: u64,
    /// The sum of their amounts.
    pub amount: Decimal,
}

/// A summary of payouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    sums: BTreeMap<&'static str, CurrencySum>,
    /// The times to pay of those that were completed.
    pub time_to_pay: TimeToPay,
}

impl Summary {
    /// Returns the number of payouts.
    pub fn payouts(&self) -> u64 {
        self.sums.values().map(|sum| sum.payouts).sum()
    }

    /// Returns the sums by currency, in the order of the currencies' codes. Amounts have the decimals of their currency.
    pub fn sums(&self) -> impl Iterator<Item = CurrencySum> {
        self.sums.values().map(|sum| CurrencySum {
            amount: in_decimals(sum.amount, sum.currency),
            ..*sum
        })
    }

    fn add(&mut self, row: &StatsRow) {
        let sum = self.sums.entry(row.currency.code()).or_insert(CurrencySum {
            currency: row.currency,
            payouts: 0,
            amount: Decimal::ZERO,
        });
        sum.payouts += row.payouts;
        sum.amount = sum.amount.saturating_add(row.amount);
        if let Some(class) = row.time_class {
            self.time_to_pay.add(class, row.payouts);
        }
    }
}

/// Returns a sum with the currency's own number of decimals; earlier releases may have stored more.
fn in_decimals(amount: Decimal, currency: Currency) -> Decimal {
    let mut amount = amount.normalize();
    if amount.scale() < currency.minor_units() {
        amount.rescale(currency.minor_units());
    }
    amount
}

/// A group and its summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group.
    pub key: GroupKey,
    /// The summary of its payouts.
    pub summary: Summary,
}

/// The statistics of a period.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// The summary of all payouts.
    pub total: Summary,
    /// The groups that have payouts, in their order; none if the payouts are not grouped.
    pub groups: Vec<Group>,
}

impl FromIterator<StatsRow> for Stats {
    fn from_iter<T: IntoIterator<Item = StatsRow>>(rows: T) -> Self {
        let (mut total, mut groups) = (Summary::default(), BTreeMap::<GroupKey, Summary>::new());
        for row in rows {
            total.add(&row);
            if let Some(key) = &row.group {
                match groups.get_mut(key) {
                    Some(summary) => summary.add(&row),
                    None => groups.entry(key.clone()).or_default().add(&row),
                }
            }
        }
        let groups = groups.into_iter();
        Self {
            total,
            groups: groups.map(|(key, summary)| Group { key, summary }).collect(),
        }
    }
}
