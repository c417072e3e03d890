//! Batches in answers.

use payout_core::Timestamp;
use payout_core::access::{Principal, Scope};
use payout_core::batch::{Batch, BatchProgress, BatchTotal};
use payout_core::payout::{ExternalId, PayoutId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::report::ReportBody;
use crate::http::answer::{time, time_of_some};
use crate::http::openapi::StatusName;

/// A batch: payouts that were stored together.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
pub(crate) struct BatchBody {
    /// A UUID, version 7.
    id: Uuid,
    /// The client's own reference; otherwise null.
    #[schema(required = true, example = "salaries-2026-11")]
    external_id: Option<String>,
    /// The purpose of the batch.
    #[schema(max_length = 255, example = "Salaries of November")]
    description: String,
    /// The time at which payouts without a schedule of their own became due; null if that was at once.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2026-12-01T09:00:00.000000Z")]
    scheduled_at: Option<Timestamp>,
    /// The number of payouts that were stored.
    #[schema(example = 500)]
    payouts: u32,
    /// The number of rows that were left out, since their payouts were stored before.
    #[schema(example = 0)]
    left_out: u32,
    /// The time of creation, which all payouts of the batch have too.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:30:00.123456Z")]
    created_at: Timestamp,
    /// The name of the API key that sent the batch.
    #[schema(example = "payroll")]
    created_by: String,
}

impl BatchBody {
    pub(crate) fn of(batch: &Batch) -> Self {
        Self {
            id: batch.id.as_uuid(),
            external_id: batch
                .external_id
                .as_ref()
                .map(|id| ExternalId::as_str(id).to_owned()),
            description: batch.description.as_str().to_owned(),
            scheduled_at: batch.scheduled_at,
            payouts: batch.payouts,
            left_out: batch.left_out,
            created_at: batch.created_at,
            created_by: batch.created_by.as_str().to_owned(),
        }
    }
}

/// A batch and the state of its payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchProgress)]
pub(crate) struct ProgressBody {
    /// The batch.
    batch: BatchBody,
    /// The share of finished payouts in percent: those that are completed, failed, cancelled or returned. At 100 all
    /// are.
    #[schema(minimum = 0, maximum = 100, example = 40)]
    percent: u8,
    /// The time at which the last payout was finished; null until all are.
    #[serde(serialize_with = "time_of_some")]
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = "2026-11-24T09:31:00.000000Z")]
    finished_at: Option<Timestamp>,
    /// The time of the latest change of a payout.
    #[serde(serialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T09:31:00.000000Z")]
    updated_at: Timestamp,
    /// The number of payouts that await approval.
    #[schema(example = 0)]
    awaiting_approval: u64,
    /// The number of those that you may still approve: you neither created, edited nor approved them.
    #[schema(example = 0)]
    approvable: u64,
    /// The payouts by status and currency. Deleted ones are not counted.
    totals: Vec<TotalBody>,
}

/// The payouts of a batch in one status and one currency.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchTotal)]
struct TotalBody {
    /// The status.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// The ISO 4217 code of the currency.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: &'static str,
    /// The number of payouts.
    #[schema(example = 200)]
    count: u64,
    /// The sum of their amounts.
    #[schema(pattern = r"^\d+(\.\d{1,4})?$", example = "25100.00")]
    sum: String,
    /// The number of those that wait for an operator's review.
    #[schema(example = 0)]
    in_review: u64,
}

impl ProgressBody {
    pub(crate) fn of(progress: &BatchProgress) -> Self {
        Self {
            batch: BatchBody::of(&progress.batch),
            percent: progress.percent(),
            finished_at: progress.finished_at(),
            updated_at: progress.updated_at(),
            awaiting_approval: progress.awaiting_approval(),
            approvable: progress.approvable,
            totals: progress.totals.iter().map(TotalBody::of).collect(),
        }
    }

    /// Builds the body for a key that may read it.
    pub(crate) fn for_key(progress: &BatchProgress, principal: &Principal) -> Option<Self> {
        principal.may(Scope::Read).then(|| Self::of(progress))
    }
}

impl TotalBody {
    fn of(total: &BatchTotal) -> Self {
        Self {
            status: total.status.as_str(),
            currency: total.currency.code(),
            count: total.count,
            sum: total.sum.to_string(),
            in_review: total.in_review,
        }
    }
}

/// A payout that a step with a whole batch left out.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedPayout)]
pub(crate) struct RefusedBody {
    /// The payout.
    id: Uuid,
    /// The reason.
    #[schema(example = "A worker of the failed attempt may still be running; retry in 5 seconds.")]
    message: String,
}

impl RefusedBody {
    pub(crate) fn list(refused: Vec<(PayoutId, String)>) -> Vec<Self> {
        let refused = refused.into_iter().map(|(id, message)| Self {
            id: id.as_uuid(),
            message,
        });
        refused.collect()
    }
}

/// The result of a request for a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(crate) struct ResultBody {
    /// The batch that was stored, by this request or by an earlier one; null if nothing was.
    #[schema(required = true)]
    pub(crate) batch: Option<BatchBody>,
    /// The content of the batch; null for a batch that an earlier request stored.
    #[schema(required = true)]
    pub(crate) report: Option<ReportBody>,
}
