//! Claims of due payouts, many per transaction.

use std::collections::HashMap;

use payout_core::Timestamp;
use payout_core::ports::{ClaimRequest, Claims, RepositoryError};
use uuid::Uuid;

use super::store::{Store, Write, hex, json, run_detached};
use super::writer::Transaction;
use crate::storage::sql::error::repository_error;
use crate::storage::sql::row::{PayoutRow, claims, payout_columns, provider_column};
use crate::storage::sql::shares::Shares;
use crate::storage::sql::stored::as_micros;

/// Condition that the claim asks for the payout (`?8`: only if nothing may have been sent), and that this process can
/// decrypt it. A payout that is encrypted with a key which the database knows
/// and this process lacks is left to processes that have the key. `?3` has the ids of this process's keys. Usually it
/// has all keys, and the rows are not read.
macro_rules! not_of_others {
    () => {
        "(NOT ?8 OR first_submitted_at IS NULL) AND (NOT EXISTS (SELECT 1 FROM sealing_keys WHERE id NOT IN (SELECT value FROM jsonb_each(?3)))
            OR NOT EXISTS (
                SELECT 1 FROM sealing_keys AS other
                WHERE other.id NOT IN (SELECT value FROM jsonb_each(?3))
                    -- An encrypted value begins like its key's proof: with the key's id.
                    AND (SELECT substr(sealed, 1, 2 + length(other.id)) FROM payout_details AS payout
                        WHERE payout.id = payout_states.id) = substr(proof, 1, 2 + length(other.id))
            ))"
    };
}

/// Condition that a wait from before a forward leap of the clock has lasted its full duration; `?5` is the time of the
/// leap, and `?6` its length.
macro_rules! has_lasted {
    () => {
        " AND (status <> 'processing' OR updated_at > ?5 OR +due_at <= ?1 - ?6)"
    };
}

/// Finds the payouts of a provider that have been due the longest. The condition on the provider shows which index
/// serves.
macro_rules! sweep {
    ($of_provider:expr) => {
        concat!(
            "SELECT payout_states.id, claimed_by IS NOT NULL FROM payout_states WHERE ",
            $of_provider,
            " AND due_at <= ?1 AND ",
            not_of_others!(),
            has_lasted!(),
            " ORDER BY due_at LIMIT ?2"
        )
    };
}

pub(super) const SWEEP: &str = sweep!("provider = '' AND ?7 IS NOT NULL");
pub(super) const SWEEP_OF_PROVIDER: &str = sweep!("provider = ?7 AND provider <> ''");

/// Finds these payouts where they are due, in the order in which they were asked for. The `+` keeps SQLite from walking
/// all due payouts.
pub(super) const BY_ID: &str = concat!(
    "SELECT payout_states.id, claimed_by IS NOT NULL
    FROM jsonb_each(?4) AS hint CROSS JOIN payout_states ON payout_states.id = unhex(hint.value)
    WHERE provider = ?7 AND +due_at <= ?1 AND ",
    not_of_others!(),
    has_lasted!(),
    " GROUP BY payout_states.id
    ORDER BY min(hint.key)
    LIMIT ?2"
);

/// Finds the batches of a provider with due payouts, one by one: each step jumps to the next batch.
pub(super) const OPEN: &str = "
    WITH RECURSIVE open (batch_id) AS (
        SELECT min(batch_id) FROM payout_states WHERE batch_due_at IS NOT NULL AND provider = ?1
        UNION ALL
        SELECT (
            SELECT min(batch_id) FROM payout_states
            WHERE batch_due_at IS NOT NULL AND provider = ?1 AND batch_id > open.batch_id
        )
        FROM open
        WHERE open.batch_id IS NOT NULL
    )
    SELECT batch_id FROM open
    WHERE batch_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM payout_states
        WHERE batch_due_at <= ?2 AND provider = ?1 AND batch_id = open.batch_id)
    LIMIT 64";

