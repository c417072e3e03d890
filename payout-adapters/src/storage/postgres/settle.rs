//! Settling claims, a batch per statement.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use payout_core::attempt::Settlement;
use payout_core::payout::Status;
use payout_core::ports::{RepositoryError, Settled};
use payout_core::provider::{DeclineCode, ProviderName, WaitReason};
use sqlx::FromRow;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::interval;
use super::link::Link;
use crate::storage::sql::error::refused;
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::without_nul;

/// Settles a batch of distinct payouts.
///
/// `locked` takes the rows that no other session holds, in the order of their ids, and reads their current values;
/// `judged` compares each settlement with its row. The guard is on the locked rows, not on the table, so that the
/// planner considers no index but the primary key. The statement waits for no row: a row that is never released would
/// block all the others.
///
/// The outcome's event carries the claim, unless a row has it already. Before the late outcome of another claim, the
/// event of the current claim becomes a row, which `told` marks in the state.
const SETTLE: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST(
            $1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::text[],
            $9::interval[], $10::boolean[], $11::text[], $12::text[], $13::bigint[], $14::text[], $15::text[],
            $16::text[], $17::interval[], $18::bytea[]
        ) AS row (
            id, fence, generation, status, needs_review, failure_code, failure_message, provider_reference,
            due_in, never_sent, kind, detail, claims, failure_reason, waiting_for, provider, recheck_in, approved
        )
    ), locked AS (
        SELECT
            id, fence, generation, status, failure_code, failure_message, provider_reference, deleted_at,
            claimed_by, claimed_at, version, feed_key
        FROM payout_states
        WHERE id = ANY ($1)
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    ), judged AS (
        SELECT
            said.*,
            row.status AS stands,
            row.generation AS stands_in_generation,
            row.fence AS stands_under_fence,
            row.claimed_by,
            row.claimed_at,
            row.version AS stands_at_version,
            GREATEST(row.feed_key, payout_feed_key()) AS feed_key,
            row.deleted_at IS NOT NULL AS deleted,
            row.fence = said.fence AND row.generation = said.generation AS holds,
            row.status = said.status
                AND row.failure_code IS NOT DISTINCT FROM said.failure_code
                AND row.failure_message IS NOT DISTINCT FROM said.failure_message
                AND (said.provider_reference IS NULL OR row.provider_reference = said.provider_reference)
                AS reads_so_already
        FROM incoming AS said JOIN locked AS row USING (id)
    ), applied AS (
        UPDATE payout_states AS state
        SET version = state.version + 1,
            updated_at = now(),
            status = said.status,
            needs_review = said.needs_review,
            failure_code = said.failure_code,
            failure_message = said.failure_message,
            provider_reference = COALESCE(said.provider_reference, state.provider_reference),
            due_at = now() + said.due_in,
            first_submitted_at = CASE WHEN NOT said.never_sent THEN state.first_submitted_at END,
            claims = said.claims,
            claimed_by = NULL,
            feed_key = said.feed_key,
            failure_reason = said.failure_reason,
            waiting_for = said.waiting_for,
            waiting_since = CASE
                WHEN said.waiting_for IS NULL THEN NULL
                WHEN state.waiting_for = said.waiting_for THEN COALESCE(state.waiting_since, now())
                ELSE now() END,
            provider = COALESCE(said.provider, state.provider),
            completed_at = CASE WHEN said.status = 'completed' THEN now() END,
            recheck_at = now() + said.recheck_in,
            approved_digest = COALESCE(said.approved, state.approved_digest)
        FROM judged AS said
        WHERE state.id = said.id AND said.holds AND said.stands = 'processing'
    ), told AS (
        UPDATE payout_states SET claimed_by = NULL, feed_key = GREATEST(feed_key, payout_feed_key())
        WHERE id = ANY (ARRAY(SELECT id FROM judged WHERE NOT holds AND claimed_by IS NOT NULL))
    ), logged AS (
        INSERT INTO payout_events (
            payout_id, generation, fence, at, kind, status, actor, detail, claimed_by, claimed_at, version, feed_key
        )
        SELECT
            id, stands_in_generation, stands_under_fence, claimed_at, 'claimed', 'processing', claimed_by, NULL,
            NULL, NULL, stands_at_version, feed_key
        FROM judged
        WHERE NOT holds AND claimed_by IS NOT NULL
        UNION ALL
        SELECT
            said.id, said.generation, said.fence, now(),
            CASE WHEN said.holds AND said.stands = 'processing' THEN said.kind ELSE 'late_outcome' END,
            CASE WHEN said.holds AND said.stands = 'processing' THEN said.status ELSE said.stands END,
            -- A settlement comes from the worker that made the claim.
            COALESCE(CASE WHEN said.holds THEN said.claimed_by END, (
                SELECT COALESCE(claim.claimed_by, claim.actor) FROM payout_events AS claim
                WHERE claim.payout_id = said.id AND claim.fence = said.fence
                    AND (claim.kind = 'claimed' OR claim.claimed_by IS NOT NULL)
                LIMIT 1
            ), 'worker'),
            CASE WHEN said.holds AND said.stands = 'processing' THEN said.detail
                ELSE concat_ws(': ', said.kind, said.detail) END,
            CASE WHEN said.holds THEN said.claimed_by END,
            CASE WHEN said.holds AND said.claimed_by IS NOT NULL THEN said.claimed_at END,
            CASE WHEN said.holds AND said.stands = 'processing' THEN said.stands_at_version + 1
                ELSE said.stands_at_version END,
            said.feed_key
        FROM judged AS said
        WHERE NOT (said.holds AND said.stands <> 'processing' AND said.reads_so_already)
    )
    SELECT
        id, stands, stands_in_generation, deleted,
        holds AND (stands = 'processing' OR reads_so_already) AS applied
    FROM judged";

