//! Bulk actions, their leases and their outcomes.
//!
//! Every write of a holder changes the action's row, by its fence, and so excludes a takeover until it is committed.

use std::time::Duration;

use async_trait::async_trait;
use payout_core::bulk::{BulkAction, BulkActionId, BulkEnd, BulkOutcome, BulkResult, NewBulkAction};
use payout_core::payout::Actor;
use payout_core::ports::{
    BulkActionRepository, BulkLease, BulkOutcomeQuery, BulkPage, HeldBulkAction, RepositoryError,
};
use uuid::Uuid;

use super::{PostgresRepository, interval};
use crate::storage::sql::bulk::{
    BulkOutcomeRow, BulkRow, bulk_columns, end_columns, first, outcome_columns, outcomes, planned,
    result_columns,
};
use crate::storage::sql::row::{as_i64, number};
use crate::storage::sql::stored::without_nul;

const START: &str = concat!(
    "INSERT INTO bulk_actions
        (id, step, filter, started_by, api_key, reason, counted_at, matched, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
    ON CONFLICT (id) DO NOTHING
    RETURNING ",
    bulk_columns!()
);

const FIND: &str = concat!("SELECT ", bulk_columns!(), " FROM bulk_actions WHERE id = $1");

const LIST: &str = concat!(
    "SELECT ",
    bulk_columns!(),
    " FROM bulk_actions WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"
);

const OUTCOMES: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = $1 AND number > $2 ORDER BY number LIMIT $3"
);

const REFUSED: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = $1 AND number > $2 AND result = 'refused' ORDER BY number LIMIT $3"
);

const STOP: &str = "
    UPDATE bulk_actions SET state = 'stopped', stopped_why = $2, ended_at = now()
    WHERE id = $1 AND state = 'running'
    RETURNING 1";

/// Leases a free action. One that another worker is leasing at this moment is skipped.
const LEASE: &str = concat!(
    "WITH free AS (
        SELECT id AS free_id FROM bulk_actions
        WHERE (state = 'running' OR planned > changed + refused) AND (leased_until IS NULL OR leased_until < now())
        ORDER BY leased_at NULLS FIRST, id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE bulk_actions
    SET fence = fence + 1, held_by = $1, leased_until = now() + $2, leased_at = now()
    FROM free WHERE id = free_id
    RETURNING ",
    bulk_columns!()
);

const UNSETTLED: &str = concat!(
    "SELECT ",
    outcome_columns!(),
    " FROM bulk_outcomes WHERE action_id = $1 AND result = 'planned' ORDER BY number"
);

/// Plans a page: the position moves and the payouts are written in one statement.
const PLAN: &str = "
    WITH holder AS (
        UPDATE bulk_actions
        SET planned = planned + $5, place_at = $3, place_id = $4
        WHERE id = $1 AND fence = $2 AND state = 'running' AND planned = changed + refused
        RETURNING id, planned - $5 AS before
    ), stored AS (
        INSERT INTO bulk_outcomes (action_id, number, payout_id, version)
        SELECT id, before + place, payout_id, version
        FROM holder CROSS JOIN UNNEST($6::uuid[], $7::bigint[])
            WITH ORDINALITY AS row (payout_id, version, place)
    )
    SELECT before + 1 AS first FROM holder";

/// Stores results, and counts those that were stored now.
const SETTLE: &str = concat!(
    "WITH holder AS (
        SELECT id AS held_id FROM bulk_actions WHERE id = $1 AND fence = $2 FOR UPDATE
    ), settled AS (
        UPDATE bulk_outcomes AS outcome SET result = incoming.result, refused = incoming.refused
        FROM holder CROSS JOIN UNNEST($3::bigint[], $4::text[], $5::text[]) AS incoming (number, result, refused)
        WHERE outcome.action_id = held_id AND outcome.number = incoming.number AND outcome.result = 'planned'
        RETURNING outcome.result
    )
    UPDATE bulk_actions
    SET changed = changed + (SELECT count(*) FROM settled WHERE result = 'changed'),
        refused = refused + (SELECT count(*) FROM settled WHERE result = 'refused'),
        leased_until = NULL, held_by = NULL
    FROM holder WHERE id = held_id
    RETURNING ",
    bulk_columns!()
);

const END: &str = "
    UPDATE bulk_actions
    SET state = CASE WHEN state = 'running' THEN $3 ELSE state END,
        stopped_why = CASE WHEN state = 'running' THEN $4 ELSE stopped_why END,
        ended_at = CASE WHEN state = 'running' THEN now() ELSE ended_at END,
        leased_until = NULL, held_by = NULL
    WHERE id = $1 AND fence = $2
    RETURNING 1";

const RELEASE: &str = "
    UPDATE bulk_actions SET leased_until = NULL, held_by = NULL WHERE id = $1 AND fence = $2 RETURNING 1";

