//! The rows of batches, and the sums of their payouts.

use std::collections::{BTreeMap, HashMap};

use payout_core::batch::{Batch, BatchApprovals, BatchId, BatchTotal, ContentHash, NewBatch};
use payout_core::money::Currency;
use payout_core::payout::{Actor, Change, Description, ExternalId, NewApproval, NewPayout, PayoutId, Status};
use payout_core::ports::{ListedMember, RepositoryError};
use payout_core::spending::{Charge, SpendingBucket};
use rust_decimal::Decimal;
use sqlx::FromRow;
use uuid::Uuid;

use super::error::refused;
use super::row::{PayoutRow, broken};
use super::stored::{StoredAmount, StoredTime};
use crate::encryption::EncryptionKeys;

/// Refuses a batch whose rows ended early: the task that made its payouts has failed, and the rest is missing.
pub(crate) fn check_count(batch: &NewBatch, written: usize) -> Result<(), RepositoryError> {
    if usize::try_from(batch.payouts) == Ok(written) {
        Ok(())
    } else {
        Err(refused(format!(
            "{written} payouts came for a batch of {}",
            batch.payouts
        )))
    }
}

/// The columns of a [`BatchRow`].
macro_rules! batch_columns {
    () => {
        "id, external_id, content, description, scheduled_at, payouts, left_out, created_at, created_by"
    };
}
pub(crate) use batch_columns;

/// A row of `payout_batches`.
#[derive(FromRow)]
pub(crate) struct BatchRow {
    id: Uuid,
    external_id: Option<String>,
    content: Vec<u8>,
    description: String,
    scheduled_at: Option<StoredTime>,
    payouts: i64,
    left_out: i64,
    created_at: StoredTime,
    created_by: String,
}

impl BatchRow {
    pub(crate) fn restore(self) -> Result<Batch, RepositoryError> {
        let external_id = self.external_id.as_deref().map(ExternalId::restore).transpose();
        let content = <[u8; 32]>::try_from(self.content.as_slice()).map_err(broken("content"))?;
        Ok(Batch {
            id: BatchId::from(self.id),
            external_id: external_id.map_err(broken("external_id"))?,
            content: ContentHash::from(content),
            description: Description::restore(&self.description).map_err(broken("description"))?,
            scheduled_at: self.scheduled_at.map(|StoredTime(at)| at),
            payouts: u32::try_from(self.payouts).map_err(broken("payouts"))?,
            left_out: u32::try_from(self.left_out).map_err(broken("left_out"))?,
            created_at: self.created_at.0,
            created_by: Actor::new(&self.created_by),
        })
    }
}

/// Returns the batch of an answer with at most one row.
pub(crate) fn first(rows: Vec<BatchRow>) -> Result<Option<Batch>, RepositoryError> {
    rows.into_iter().next().map(BatchRow::restore).transpose()
}

/// The payouts of a batch with the same status, currency and amount.
#[derive(FromRow)]
pub(crate) struct BatchTotalRow {
    status: String,
    currency: String,
    amount: StoredAmount,
    count: i64,
    in_review: i64,
    updated_at: StoredTime,
}

/// Adds up rows to one total for each status and currency. SQLite has no exact sums, so the amounts are added here.
pub(crate) fn totals(rows: Vec<BatchTotalRow>) -> Result<Vec<BatchTotal>, RepositoryError> {
    let mut totals: BTreeMap<(String, String), BatchTotal> = BTreeMap::new();
    for row in rows {
        let status: Status = row.status.parse().map_err(broken("status"))?;
        let currency = Currency::recorded(&row.currency).map_err(broken("currency"))?;
        let amount = row.amount.read()?.saturating_mul(Decimal::from(row.count));
        let total = totals.entry((row.status, row.currency)).or_insert(BatchTotal {
            status,
            currency,
            count: 0,
            sum: Decimal::ZERO,
            in_review: 0,
            updated_at: row.updated_at.0,
        });
        total.count += row.count.unsigned_abs();
        total.sum = total.sum.saturating_add(amount);
        total.in_review += row.in_review.unsigned_abs();
        total.updated_at = total.updated_at.max(row.updated_at.0);
    }
    let mut totals: Vec<BatchTotal> = totals.into_values().collect();
    for total in &mut totals {
        total.sum.rescale(total.currency.minor_units());
    }
    Ok(totals)
}

/// Reads the numbers of a batch's payouts by status.
pub(crate) fn read_counts(rows: Vec<(String, i64)>) -> Result<Vec<(Status, u64)>, RepositoryError> {
    let counts = rows.into_iter().map(|(status, count)| {
        let status: Status = status.parse().map_err(broken("status"))?;
        Ok((status, count.unsigned_abs()))
    });
    counts.collect()
}

/// The numbers of a batch's payouts that require approval.
#[derive(FromRow)]
pub(crate) struct ApprovalCountsRow {
    awaiting: i64,
    own: i64,
    given: i64,
    settled_with: i64,
    settled_without: i64,
    cancelled: i64,
}

impl From<ApprovalCountsRow> for BatchApprovals {
    fn from(row: ApprovalCountsRow) -> Self {
        Self {
            awaiting: row.awaiting.unsigned_abs(),
            own: row.own.unsigned_abs(),
            given: row.given.unsigned_abs(),
            settled_with: row.settled_with.unsigned_abs(),
            settled_without: row.settled_without.unsigned_abs(),
            cancelled: row.cancelled.unsigned_abs(),
        }
    }
}

/// Returns changes with the approvals that they give.
pub(crate) fn approvals_of(changes: &[Change]) -> Result<Vec<(&Change, &NewApproval)>, RepositoryError> {
    let approvals = changes.iter().map(|change| match &change.approval {
        Some(new) => Ok((change, new)),
        None => Err(refused("a change is not an approval")),
    });
    approvals.collect()
}

/// Restores the payouts of a batch. A row that cannot be read keeps its place.
pub(crate) fn members(rows: Vec<PayoutRow>, keys: &EncryptionKeys) -> Vec<ListedMember> {
    rows.into_iter()
        .map(|row| {
            let id = PayoutId::from(row.id);
            row.restore(keys)
                .map_or(ListedMember::Unreadable(id), ListedMember::Payout)
        })
        .collect()
}

/// Returns the external ids that belong to payouts.
pub(crate) fn taken(rows: Vec<(String, Uuid)>) -> Result<HashMap<ExternalId, PayoutId>, RepositoryError> {
    rows.into_iter()
        .map(|(text, id)| {
            let external_id = ExternalId::restore(&text).map_err(broken("external_id"))?;
            Ok((external_id, PayoutId::from(id)))
        })
        .collect()
}

/// The charges of a batch, added up by spending bucket.
#[derive(Default)]
pub(crate) struct Charges(HashMap<SpendingBucket, Charge>);

impl Charges {
    pub(crate) fn add(&mut self, payouts: &[NewPayout]) {
        for charge in payouts.iter().filter_map(|new| new.charge) {
            let sum = match self.0.get(&charge.bucket()) {
                Some(sum) => sum.and(&charge),
                None => charge,
            };
            self.0.insert(charge.bucket(), sum);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn buckets(&self) -> Vec<SpendingBucket> {
        self.0.keys().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Charge> {
        self.0.values()
    }
}