/// Finds which of the skipped payouts exist.
const HELD: &str = "SELECT id FROM payout_states WHERE id = ANY ($1)";

#[derive(FromRow)]
struct Judged {
    id: Uuid,
    stands: String,
    stands_in_generation: i64,
    deleted: bool,
    applied: bool,
}

pub(super) async fn settle(link: &Link, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
    let mut answers: Vec<Option<Settled>> = vec![None; batch.len()];
    let mut left: Vec<usize> = (0..batch.len()).collect();
    // Two settlements of one payout, of an old and a new claim, are applied one after the other.
    while !left.is_empty() {
        let mut ids = HashSet::new();
        let (round, later): (Vec<usize>, Vec<usize>) =
            left.into_iter().partition(|place| ids.insert(batch[*place].id));
        let settlements: Vec<&Settlement> = round.iter().map(|place| &batch[*place]).collect();
        let mut settled = settle_distinct(link, &settlements).await?;
        for place in round {
            answers[place] = settled.remove(&batch[place].id.as_uuid());
        }
        left = later;
    }
    answers
        .into_iter()
        .map(|answer| answer.ok_or_else(|| refused("a settled payout was never stored")))
        .collect()
}

async fn settle_distinct(
    link: &Link,
    batch: &[&Settlement],
) -> Result<HashMap<Uuid, Settled>, RepositoryError> {
    let columns = Columns::of(batch)?;
    let statement = sqlx::query_as::<_, Judged>(SETTLE)
        .bind(columns.ids)
        .bind(columns.fences)
        .bind(columns.generations)
        .bind(columns.statuses)
        .bind(columns.needs_review)
        .bind(columns.failure_codes)
        .bind(columns.failure_messages)
        .bind(columns.references)
        .bind(columns.due_in)
        .bind(columns.never_sent)
        .bind(columns.kinds)
        .bind(columns.details)
        .bind(columns.claims)
        .bind(columns.failure_reasons)
        .bind(columns.waiting_for)
        .bind(columns.providers)
        .bind(columns.recheck_in)
        .bind(columns.approved);
    let rows = link.write(statement).await?;
    let answers = rows.into_iter().map(|row| Ok((row.id, row.restore()?)));
    let mut settled: HashMap<Uuid, Settled> = answers.collect::<Result<_, RepositoryError>>()?;
    if settled.len() < batch.len() {
        let ids = batch.iter().map(|settlement| settlement.id.as_uuid());
        let passed_over: Vec<Uuid> = ids.filter(|id| !settled.contains_key(id)).collect();
        let held = link
            .read(|| sqlx::query_as::<_, (Uuid,)>(HELD).bind(&passed_over))
            .await?;
        settled.extend(held.into_iter().map(|(id,)| (id, Settled::Locked)));
    }
    Ok(settled)
}

