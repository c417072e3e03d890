//! The effects of a dry run in answers.

use payout_core::usecase::batches::{Forecast, ForecastLimit, LikelyDuplicate, OtherPayment};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The effects that a batch would have if it were stored.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchForecast)]
pub(crate) struct ForecastBody {
    /// The number of payouts that would await approval.
    #[schema(example = 3)]
    awaiting_approval: u64,
    /// The number of payouts that require approval for their amount.
    #[schema(example = 2)]
    for_amount: u64,
    /// The number of payouts that require approval as likely duplicates.
    #[schema(example = 1)]
    for_duplicate: u64,
    /// The largest number of people who must approve one payout.
    #[schema(example = 1)]
    approvers: u8,
    /// The likely duplicates, the first thousand: of earlier rows and, with the scopes `read` and `reveal`, of stored
    /// payouts.
    likely_duplicates: Vec<DuplicateBody>,
    /// The daily limits that the batch exceeds: it would not be stored.
    exceeded_limits: Vec<LimitBody>,
}

/// A row that is likely a payment which is there already.
#[derive(Serialize, ToSchema)]
#[schema(as = LikelyDuplicate)]
struct DuplicateBody {
    /// The row.
    #[schema(example = 7)]
    row: u64,
    /// The earlier row with the same payment; otherwise null.
    #[schema(required = true, example = 3)]
    of_row: Option<u64>,
    /// The stored payout with the same payment; otherwise null.
    #[schema(required = true)]
    of_payout: Option<Uuid>,
}

/// A daily limit that a batch exceeds.
#[derive(Serialize, ToSchema)]
#[schema(as = ExceededLimit)]
struct LimitBody {
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The limit of a day (UTC).
    #[schema(pattern = r"^\d+(\.\d{1,4})?$", example = "50000.00")]
    limit: String,
    /// The sum that is charged to it today.
    #[schema(pattern = r"^\d+(\.\d{1,4})?$", example = "12000.00")]
    charged: String,
    /// The sum of the batch.
    #[schema(pattern = r"^\d+(\.\d{1,4})?$", example = "62750.00")]
    sum: String,
}

impl ForecastBody {
    pub(crate) fn of(forecast: &Forecast) -> Self {
        Self {
            awaiting_approval: forecast.awaiting_approval,
            for_amount: forecast.for_amount,
            for_duplicate: forecast.for_duplicate,
            approvers: forecast.approvers,
            likely_duplicates: forecast.duplicates.iter().map(DuplicateBody::of).collect(),
            exceeded_limits: forecast.limits.iter().map(LimitBody::of).collect(),
        }
    }
}

impl DuplicateBody {
    fn of(duplicate: &LikelyDuplicate) -> Self {
        let (of_row, of_payout) = match duplicate.of {
            OtherPayment::Row(row) => (Some(row), None),
            OtherPayment::Payout(id) => (None, Some(id.as_uuid())),
        };
        Self {
            row: duplicate.row,
            of_row,
            of_payout,
        }
    }
}

impl LimitBody {
    fn of(exceeded: &ForecastLimit) -> Self {
        let currency = exceeded.limit.currency();
        let text = |mut sum: rust_decimal::Decimal| {
            sum.rescale(currency.minor_units());
            sum.to_string()
        };
        Self {
            currency: currency.code(),
            limit: text(exceeded.limit.amount()),
            charged: text(exceeded.charged),
            sum: text(exceeded.sum),
        }
    }
}
