//! The contents of the database, read directly at the end of the drill.

use std::collections::HashMap;

use sqlx::postgres::PgPool;

use crate::Outcome;
use crate::clock::Time;

/// A payout's row.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// The prefix of the payout's keys at the provider.
    pub(crate) provider_key: String,
    pub(crate) generation: i64,
    pub(crate) status: String,
    pub(crate) needs_review: bool,
    pub(crate) deleted: bool,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) recipient_account: String,
    pub(crate) recipient_name: String,
    pub(crate) description: String,
    pub(crate) provider_reference: Option<String>,
    /// The name of the configured provider; absent with the only one.
    pub(crate) provider: Option<String>,
}

/// One entry of a payout's audit trail.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Event {
    pub(crate) payout_id: String,
    pub(crate) generation: i64,
    pub(crate) fence: i64,
    pub(crate) at: Time,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) actor: String,
    pub(crate) detail: Option<String>,
}

/// A batch, with the number of payouts that it has and of those that are there.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct BatchRow {
    pub(crate) id: String,
    pub(crate) external_id: Option<String>,
    pub(crate) payouts: i64,
    pub(crate) stored: i64,
}

/// All payouts with their audit trails, and all batches.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) batches: Vec<BatchRow>,
    pub(crate) rows: Vec<Row>,
    /// Audit trails by payout, oldest event first.
    pub(crate) trails: HashMap<String, Vec<Event>>,
}

const ROWS: &str = "
    SELECT id::text, COALESCE(provider_key, id)::text AS provider_key, generation, status::text, needs_review, deleted_at IS NOT NULL AS deleted,
        trim_scale(amount)::text AS amount, currency::text, recipient_account::text, recipient_name, description,
        provider_reference, NULLIF(provider, '') AS provider
    FROM payouts ORDER BY id";
const EVENTS: &str = "
    SELECT payout_id::text, generation, fence, at, kind::text, status::text, actor, detail
    FROM payout_trail ORDER BY payout_id, sequence";
/// Reads batches; payouts of a batch that is not there count as one without a name.
const BATCHES: &str = "
    SELECT coalesce(batch.id, counted.batch_id)::text AS id, batch.external_id, coalesce(batch.payouts, 0) AS payouts,
        coalesce(counted.stored, 0) AS stored
    FROM payout_batches AS batch FULL JOIN (
        SELECT batch_id, count(*) AS stored FROM payout_details WHERE batch_id IS NOT NULL GROUP BY batch_id
    ) AS counted ON counted.batch_id = batch.id
    ORDER BY 1";
const UNFINISHED: &str = "SELECT count(*) FROM payouts
    WHERE deleted_at IS NULL AND NOT (status IN ('completed', 'returned', 'failed', 'cancelled') OR needs_review)";
const RECHECKS: &str = "SELECT count(*) FROM payouts WHERE recheck_at IS NOT NULL AND provider = ANY($1)";
const PROVIDER: &str = "SELECT NULLIF(provider, '') FROM payouts WHERE id::text = $1";
const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT pid FROM pg_stat_activity WHERE application_name = 'payout' ORDER BY random() LIMIT $1
    ) AS victims";

pub(crate) async fn read(pool: &PgPool) -> Outcome<Stored> {
    let rows = sqlx::query_as(ROWS).fetch_all(pool).await?;
    let events: Vec<Event> = sqlx::query_as(EVENTS).fetch_all(pool).await?;
    let mut trails: HashMap<String, Vec<Event>> = HashMap::new();
    for event in events {
        trails.entry(event.payout_id.clone()).or_default().push(event);
    }
    let batches = sqlx::query_as(BATCHES).fetch_all(pool).await?;
    Ok(Stored {
        batches,
        rows,
        trails,
    })
}

/// Counts the payouts that are neither final nor in review.
pub(crate) async fn unfinished(pool: &PgPool) -> Outcome<i64> {
    Ok(sqlx::query_scalar(UNFINISHED).fetch_one(pool).await?)
}

/// Returns the name of a payout's provider; `None` where the payout names none.
pub(crate) async fn provider_of(pool: &PgPool, id: &str) -> Outcome<Option<String>> {
    Ok(sqlx::query_scalar(PROVIDER).bind(id).fetch_one(pool).await?)
}

/// Counts the payments of these providers that are still rechecked.
pub(crate) async fn rechecks(pool: &PgPool, providers: &[String]) -> Outcome<i64> {
    Ok(sqlx::query_scalar(RECHECKS)
        .bind(providers)
        .fetch_one(pool)
        .await?)
}

/// Throws away all hints of a queue in the database.
pub(crate) async fn forget_hints(pool: &PgPool) -> Outcome<()> {
    sqlx::query("TRUNCATE payout_hints").execute(pool).await?;
    Ok(())
}

/// Terminates some of the service's connections on the server's side.
pub(crate) async fn terminate(pool: &PgPool, count: usize) -> Outcome<i64> {
    Ok(sqlx::query_scalar(TERMINATE)
        .bind(i64::try_from(count)?)
        .fetch_one(pool)
        .await?)
}
