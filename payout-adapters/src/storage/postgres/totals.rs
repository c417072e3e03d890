//! A day's totals, within the transaction that is charged to them.

use std::collections::{HashMap, HashSet};

use payout_core::payout::PayoutId;
use payout_core::ports::{LockedPart, RepositoryError};
use payout_core::spending::{Charge, DailyTotal, DailyTotals, Day, OverLimit, SpendingBucket};
use rust_decimal::Decimal;
use sqlx::FromRow;
use uuid::Uuid;

use super::link::Link;
use super::transaction::Transaction;
use crate::storage::sql::totals::{TotalRow, api_key_id};

/// Locks the daily totals. The update changes no value: it locks the row and returns what earlier holders left there.
/// Rows are locked in the order of their keys, so that two batches which share some wait for each other in one
/// direction only.
const HOLD: &str = "
    INSERT INTO daily_totals AS held (api_key_id, currency, day, total)
    SELECT api_key_id, currency, (now() AT TIME ZONE 'UTC')::date, 0
    FROM UNNEST($1::uuid[], $2::text[]) AS wanted (api_key_id, currency)
    ORDER BY api_key_id, currency COLLATE \"C\"
    ON CONFLICT (api_key_id, currency) DO UPDATE SET day = held.day
    RETURNING api_key_id, currency, day, total, (now() AT TIME ZONE 'UTC')::date AS today";

const KEEP: &str = "
    UPDATE daily_totals
    SET day = kept.day, total = kept.total
    FROM UNNEST($1::uuid[], $2::text[], $3::date[], $4::numeric[]) AS kept (api_key_id, currency, day, total)
    WHERE daily_totals.api_key_id = kept.api_key_id AND daily_totals.currency = kept.currency";

/// Finds the keys that have records. Once an API key exists, a key in the form without an API key may not be used: it
/// is returned with a space before it.
const TAKEN: &str = "
    SELECT key FROM idempotency_keys WHERE key = ANY ($1)
    UNION ALL
    SELECT ' ' || key FROM UNNEST($1) AS key WHERE position(' ' IN key) = 0 AND EXISTS (SELECT FROM api_keys)";

/// Finds the payouts that have these external ids and are not deleted, one by one. With all ids in one condition, the
/// server may walk another index to its end: until a new table is analyzed, it keeps the plan for a few rows.
pub(super) const HOLDERS: &str = "
    SELECT wanted.external_id, found.id AS holder
    FROM UNNEST($1::text[]) AS wanted (external_id)
    CROSS JOIN LATERAL (
        SELECT id FROM payout_details
        WHERE external_id = wanted.external_id AND external_id IS NOT NULL AND deleted_at IS NULL
        LIMIT 1
    ) AS found";

/// Reads daily totals without a lock.
const READ: &str = "
    SELECT api_key_id, currency, day, total, (now() AT TIME ZONE 'UTC')::date AS today FROM daily_totals
    WHERE (api_key_id, currency) IN (SELECT * FROM UNNEST($1::uuid[], $2::text[]))";

/// Reads the daily totals of some spending buckets as they count today.
pub(super) async fn read(link: &Link, buckets: &[SpendingBucket]) -> Result<DailyTotals, RepositoryError> {
    let keys: Vec<Uuid> = buckets.iter().map(|bucket| api_key_id(*bucket)).collect();
    let currencies: Vec<&str> = buckets.iter().map(|bucket| bucket.currency.code()).collect();
    let read = || sqlx::query_as::<_, HeldRow>(READ).bind(&keys).bind(&currencies);
    let rows = link.read(read).await?.into_iter();
    let totals = rows.map(|HeldRow { row, today }| {
        let (bucket, total) = row.restore()?;
        Ok((bucket, total.as_of(today)))
    });
    totals.collect()
}

/// A transaction that holds the daily totals of some spending buckets: no other transaction can charge them until it
/// ends.
pub(super) struct LockedTotals<'l> {
    pub(super) transaction: Transaction<'l>,
    pub(super) totals: DailyTotals,
    /// The day of the transaction's time, which its payouts have too.
    pub(super) today: Day,
    buckets: Vec<SpendingBucket>,
}

#[derive(FromRow)]
struct HeldRow {
    #[sqlx(flatten)]
    row: TotalRow,
    today: Day,
}

