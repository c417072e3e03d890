//! The payouts that a file would store, in words.

use payout_core::provider::ProviderName;
use payout_core::usecase::batches::{
    BatchReport, CurrencyTotal, Forecast, ForecastLimit, LikelyDuplicate, OtherPayment,
};
use payout_core::usecase::providers::ToldBalances;
use rust_decimal::Decimal;

use crate::http::console::format::{amount, count, money};

/// The number of likely duplicates that are listed.
const DUPLICATES: usize = 50;

/// The content of a file that is right.
pub(super) struct Report {
    pub(super) payouts: String,
    pub(super) totals: Vec<Total>,
    /// True if a provider told a balance.
    pub(super) has_balances: bool,
    pub(super) providers: Vec<(String, String)>,
    pub(super) left_out: String,
    /// Sentences about approvals; none if nothing would await one.
    pub(super) approvals: Vec<String>,
    pub(super) duplicates: Vec<Duplicate>,
    /// Sentences about daily limits that the file exceeds: it would not be stored.
    pub(super) exceeded: Vec<String>,
}

/// The payouts of one currency.
pub(super) struct Total {
    pub(super) sum: String,
    pub(super) payouts: String,
    /// The balances of this currency, with the providers that have names.
    pub(super) balances: Vec<String>,
    /// True if all balances of this currency together are less than the sum.
    pub(super) is_short: bool,
}

/// A row that looks like another payment.
pub(super) struct Duplicate {
    pub(super) row: u64,
    /// The earlier row; absent if it is a stored payout.
    pub(super) of_row: Option<u64>,
    pub(super) of_payout: Option<String>,
}

impl Report {
    pub(super) fn of(report: &BatchReport, balances: &[ToldBalances]) -> Self {
        let totals = report.totals.iter();
        let nothing = Forecast::default();
        let forecast = report.forecast.as_ref().unwrap_or(&nothing);
        Self {
            payouts: count(report.payouts),
            totals: totals.map(|total| Total::of(total, balances)).collect(),
            has_balances: !balances.is_empty(),
            providers: report
                .providers
                .iter()
                .filter_map(|counted| Some((counted.provider.as_ref()?.to_string(), count(counted.count))))
                .collect(),
            left_out: count(report.left_out.len() as u64),
            approvals: approvals(forecast),
            duplicates: forecast
                .duplicates
                .iter()
                .take(DUPLICATES)
                .map(Duplicate::of)
                .collect(),
            exceeded: forecast.limits.iter().map(exceeded).collect(),
        }
    }
}

impl Total {
    fn of(total: &CurrencyTotal, told: &[ToldBalances]) -> Self {
        let of_currency = |told: &ToldBalances| {
            let mut balances = told.balances.iter();
            let balance = balances.find(|balance| balance.currency == total.currency)?;
            Some((told.provider.clone(), balance.available))
        };
        let balances: Vec<_> = told.iter().filter_map(of_currency).collect();
        let available: Decimal = balances.iter().map(|(_, available)| *available).sum();
        let in_words = |(provider, available): &(Option<ProviderName>, Decimal)| {
            let available = amount(*available, total.currency);
            match provider {
                Some(name) => format!("{name} {available}"),
                None => available,
            }
        };
        Self {
            sum: amount(total.sum, total.currency),
            payouts: count(total.count),
            is_short: !balances.is_empty() && available < total.sum,
            balances: balances.iter().map(in_words).collect(),
        }
    }
}

impl Duplicate {
    fn of(duplicate: &LikelyDuplicate) -> Self {
        let (of_row, of_payout) = match duplicate.of {
            OtherPayment::Row(row) => (Some(row), None),
            OtherPayment::Payout(id) => (None, Some(id.to_string())),
        };
        Self {
            row: duplicate.row,
            of_row,
            of_payout,
        }
    }
}

fn approvals(forecast: &Forecast) -> Vec<String> {
    if forecast.awaiting_approval == 0 {
        return Vec::new();
    }
    let people = match forecast.approvers {
        0 | 1 => "one person".to_owned(),
        more => format!("up to {more} people"),
    };
    let mut sentences = vec![format!(
        "{} would await the approval of {people}.",
        payouts(forecast.awaiting_approval)
    )];
    for (number, why) in [
        (forecast.for_amount, "because of the amount"),
        (forecast.for_duplicate, "because of a likely duplicate"),
    ] {
        if number > 0 {
            sentences.push(format!("{} {why}.", payouts(number)));
        }
    }
    sentences
}

fn payouts(number: u64) -> String {
    match number {
        1 => "1 payout".to_owned(),
        more => format!("{} payouts", count(more)),
    }
}

fn exceeded(exceeded: &ForecastLimit) -> String {
    let currency = exceeded.limit.currency();
    format!(
        "It cannot be stored today: the daily limit is {}, {} of it is used, and the file comes to {}.",
        money(exceeded.limit),
        amount(exceeded.charged, currency),
        amount(exceeded.sum, currency)
    )
}
