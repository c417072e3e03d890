//! Bulk actions, their leases and their outcomes.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::bulk::{BulkAction, BulkActionId, BulkEnd, BulkOutcome, BulkResult, NewBulkAction};
use payout_core::payout::Actor;
use payout_core::ports::{
    BulkActionRepository, BulkLease, BulkOutcomeQuery, BulkPage, HeldBulkAction, RepositoryError,
};
use serde::Serialize;

use super::SqliteRepository;
use super::store::{Write, hex, json, run_detached};
use super::webhooks::write;
use crate::storage::sql::bulk::{
    BulkOutcomeRow, BulkRow, bulk_columns, end_columns, first, outcome_columns, outcomes, planned,
    result_columns,
};
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::{as_i64, number};
use crate::storage::sql::stored::{as_micros, without_nul};

const START: &str = concat!(
    "INSERT INTO bulk_actions
        (id, step, filter, started_by, api_key, reason, counted_at, matched, created_at)
    VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?1)
    ON CONFLICT (id) DO NOTHING
    RETURNING ",
    bulk_columns!()
);

const FIND: &str = concat!("SELECT ", bulk_columns!(), " FROM bulk_actions WHERE id = ?1");

const LIST: &str = concat!(
    "SELECT ",
    bulk_columns!(),
    " FROM bulk_actions WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
);

const OUTCOMES: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = ?1 AND number > ?2 ORDER BY number LIMIT ?3"
);

const REFUSED: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = ?1 AND number > ?2 AND result = 'refused' ORDER BY number LIMIT ?3"
);

const STOP: &str = "
    UPDATE bulk_actions SET state = 'stopped', stopped_why = ?3, ended_at = ?1
    WHERE id = ?2 AND state = 'running'
    RETURNING 1";

/// Looks for a free action, so that a look that finds none does not write.
const HAS_FREE: &str = "
    SELECT 1 FROM bulk_actions
    WHERE (state = 'running' OR planned > changed + refused) AND (leased_until IS NULL OR leased_until < ?1) LIMIT 1";

const LEASE: &str = concat!(
    "UPDATE bulk_actions
    SET fence = fence + 1, held_by = ?2, leased_until = ?1 + ?3, leased_at = ?1
    WHERE id = (
        SELECT id FROM bulk_actions
        WHERE (state = 'running' OR planned > changed + refused) AND (leased_until IS NULL OR leased_until < ?1)
        ORDER BY leased_at, id LIMIT 1
    )
    RETURNING ",
    bulk_columns!()
);

const UNSETTLED: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = ?1 AND result = 'planned' ORDER BY number"
);

/// Moves the position, while no payout that was planned before is without an outcome.
const MOVE: &str = "
    UPDATE bulk_actions
    SET planned = planned + ?5, place_at = ?3, place_id = ?4
    WHERE id = ?1 AND fence = ?2 AND state = 'running' AND planned = changed + refused
    RETURNING planned - ?5 + 1";

const PLAN: &str = "
    INSERT INTO bulk_outcomes (action_id, number, payout_id, version)
    SELECT ?1, ?2 + key, unhex(value ->> 'payout'), value ->> 'version' FROM jsonb_each(?3)";

const IS_HELD: &str = "SELECT 1 FROM bulk_actions WHERE id = ?1 AND fence = ?2";

/// Stores results. One that was stored already stays.
const SETTLE: &str = "
    UPDATE bulk_outcomes SET result = value ->> 'result', refused = value ->> 'refused'
    FROM jsonb_each(?2)
    WHERE action_id = ?1 AND bulk_outcomes.number = value ->> 'number' AND bulk_outcomes.result = 'planned'
    RETURNING bulk_outcomes.result = 'changed'";

const COUNT: &str = concat!(
    "UPDATE bulk_actions
    SET changed = changed + ?2, refused = refused + ?3, leased_until = NULL, held_by = NULL
    WHERE id = ?1
    RETURNING ",
    bulk_columns!()
);

const END: &str = "
    UPDATE bulk_actions
    SET state = CASE WHEN state = 'running' THEN ?4 ELSE state END,
        stopped_why = CASE WHEN state = 'running' THEN ?5 ELSE stopped_why END,
        ended_at = CASE WHEN state = 'running' THEN ?1 ELSE ended_at END,
        leased_until = NULL, held_by = NULL
    WHERE id = ?2 AND fence = ?3
    RETURNING 1";