/// Finds payouts that wait in the queue of a batch (`?4`).
pub(super) const SWEEP_OF_BATCH: &str = concat!(
    "SELECT payout_states.id, claimed_by IS NOT NULL FROM payout_states
    WHERE provider = ?7 AND batch_id = unhex(?4) AND batch_due_at <= ?1 AND ",
    not_of_others!(),
    has_lasted!(),
    " ORDER BY batch_due_at, id LIMIT ?2"
);

/// Claims the chosen payouts. No other process writes between the choice and this statement, so the guard is not
/// repeated.
const CLAIM: &str = "
    UPDATE payout_states
    SET status = 'processing',
        claimed_by = ?5,
        fence = fence + 1,
        claims = claims + 1,
        version = version + 1,
        updated_at = ?1,
        -- Strictly later than the claim before, whatever the clock does: whether the next two times are equal shows
        -- whether an earlier claim may have sent something.
        claimed_at = max(coalesce(claimed_at + 1, 0), ?1),
        due_at = ?1 + ?3,
        batch_due_at = NULL,
        -- Where a clock that was ahead wrote the claim, its worker has as long left as it had then.
        quiet_at = max(
            CASE WHEN claimed_at > ?1 AND quiet_at > claimed_at THEN ?1 + quiet_at - claimed_at
                ELSE coalesce(quiet_at, 0) END,
            ?1 + ?4),
        -- The first submission is not later than now, whatever a clock that was ahead has written.
        first_submitted_at = CASE WHEN first_submitted_at IS NULL
            THEN max(coalesce(claimed_at + 1, 0), ?1)
            ELSE min(first_submitted_at, ?1) END
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?2))";

/// Writes the event of a claim without an outcome as a row, since another event follows it.
const LOG_OPEN_CLAIMS: &str = "
    INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, version)
    SELECT id, generation, fence, claimed_at, 'claimed', 'processing', claimed_by, version
    FROM payout_states
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1)) AND claimed_by IS NOT NULL";

const CLOSE_CLAIMS: &str = "
    UPDATE payout_states SET claimed_by = NULL
    WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1)) AND claimed_by IS NOT NULL";

const CLAIMED: &str = concat!(
    "SELECT ",
    payout_columns!(),
    " FROM jsonb_each(?1) AS claimed
    CROSS JOIN payout_states AS state ON state.id = unhex(claimed.value)
    CROSS JOIN payout_details AS payout ON payout.id = state.id"
);

pub(super) async fn claim(store: &Store, request: &ClaimRequest) -> Result<Claims, RepositoryError> {
    let (store, request) = (store.clone(), request.clone());
    run_detached(async move {
        let hints = match &request.only {
            Some(ids) => Some(hexes(ids.iter().map(|id| id.as_uuid()))?),
            None => None,
        };
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let mut choice = Choice {
            store: &store,
            request: &request,
            transaction: &mut transaction,
            now,
        };
        let chosen = match hints {
            Some(ids) => choice.due(BY_ID, request.limit, Some(ids)).await?,
            None => choice.swept().await?,
        };
        if chosen.is_empty() {
            transaction.rollback().await.map_err(repository_error)?;
            return Ok(Claims::default());
        }
        let open = chosen.iter().filter(|(_, is_open)| *is_open);
        let open: Vec<Uuid> = open.map(|(id, _)| *id).collect();
        write_open_claims(&mut transaction, &open).await?;
        let ids = hexes(chosen.iter().map(|(id, _)| *id))?;
        let claim = sqlx::query(CLAIM)
            .bind(now.timestamp_micros())
            .bind(&ids)
            .bind(as_micros(request.lease))
            .bind(as_micros(request.calls_end_after))
            .bind(request.worker.as_str().to_owned());
        claim.execute(&mut *transaction).await.map_err(repository_error)?;
        let claimed = sqlx::query_as::<_, PayoutRow>(CLAIMED).bind(&ids);
        let rows = claimed
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        let mut claims = claims(rows, &store.keyring);
        let places: HashMap<Uuid, usize> = chosen.into_iter().map(|(id, _)| id).zip(0..).collect();
        claims
            .won
            .sort_by_key(|claim| places.get(&claim.payout().id().as_uuid()).copied());
        Ok(claims)
    })
    .await
}

