//! The content of a batch in answers.

use payout_core::usecase::batches::{BatchReport, CurrencyTotal, ProviderRows};
use payout_core::usecase::providers::ToldBalances;
use serde::Serialize;
use utoipa::ToSchema;

use super::forecast::ForecastBody;
use crate::http::api::providers::BalanceBody;

/// The largest number of rows that are listed as left out.
const LISTED: usize = 1_000;

/// The payments that a batch asks for.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchReport)]
pub(crate) struct ReportBody {
    /// The number of payouts.
    #[schema(example = 500)]
    payouts: u64,
    /// Their sums by currency.
    totals: Vec<CurrencyTotalBody>,
    /// The providers that the routes choose. Without the scope `read`, rows that name a stored recipient are left out.
    providers: Vec<ProviderRowsBody>,
    /// The number of rows that are left out, since their payouts are stored already.
    #[schema(example = 0)]
    left_out: u64,
    /// Those rows: the first thousand.
    left_out_rows: Vec<u64>,
    /// The effects of the payouts, for a dry run; otherwise null.
    #[schema(required = true)]
    forecast: Option<ForecastBody>,
    /// The balances of the providers that tell them, for a dry run with the scope `read`; otherwise empty.
    balances: Vec<ProviderBalanceBody>,
}

/// The balances of one provider.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderBalances)]
struct ProviderBalanceBody {
    /// The provider; null in a service whose only provider has no name.
    #[schema(required = true, example = "adyen-eu")]
    provider: Option<String>,
    /// The balances.
    balances: Vec<BalanceBody>,
}

/// The payments of a batch in one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchCurrencyTotal)]
struct CurrencyTotalBody {
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The number of payouts.
    #[schema(example = 500)]
    count: u64,
    /// The sum of their amounts.
    #[schema(pattern = r"^\d+(\.\d{1,4})?$", example = "62750.00")]
    sum: String,
}

/// The payments of a batch that one provider is planned for.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchProviderRows)]
struct ProviderRowsBody {
    /// The provider; null in a service whose only provider has no name.
    #[schema(required = true, example = "adyen-eu")]
    provider: Option<String>,
    /// The number of payouts.
    #[schema(example = 500)]
    count: u64,
    /// Their rows, with rows that are left out between them: the first thousand ranges.
    rows: Vec<RowRangeBody>,
}

/// Rows of a batch that follow each other.
#[derive(Serialize, ToSchema)]
#[schema(as = RowRange)]
struct RowRangeBody {
    /// The first row.
    #[schema(example = 2)]
    first: u64,
    /// The last row.
    #[schema(example = 501)]
    last: u64,
}

impl ReportBody {
    pub(crate) fn of(report: &BatchReport, balances: &[ToldBalances]) -> Self {
        Self {
            payouts: report.payouts,
            totals: report.totals.iter().map(CurrencyTotalBody::of).collect(),
            providers: report.providers.iter().map(ProviderRowsBody::of).collect(),
            left_out: report.left_out.len() as u64,
            left_out_rows: report.left_out.iter().copied().take(LISTED).collect(),
            forecast: report.forecast.as_ref().map(ForecastBody::of),
            balances: balances.iter().map(ProviderBalanceBody::of).collect(),
        }
    }
}

impl ProviderBalanceBody {
    fn of(told: &ToldBalances) -> Self {
        Self {
            provider: told.provider.as_ref().map(|name| name.as_str().to_owned()),
            balances: told.balances.iter().map(BalanceBody::of).collect(),
        }
    }
}

impl CurrencyTotalBody {
    fn of(total: &CurrencyTotal) -> Self {
        Self {
            currency: total.currency.code(),
            count: total.count,
            sum: total.sum.to_string(),
        }
    }
}

impl ProviderRowsBody {
    fn of(planned: &ProviderRows) -> Self {
        let rows = planned.rows.iter().map(|range| RowRangeBody {
            first: range.first,
            last: range.last,
        });
        Self {
            provider: planned.provider.as_ref().map(|name| name.as_str().to_owned()),
            count: planned.count,
            rows: rows.collect(),
        }
    }
}