impl<'l> LockedTotals<'l> {
    /// Locks the totals of these buckets, and waits for the sessions that hold them.
    pub(super) async fn begin(link: &'l Link, buckets: Vec<SpendingBucket>) -> Result<Self, RepositoryError> {
        let held = Self::begin_once(link, buckets).await?;
        if !held.waited_past_midnight() {
            return Ok(held);
        }
        // The transaction's time is before the wait. Nothing may be charged to that day any more, and the new day's
        // total must not include payouts that are dated on the day before. Where the clock was set back, the later day
        // continues.
        let buckets = held.buckets;
        held.transaction.rollback().await?;
        Self::begin_once(link, buckets).await
    }

    async fn begin_once(link: &'l Link, buckets: Vec<SpendingBucket>) -> Result<Self, RepositoryError> {
        Self::hold(Transaction::begin(link).await?, buckets).await
    }

    /// Locks the totals of these buckets in a transaction that has begun.
    pub(super) async fn hold(
        mut transaction: Transaction<'l>,
        buckets: Vec<SpendingBucket>,
    ) -> Result<Self, RepositoryError> {
        let hold = sqlx::query_as::<_, HeldRow>(HOLD)
            .bind(ids(&buckets))
            .bind(currencies(&buckets));
        let rows = transaction.run(hold).await.map_err(of_total)?;
        let today = rows.iter().map(|held| held.today).max().unwrap_or(Day::MAX);
        let totals = rows.into_iter().map(|held| held.row.restore());
        Ok(Self {
            transaction,
            totals: totals.collect::<Result<_, _>>()?,
            today,
            buckets,
        })
    }

    /// Returns whether a new day began before the totals were locked.
    pub(super) fn waited_past_midnight(&self) -> bool {
        let mut totals = self.buckets.iter().filter_map(|bucket| self.totals.of(*bucket));
        totals.any(|total| self.today < total.day && total.as_of(self.today) == total)
    }

    /// Returns which of these idempotency keys have records.
    pub(super) async fn taken(&mut self, keys: Vec<&str>) -> Result<HashSet<String>, RepositoryError> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let taken = sqlx::query_as::<_, (String,)>(TAKEN).bind(keys);
        let taken = self.transaction.run(taken).await?;
        Ok(taken.into_iter().map(|(key,)| key).collect())
    }

    /// Returns the payouts that have these external ids.
    pub(super) async fn taken_external_ids(
        &mut self,
        ids: Vec<&str>,
    ) -> Result<HashMap<String, PayoutId>, RepositoryError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let holders = sqlx::query_as::<_, (String, Uuid)>(HOLDERS).bind(ids);
        let holders = self.transaction.run(holders).await?;
        Ok(holders
            .into_iter()
            .map(|(text, id)| (text, PayoutId::from(id)))
            .collect())
    }

    /// Charges an amount, once its payout has been written.
    pub(super) fn take(&mut self, charge: &Charge) -> Result<(), OverLimit> {
        self.totals.take(charge, self.today)
    }

    /// Commits the writes and the charges.
    pub(super) async fn commit(mut self) -> Result<(), RepositoryError> {
        let kept = |bucket: &SpendingBucket| Some((*bucket, self.totals.of(*bucket)?));
        let (buckets, totals): (Vec<SpendingBucket>, Vec<DailyTotal>) =
            self.buckets.iter().filter_map(kept).unzip();
        let keep = sqlx::query_as::<_, ()>(KEEP)
            .bind(ids(&buckets))
            .bind(currencies(&buckets))
            .bind(totals.iter().map(|total| total.day).collect::<Vec<Day>>())
            .bind(totals.iter().map(|total| total.total).collect::<Vec<Decimal>>());
        self.transaction.run(keep).await?;
        self.transaction.commit().await
    }

    pub(super) async fn rollback(self) -> Result<(), RepositoryError> {
        self.transaction.rollback().await
    }
}

/// Describes an error of a write in terms of the daily total that it waited for.
fn of_total(error: RepositoryError) -> RepositoryError {
    if let RepositoryError::Locked { source, .. } = error {
        return RepositoryError::Locked {
            part: LockedPart::DailyTotal,
            source,
        };
    }
    error
}

fn ids(buckets: &[SpendingBucket]) -> Vec<Uuid> {
    buckets.iter().map(|bucket| api_key_id(*bucket)).collect()
}

fn currencies(buckets: &[SpendingBucket]) -> Vec<&'static str> {
    buckets.iter().map(|bucket| bucket.currency.code()).collect()
}