const RELEASE: &str = "
    UPDATE bulk_actions SET leased_until = NULL, held_by = NULL
    WHERE id = ?2 AND fence = ?3 AND ?1 IS NOT NULL
    RETURNING 1";

#[derive(Serialize)]
struct PlannedParameter {
    payout: String,
    version: i64,
}

#[derive(Serialize)]
struct ResultParameter {
    number: i64,
    result: &'static str,
    refused: Option<String>,
}

#[async_trait]
impl BulkActionRepository for SqliteRepository {
    async fn start_bulk(&self, new: &NewBulkAction) -> Result<BulkAction, RepositoryError> {
        let matched = as_i64("matched", new.matched)?;
        let action = new.clone();
        let start = move |now| {
            sqlx::query_as::<_, BulkRow>(START)
                .bind(now)
                .bind(action.id.as_uuid())
                .bind(action.step.as_str())
                .bind(without_nul(action.filter.as_str()))
                .bind(action.starter.name.as_str().to_owned())
                .bind(action.starter.api_key.map(|key| key.as_uuid()))
                .bind(action.reason.as_deref().map(without_nul))
                .bind(action.counted_at.timestamp_micros())
                .bind(matched)
        };
        if let Some(started) = first(write(&self.store, start).await?)? {
            return Ok(started);
        }
        let found = self.bulk_action(new.id).await?;
        found.ok_or_else(|| RepositoryError::refused("a bulk action that is there cannot be found"))
    }

    async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, RepositoryError> {
        let find = sqlx::query_as::<_, BulkRow>(FIND).bind(id.as_uuid());
        first(self.store.read(find).await?)
    }

    async fn bulk_actions(
        &self,
        before: Option<BulkActionId>,
        limit: u32,
    ) -> Result<Vec<BulkAction>, RepositoryError> {
        let list = sqlx::query_as::<_, BulkRow>(LIST)
            .bind(before.map(BulkActionId::as_uuid))
            .bind(i64::from(limit));
        let rows = self.store.read(list).await?;
        rows.into_iter().map(BulkRow::restore).collect()
    }

    async fn bulk_outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, RepositoryError> {
        let statement = if query.refused_only { REFUSED } else { OUTCOMES };
        let read = sqlx::query_as::<_, BulkOutcomeRow>(statement)
            .bind(id.as_uuid())
            .bind(as_i64("number", query.after)?)
            .bind(i64::from(query.limit));
        outcomes(self.store.read(read).await?)
    }

    async fn stop_bulk(&self, id: BulkActionId, why: &str) -> Result<Option<BulkAction>, RepositoryError> {
        let why = without_nul(why);
        let stop = move |now| {
            sqlx::query_as::<_, (i64,)>(STOP)
                .bind(now)
                .bind(id.as_uuid())
                .bind(why)
        };
        write(&self.store, stop).await?;
        self.bulk_action(id).await
    }

    async fn lease_bulk(
        &self,
        worker: &Actor,
        lease: Duration,
    ) -> Result<Option<HeldBulkAction>, RepositoryError> {
        let look = sqlx::query_as::<_, (i64,)>(HAS_FREE).bind(self.store.now().timestamp_micros());
        if self.store.read(look).await?.is_empty() {
            return Ok(None);
        }
        let worker = worker.as_str().to_owned();
        let acquire = move |now| {
            sqlx::query_as::<_, BulkRow>(LEASE)
                .bind(now)
                .bind(worker)
                .bind(as_micros(lease))
        };
        let Some(row) = write(&self.store, acquire).await?.pop() else {
            return Ok(None);
        };
        let mut held = row.held()?;
        if held.action.unsettled() > 0 {
            let read = sqlx::query_as::<_, BulkOutcomeRow>(UNSETTLED).bind(held.lease.id.as_uuid());
            held.unsettled = outcomes(self.store.read(read).await?)?;
        }
        Ok(Some(held))
    }

