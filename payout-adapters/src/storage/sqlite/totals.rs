//! A day's totals, within the transaction that is charged to them.

use std::collections::{HashMap, HashSet};

use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;
use payout_core::spending::{Charge, DailyTotals, SpendingBucket};
use serde::Serialize;
use uuid::Uuid;

use super::store::{Store, Write, hex, json};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::totals::{TotalRow, api_key_id};

const READ: &str = "
    SELECT api_key_id, currency, day, total FROM daily_totals
    WHERE (api_key_id, currency) IN (
        SELECT unhex(value ->> 'api_key_id'), value ->> 'currency' FROM jsonb_each(?1))";

const WRITE: &str = "
    INSERT INTO daily_totals (api_key_id, currency, day, total)
    SELECT unhex(value ->> 'api_key_id'), value ->> 'currency', value ->> 'day', value ->> 'total'
    FROM jsonb_each(?1)
    WHERE true
    ON CONFLICT (api_key_id, currency) DO UPDATE SET day = excluded.day, total = excluded.total";

/// Finds the keys that have records. Once an API key exists, a key in the form without an API key may not be used: it
/// is returned with a space before it.
const TAKEN: &str = "
    SELECT key FROM idempotency_keys WHERE key IN (SELECT value FROM jsonb_each(?1))
    UNION ALL
    SELECT ' ' || value FROM jsonb_each(?1) WHERE instr(value, ' ') = 0 AND EXISTS (SELECT 1 FROM api_keys)";

/// Finds the payouts that have these external ids and are not deleted.
pub(super) const HOLDERS: &str = "
    SELECT external_id, id FROM payout_details
    WHERE external_id IN (SELECT value FROM jsonb_each(?1)) AND external_id IS NOT NULL AND deleted_at IS NULL";

/// Reads the totals of these spending buckets. No other process can charge them until the transaction ends.
pub(super) async fn read(
    write: &mut Write,
    buckets: &[SpendingBucket],
) -> Result<DailyTotals, RepositoryError> {
    let wanted: Vec<Wanted> = buckets.iter().map(|bucket| Wanted::of(*bucket)).collect();
    let read = sqlx::query_as::<_, TotalRow>(READ).bind(json(&wanted)?);
    let rows = read
        .fetch_all(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    rows.into_iter().map(TotalRow::restore).collect()
}

/// Reads the totals of these spending buckets as they count today, without a transaction.
pub(super) async fn read_today(
    store: &Store,
    buckets: &[SpendingBucket],
) -> Result<DailyTotals, RepositoryError> {
    let wanted: Vec<Wanted> = buckets.iter().map(|bucket| Wanted::of(*bucket)).collect();
    let rows = store
        .read(sqlx::query_as::<_, TotalRow>(READ).bind(json(&wanted)?))
        .await?;
    let totals: Result<DailyTotals, _> = rows.into_iter().map(TotalRow::restore).collect();
    Ok(totals?.as_of(store.now().date_naive()))
}

/// Stores the totals of these spending buckets.
pub(super) async fn keep(
    write: &mut Write,
    buckets: &[SpendingBucket],
    totals: &DailyTotals,
) -> Result<(), RepositoryError> {
    let kept = |bucket: &SpendingBucket| {
        totals.of(*bucket).map(|total| Kept {
            bucket: Wanted::of(*bucket),
            day: total.day.to_string(),
            total: total.total.to_string(),
        })
    };
    let rows: Vec<Kept> = buckets.iter().filter_map(kept).collect();
    let keep = sqlx::query(WRITE).bind(json(&rows)?);
    keep.execute(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    Ok(())
}

/// Charges one amount.
pub(super) async fn take(write: &mut Write, charge: &Charge) -> Result<(), RepositoryError> {
    let bucket = [charge.bucket()];
    let mut totals = read(write, &bucket).await?;
    totals
        .take(charge, write.now.date_naive())
        .map_err(RepositoryError::OverLimit)?;
    keep(write, &bucket, &totals).await
}

/// Returns which of these idempotency keys have records.
pub(super) async fn taken(write: &mut Write, keys: &[&str]) -> Result<HashSet<String>, RepositoryError> {
    let taken = sqlx::query_scalar(TAKEN).bind(json(&keys)?);
    let taken: Vec<String> = taken
        .fetch_all(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    Ok(taken.into_iter().collect())
}

/// Returns the payouts that have these external ids.
pub(super) async fn taken_external_ids(
    write: &mut Write,
    ids: &[&str],
) -> Result<HashMap<String, PayoutId>, RepositoryError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let holders = sqlx::query_as::<_, (String, Uuid)>(HOLDERS).bind(json(&ids)?);
    let holders = holders
        .fetch_all(&mut *write.transaction)
        .await
        .map_err(repository_error)?;
    Ok(holders
        .into_iter()
        .map(|(text, id)| (text, PayoutId::from(id)))
        .collect())
}

#[derive(Serialize)]
struct Wanted {
    api_key_id: String,
    currency: &'static str,
}

impl Wanted {
    fn of(bucket: SpendingBucket) -> Self {
        Self {
            api_key_id: hex(api_key_id(bucket).as_bytes()),
            currency: bucket.currency.code(),
        }
    }
}

#[derive(Serialize)]
struct Kept {
    #[serde(flatten)]
    bucket: Wanted,
    day: String,
    total: String,
}