/// A payout's id, and whether its last claim has no outcome yet.
type Chosen = (Uuid, bool);

/// The choice of the payouts to claim.
struct Choice<'a> {
    store: &'a Store,
    request: &'a ClaimRequest,
    transaction: &'a mut Transaction,
    now: Timestamp,
}

impl Choice<'_> {
    /// Chooses an even share of each batch that has a queue, and of everything else. Slots that one group does not need
    /// go to the others.
    async fn swept(&mut self) -> Result<Vec<Chosen>, RepositoryError> {
        let limit = self.request.limit;
        let sweep = if self.request.provider.is_some() {
            SWEEP_OF_PROVIDER
        } else {
            SWEEP
        };
        let open = sqlx::query_as::<_, (Uuid,)>(OPEN)
            .bind(provider_column(self.request.provider.as_ref()))
            .bind(self.now.timestamp_micros())
            .fetch_all(&mut **self.transaction)
            .await
            .map_err(repository_error)?;
        if open.is_empty() {
            return self.due(sweep, limit, None).await;
        }
        let open: Vec<Uuid> = open.into_iter().map(|(id,)| id).collect();
        let shares = Shares::of(limit, &open, self.store.next_turn());
        // Chosen first and cut to their share afterwards: nothing is written between the choices.
        let others = self.due(sweep, limit, None).await?;
        let mut queues = Vec::with_capacity(shares.batches.len());
        for batch in &shares.batches {
            let id = hex(batch.as_bytes());
            queues.push(self.due(SWEEP_OF_BATCH, limit, Some(id)).await?);
        }
        Ok(divided(limit as usize, others, &queues, &shares))
    }

    async fn due(
        &mut self,
        statement: &'static str,
        limit: u32,
        named: Option<String>,
    ) -> Result<Vec<Chosen>, RepositoryError> {
        let leap = self.store.leap();
        sqlx::query_as::<_, Chosen>(statement)
            .bind(self.now.timestamp_micros())
            .bind(i64::from(limit))
            .bind(json(&self.store.keyring.ids().collect::<Vec<_>>())?)
            .bind(named)
            .bind(leap.before.timestamp_micros())
            .bind(as_micros(leap.by))
            .bind(provider_column(self.request.provider.as_ref()))
            .bind(self.request.unsent_only)
            .fetch_all(&mut **self.transaction)
            .await
            .map_err(repository_error)
    }
}

/// Takes the share of everything else, then one payout of each batch in turn until the slots are full, and at last more
/// of everything else.
fn divided(slots: usize, mut others: Vec<Chosen>, queues: &[Vec<Chosen>], shares: &Shares) -> Vec<Chosen> {
    let more = others.split_off(others.len().min(shares.others as usize));
    let mut chosen = others;
    for place in 0..slots {
        let in_turn = queues.iter().filter_map(|queue| queue.get(place));
        let before = chosen.len();
        chosen.extend(in_turn.take(slots.saturating_sub(before)));
        if chosen.len() == before {
            break;
        }
    }
    let left = slots.saturating_sub(chosen.len());
    chosen.extend(more.into_iter().take(left));
    chosen
}

/// Writes the events of claims that have no outcome yet, before the events that follow them.
pub(super) async fn write_open_claims(
    transaction: &mut Transaction,
    ids: &[Uuid],
) -> Result<(), RepositoryError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids = hexes(ids.iter().copied())?;
    for statement in [LOG_OPEN_CLAIMS, CLOSE_CLAIMS] {
        let run = sqlx::query(statement).bind(&ids);
        run.execute(&mut **transaction).await.map_err(repository_error)?;
    }
    Ok(())
}

pub(super) fn hexes(ids: impl Iterator<Item = Uuid>) -> Result<String, RepositoryError> {
    json(&ids.map(|id| hex(id.as_bytes())).collect::<Vec<_>>())
}