    async fn plan_bulk(
        &self,
        lease: BulkLease,
        page: &BulkPage,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError> {
        let parameters: Result<Vec<PlannedParameter>, RepositoryError> = page
            .payouts
            .iter()
            .map(|one| {
                Ok(PlannedParameter {
                    payout: hex(one.payout.as_uuid().as_bytes()),
                    version: as_i64("version", one.version)?,
                })
            })
            .collect();
        let parameters = json(&parameters?)?;
        let fence = as_i64("fence", lease.fence)?;
        let many = as_i64("planned", page.payouts.len() as u64)?;
        let (store, page) = (self.store.clone(), page.clone());
        run_detached(async move {
            let Write { mut transaction, .. } = store.begin().await.map_err(repository_error)?;
            let moved = sqlx::query_as::<_, (i64,)>(MOVE)
                .bind(lease.id.as_uuid())
                .bind(fence)
                .bind(page.place.created_at.timestamp_micros())
                .bind(page.place.payout.as_uuid())
                .bind(many);
            let moved = moved.fetch_optional(&mut *transaction).await;
            let Some((first,)) = moved.map_err(repository_error)? else {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(None);
            };
            let plan = sqlx::query(PLAN)
                .bind(lease.id.as_uuid())
                .bind(first)
                .bind(parameters);
            plan.execute(&mut *transaction).await.map_err(repository_error)?;
            transaction.commit().await.map_err(repository_error)?;
            Ok(Some(planned(&page.payouts, number("number", first)?)))
        })
        .await
    }

    async fn settle_bulk(
        &self,
        lease: BulkLease,
        results: &[(u64, BulkResult)],
    ) -> Result<Option<BulkAction>, RepositoryError> {
        let parameters: Result<Vec<ResultParameter>, RepositoryError> = results
            .iter()
            .map(|(number, result)| {
                let (result, refused) = result_columns(result);
                Ok(ResultParameter {
                    number: as_i64("number", *number)?,
                    result,
                    refused,
                })
            })
            .collect();
        let parameters = json(&parameters?)?;
        let fence = as_i64("fence", lease.fence)?;
        let store = self.store.clone();
        run_detached(async move {
            let Write { mut transaction, .. } = store.begin().await.map_err(repository_error)?;
            let held = sqlx::query_as::<_, (i64,)>(IS_HELD)
                .bind(lease.id.as_uuid())
                .bind(fence);
            let held = held.fetch_optional(&mut *transaction).await;
            if held.map_err(repository_error)?.is_none() {
                transaction.rollback().await.map_err(repository_error)?;
                return Ok(None);
            }
            let settle = sqlx::query_as::<_, (bool,)>(SETTLE)
                .bind(lease.id.as_uuid())
                .bind(parameters);
            let settled = settle.fetch_all(&mut *transaction).await;
            let settled = settled.map_err(repository_error)?;
            let changed = settled.iter().filter(|(is_changed,)| *is_changed).count();
            let count = sqlx::query_as::<_, BulkRow>(COUNT)
                .bind(lease.id.as_uuid())
                .bind(as_i64("changed", changed as u64)?)
                .bind(as_i64("refused", (settled.len() - changed) as u64)?);
            let counted = count.fetch_all(&mut *transaction).await;
            let counted = counted.map_err(repository_error)?;
            transaction.commit().await.map_err(repository_error)?;
            first(counted)
        })
        .await
    }

    async fn end_bulk(&self, lease: BulkLease, end: &BulkEnd) -> Result<bool, RepositoryError> {
        let fence = as_i64("fence", lease.fence)?;
        let (state, why) = end_columns(end);
        let end = move |now| {
            sqlx::query_as::<_, (i64,)>(END)
                .bind(now)
                .bind(lease.id.as_uuid())
                .bind(fence)
                .bind(state)
                .bind(why)
        };
        Ok(!write(&self.store, end).await?.is_empty())
    }

    async fn release_bulk(&self, lease: BulkLease) -> Result<(), RepositoryError> {
        let fence = as_i64("fence", lease.fence)?;
        let release = move |now| {
            sqlx::query_as::<_, (i64,)>(RELEASE)
                .bind(now)
                .bind(lease.id.as_uuid())
                .bind(fence)
        };
        write(&self.store, release).await.map(drop)
    }
}