#[async_trait]
impl BulkActionRepository for PostgresRepository {
    async fn start_bulk(&self, new: &NewBulkAction) -> Result<BulkAction, RepositoryError> {
        let start = sqlx::query_as::<_, BulkRow>(START)
            .bind(new.id.as_uuid())
            .bind(new.step.as_str())
            .bind(without_nul(new.filter.as_str()))
            .bind(new.starter.name.as_str())
            .bind(new.starter.api_key.map(|key| key.as_uuid()))
            .bind(new.reason.as_deref().map(without_nul))
            .bind(new.counted_at)
            .bind(as_i64("matched", new.matched)?);
        if let Some(started) = first(self.link.write(start).await?)? {
            return Ok(started);
        }
        let found = self.bulk_action(new.id).await?;
        found.ok_or_else(|| RepositoryError::refused("a bulk action that is there cannot be found"))
    }

    async fn bulk_action(&self, id: BulkActionId) -> Result<Option<BulkAction>, RepositoryError> {
        let find = || sqlx::query_as::<_, BulkRow>(FIND).bind(id.as_uuid());
        first(self.link.read(find).await?)
    }

    async fn bulk_actions(
        &self,
        before: Option<BulkActionId>,
        limit: u32,
    ) -> Result<Vec<BulkAction>, RepositoryError> {
        let list = || {
            sqlx::query_as::<_, BulkRow>(LIST)
                .bind(before.map(BulkActionId::as_uuid))
                .bind(i64::from(limit))
        };
        let rows = self.link.read(list).await?;
        rows.into_iter().map(BulkRow::restore).collect()
    }

    async fn bulk_outcomes(
        &self,
        id: BulkActionId,
        query: BulkOutcomeQuery,
    ) -> Result<Vec<BulkOutcome>, RepositoryError> {
        let statement = if query.refused_only { REFUSED } else { OUTCOMES };
        let after = as_i64("number", query.after)?;
        let read = || {
            sqlx::query_as::<_, BulkOutcomeRow>(statement)
                .bind(id.as_uuid())
                .bind(after)
                .bind(i64::from(query.limit))
        };
        outcomes(self.link.read(read).await?)
    }

    async fn stop_bulk(&self, id: BulkActionId, why: &str) -> Result<Option<BulkAction>, RepositoryError> {
        let stop = sqlx::query_as::<_, (i32,)>(STOP)
            .bind(id.as_uuid())
            .bind(without_nul(why));
        self.link.write(stop).await?;
        self.bulk_action(id).await
    }

    async fn lease_bulk(
        &self,
        worker: &Actor,
        lease: Duration,
    ) -> Result<Option<HeldBulkAction>, RepositoryError> {
        let acquire = sqlx::query_as::<_, BulkRow>(LEASE)
            .bind(worker.as_str())
            .bind(interval(lease));
        let Some(row) = self.link.write(acquire).await?.pop() else {
            return Ok(None);
        };
        let mut held = row.held()?;
        if held.action.unsettled() > 0 {
            let id = held.lease.id.as_uuid();
            let read = || sqlx::query_as::<_, BulkOutcomeRow>(UNSETTLED).bind(id);
            held.unsettled = outcomes(self.link.read(read).await?)?;
        }
        Ok(Some(held))
    }

    async fn plan_bulk(
        &self,
        lease: BulkLease,
        page: &BulkPage,
    ) -> Result<Option<Vec<BulkOutcome>>, RepositoryError> {
        let ids: Vec<Uuid> = page.payouts.iter().map(|one| one.payout.as_uuid()).collect();
        let versions: Result<Vec<i64>, _> = page
            .payouts
            .iter()
            .map(|one| as_i64("version", one.version))
            .collect();
        let plan = sqlx::query_as::<_, (i64,)>(PLAN)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?)
            .bind(page.place.created_at)
            .bind(page.place.payout.as_uuid())
            .bind(as_i64("planned", page.payouts.len() as u64)?)
            .bind(ids)
            .bind(versions?);
        let Some((first,)) = self.link.write(plan).await?.pop() else {
            return Ok(None);
        };
        Ok(Some(planned(&page.payouts, number("number", first)?)))
    }

    async fn settle_bulk(
        &self,
        lease: BulkLease,
        results: &[(u64, BulkResult)],
    ) -> Result<Option<BulkAction>, RepositoryError> {
        let numbers: Result<Vec<i64>, _> = results
            .iter()
            .map(|(number, _)| as_i64("number", *number))
            .collect();
        let (names, refused): (Vec<_>, Vec<_>) =
            results.iter().map(|(_, result)| result_columns(result)).unzip();
        let settle = sqlx::query_as::<_, BulkRow>(SETTLE)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?)
            .bind(numbers?)
            .bind(names)
            .bind(refused);
        first(self.link.write(settle).await?)
    }

    async fn end_bulk(&self, lease: BulkLease, end: &BulkEnd) -> Result<bool, RepositoryError> {
        let (state, why) = end_columns(end);
        let end = sqlx::query_as::<_, (i32,)>(END)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?)
            .bind(state)
            .bind(why);
        Ok(!self.link.write(end).await?.is_empty())
    }

    async fn release_bulk(&self, lease: BulkLease) -> Result<(), RepositoryError> {
        let release = sqlx::query_as::<_, (i32,)>(RELEASE)
            .bind(lease.id.as_uuid())
            .bind(as_i64("fence", lease.fence)?);
        self.link.write(release).await.map(drop)
    }
}