impl Judged {
    fn restore(self) -> Result<Settled, RepositoryError> {
        if self.applied {
            return Ok(Settled::Applied);
        }
        Ok(Settled::Late {
            status: Status::from_str(&self.stands).map_err(refused)?,
            generation: u32::try_from(self.stands_in_generation).map_err(refused)?,
            deleted: self.deleted,
        })
    }
}

/// The batch by columns, as UNNEST takes it. A column in which no payout has a value is empty: UNNEST makes up for what a
/// column lacks with NULL, which costs the server less than reading each of them.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    fences: Vec<i64>,
    generations: Vec<i64>,
    statuses: Vec<&'static str>,
    needs_review: Vec<bool>,
    failure_codes: Vec<Option<&'a str>>,
    failure_messages: Vec<Option<&'a str>>,
    references: Vec<Option<&'a str>>,
    due_in: Vec<Option<PgInterval>>,
    never_sent: Vec<bool>,
    kinds: Vec<&'static str>,
    details: Vec<Option<String>>,
    claims: Vec<i64>,
    failure_reasons: Vec<Option<&'static str>>,
    waiting_for: Vec<Option<&'static str>>,
    providers: Vec<Option<&'a str>>,
    recheck_in: Vec<Option<PgInterval>>,
    approved: Vec<Option<Vec<u8>>>,
}

/// Empties a column without any value.
fn thin<T>(column: &mut Vec<Option<T>>) {
    if column.iter().all(Option::is_none) {
        column.clear();
    }
}

impl<'a> Columns<'a> {
    fn of(batch: &[&'a Settlement]) -> Result<Self, RepositoryError> {
        let mut columns = Self::default();
        for settlement in batch {
            let row = settlement.verdict.row();
            columns.ids.push(settlement.id.as_uuid());
            columns.fences.push(as_i64("fence", settlement.fence)?);
            columns.generations.push(i64::from(settlement.generation));
            columns.statuses.push(row.status.as_str());
            columns.needs_review.push(row.needs_review);
            columns
                .failure_codes
                .push(row.failure.map(|failure| failure.code()));
            columns
                .failure_messages
                .push(row.failure.map(|failure| failure.message()));
            columns
                .references
                .push(row.reference.map(|reference| reference.as_str()));
            columns.due_in.push(row.due_in.map(interval));
            columns.never_sent.push(row.never_sent);
            columns.kinds.push(row.event.as_str());
            columns.details.push(row.detail.map(without_nul));
            columns.claims.push(i64::from(settlement.claims));
            let reason = row.failure.and_then(|failure| failure.reason());
            columns.failure_reasons.push(reason.map(DeclineCode::as_str));
            columns.waiting_for.push(row.waiting_for.map(WaitReason::as_str));
            columns.providers.push(row.provider.map(ProviderName::as_str));
            columns.recheck_in.push(row.recheck_in.map(interval));
            let approved = settlement.approved.map(|digest| digest.as_bytes().to_vec());
            columns.approved.push(approved);
        }
        for texts in [
            &mut columns.failure_codes,
            &mut columns.failure_messages,
            &mut columns.references,
            &mut columns.providers,
        ] {
            thin(texts);
        }
        for words in [&mut columns.failure_reasons, &mut columns.waiting_for] {
            thin(words);
        }
        for times in [&mut columns.due_in, &mut columns.recheck_in] {
            thin(times);
        }
        thin(&mut columns.details);
        thin(&mut columns.approved);
        Ok(columns)
    }
}
