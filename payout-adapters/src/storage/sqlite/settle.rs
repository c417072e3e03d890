//! Settling claims, a batch per transaction.

use std::collections::HashMap;
use std::str::FromStr;

use payout_core::attempt::Settlement;
use payout_core::payout::Status;
use payout_core::ports::{RepositoryError, Settled};
use payout_core::provider::{DeclineCode, WaitReason};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::claim::write_open_claims;
use super::store::{Store, Write, hex, json, run_detached};
use super::writer::Transaction;
use crate::storage::sql::error::{refused, repository_error};
use crate::storage::sql::row::as_i64;
use crate::storage::sql::stored::{as_micros, without_nul};

/// Reads the state of each payout, and judges its settlement. In a writer's transaction no row changes between this
/// read and the update.
const JUDGE: &str = "
    SELECT
        said.key AS place,
        row.status AS stands,
        row.generation AS stands_in_generation,
        row.deleted_at IS NOT NULL AS deleted,
        row.claimed_by,
        row.claimed_at,
        row.version,
        row.fence = value ->> 'fence' AND row.generation = value ->> 'generation' AS holds,
        row.status = value ->> 'status'
            AND row.failure_code IS value ->> 'failure_code'
            AND row.failure_message IS value ->> 'failure_message'
            AND (value ->> 'provider_reference' IS NULL OR row.provider_reference IS value ->> 'provider_reference')
            AS reads_so_already
    FROM jsonb_each(?1) AS said CROSS JOIN payout_states AS row ON row.id = unhex(value ->> 'id')";

/// Applies settlements; the guard is the last line, and the batch has no payout twice.
const APPLY: &str = "
    UPDATE payout_states
    SET version = version + 1,
        updated_at = ?2,
        status = value ->> 'status',
        needs_review = value ->> 'needs_review',
        failure_code = value ->> 'failure_code',
        failure_message = value ->> 'failure_message',
        provider_reference = coalesce(value ->> 'provider_reference', provider_reference),
        due_at = ?2 + (value ->> 'due_in'),
        first_submitted_at = CASE WHEN NOT value ->> 'never_sent' THEN first_submitted_at END,
        claims = value ->> 'claims',
        claimed_by = NULL,
        failure_reason = value ->> 'failure_reason',
        waiting_since = CASE
            WHEN value ->> 'waiting_for' IS NULL THEN NULL
            WHEN waiting_for = value ->> 'waiting_for' THEN coalesce(waiting_since, ?2)
            ELSE ?2 END,
        waiting_for = value ->> 'waiting_for',
        provider = coalesce(value ->> 'provider', provider),
        completed_at = CASE WHEN value ->> 'status' = 'completed' THEN ?2 END,
        recheck_at = ?2 + (value ->> 'recheck_in'),
        approved_digest = coalesce(unhex(value ->> 'approved'), approved_digest)
    FROM jsonb_each(?1)
    WHERE payout_states.id = unhex(value ->> 'id')
        AND fence = value ->> 'fence' AND generation = value ->> 'generation' AND status = 'processing'";

/// Writes the events of outcomes. The actor is the worker that made the claim. The event carries the claim, unless a
/// row has it already; the number before the row's own is the claim's place.
const LOG: &str = "
    INSERT INTO payout_events (
        sequence, payout_id, generation, fence, at, kind, status, actor, detail, claimed_by, claimed_at, version
    )
    SELECT
        (SELECT coalesce(max(sequence), 0) FROM payout_events) + 2 * (said.key + 1),
        unhex(value ->> 'id'), value ->> 'generation', value ->> 'fence', ?2, value ->> 'kind', value ->> 'status',
        coalesce(value ->> 'claimed_by', (
            SELECT coalesce(claim.claimed_by, claim.actor) FROM payout_events AS claim
            WHERE claim.payout_id = unhex(value ->> 'id') AND claim.fence = value ->> 'fence'
                AND (claim.kind = 'claimed' OR claim.claimed_by IS NOT NULL)
            LIMIT 1
        ), 'worker'),
        value ->> 'detail', value ->> 'claimed_by', value ->> 'claimed_at', value ->> 'version'
    FROM jsonb_each(?1) AS said
    ORDER BY said.key";

/// A settlement as a row for `jsonb_each`.
#[derive(Serialize)]
struct Said {
    #[serde(skip)]
    payout: Uuid,
    id: String,
    fence: i64,
    generation: u32,
    status: String,
    needs_review: bool,
    failure_code: Option<String>,
    failure_message: Option<String>,
    provider_reference: Option<String>,
    due_in: Option<i64>,
    never_sent: bool,
    kind: String,
    detail: Option<String>,
    claims: u32,
    failure_reason: Option<&'static str>,
    waiting_for: Option<&'static str>,
    provider: Option<String>,
    recheck_in: Option<i64>,
    approved: Option<String>,
    claimed_by: Option<String>,
    claimed_at: Option<i64>,
    /// The version after the settlement.
    version: i64,
}

#[derive(FromRow)]
struct Judged {
    place: i64,
    stands: String,
    stands_in_generation: i64,
    deleted: bool,
    claimed_by: Option<String>,
    claimed_at: Option<i64>,
    version: i64,
    holds: bool,
    reads_so_already: bool,
}

pub(super) async fn settle(store: &Store, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let rounds = rounds(batch)?;
    let mut answers: Vec<Option<Settled>> = vec![None; batch.len()];
    let store = store.clone();
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        for Round { places, said } in rounds {
            let settled = settle_distinct(&mut transaction, now.timestamp_micros(), said).await?;
            for (place, settled) in places.into_iter().zip(settled) {
                answers[place] = Some(settled);
            }
        }
        transaction.commit().await.map_err(repository_error)?;
        let unanswered = || refused("a settlement was passed over");
        answers
            .into_iter()
            .map(|answer| answer.ok_or_else(unanswered))
            .collect()
    })
    .await
}

/// Settlements of distinct payouts, with their places in the batch.
#[derive(Default)]
struct Round {
    places: Vec<usize>,
    said: Vec<Said>,
}

/// Splits a batch into rounds of distinct payouts: two settlements of one payout, of an old and a new claim, are
/// applied one after the other.
fn rounds(batch: &[Settlement]) -> Result<Vec<Round>, RepositoryError> {
    let mut seen = HashMap::new();
    let mut rounds: Vec<Round> = Vec::new();
    for (place, settlement) in batch.iter().enumerate() {
        let times = seen.entry(settlement.id).or_insert(0_usize);
        if rounds.len() == *times {
            rounds.push(Round::default());
        }
        let round = &mut rounds[*times];
        round.places.push(place);
        round.said.push(Said::of(settlement)?);
        *times += 1;
    }
    Ok(rounds)
}

async fn settle_distinct(
    transaction: &mut Transaction,
    now: i64,
    mut said: Vec<Said>,
) -> Result<Vec<Settled>, RepositoryError> {
    let incoming = json(&said)?;
    let judge = sqlx::query_as::<_, Judged>(JUDGE).bind(&incoming);
    let mut rows = judge
        .fetch_all(&mut **transaction)
        .await
        .map_err(repository_error)?;
    if rows.len() != said.len() {
        return Err(refused("a settled payout was never stored"));
    }
    rows.sort_by_key(|row| row.place);
    let apply = sqlx::query(APPLY).bind(&incoming).bind(now);
    apply
        .execute(&mut **transaction)
        .await
        .map_err(repository_error)?;

    for (said, row) in said.iter_mut().zip(&rows).filter(|(_, row)| row.applies()) {
        said.claimed_by.clone_from(&row.claimed_by);
        said.claimed_at = row.claimed_by.as_ref().and(row.claimed_at);
    }
    for (said, row) in said.iter_mut().zip(&rows) {
        said.version = row.version + i64::from(row.applies());
    }
    let open = said.iter().zip(&rows);
    let open = open.filter(|(_, row)| !row.applies() && row.claimed_by.is_some());
    let open: Vec<Uuid> = open.map(|(said, _)| said.payout).collect();
    write_open_claims(transaction, &open).await?;
    // A settlement that missed the guard is recorded as evidence; one that was written before is not recorded again.
    for (said, row) in said.iter_mut().zip(&rows).filter(|(_, row)| !row.applies()) {
        let detail = said
            .detail
            .take()
            .map_or_else(String::new, |detail| format!(": {detail}"));
        said.detail = Some(format!("{}{detail}", said.kind));
        said.kind = "late_outcome".to_owned();
        said.status = row.stands.clone();
    }
    let mut repeated = rows.iter().map(Judged::is_repeated);
    said.retain(|_| !repeated.next().unwrap_or_default());
    let log = sqlx::query(LOG).bind(json(&said)?).bind(now);
    log.execute(&mut **transaction).await.map_err(repository_error)?;
    rows.iter().map(Judged::settled).collect()
}

impl Judged {
    fn applies(&self) -> bool {
        self.holds && self.stands == Status::Processing.as_str()
    }

    fn is_repeated(&self) -> bool {
        self.holds && !self.applies() && self.reads_so_already
    }

    fn settled(&self) -> Result<Settled, RepositoryError> {
        if self.applies() || self.is_repeated() {
            return Ok(Settled::Applied);
        }
        Ok(Settled::Late {
            status: Status::from_str(&self.stands).map_err(refused)?,
            generation: u32::try_from(self.stands_in_generation).map_err(refused)?,
            deleted: self.deleted,
        })
    }
}

impl Said {
    fn of(settlement: &Settlement) -> Result<Self, RepositoryError> {
        let row = settlement.verdict.row();
        Ok(Self {
            payout: settlement.id.as_uuid(),
            id: hex(settlement.id.as_uuid().as_bytes()),
            fence: as_i64("fence", settlement.fence)?,
            generation: settlement.generation,
            status: row.status.as_str().to_owned(),
            needs_review: row.needs_review,
            failure_code: row.failure.map(|failure| failure.code().to_owned()),
            failure_message: row.failure.map(|failure| failure.message().to_owned()),
            provider_reference: row.reference.map(|reference| reference.as_str().to_owned()),
            due_in: row.due_in.map(as_micros),
            never_sent: row.never_sent,
            kind: row.event.as_str().to_owned(),
            detail: row.detail.map(without_nul),
            claims: settlement.claims,
            failure_reason: row
                .failure
                .and_then(|failure| failure.reason())
                .map(DeclineCode::as_str),
            waiting_for: row.waiting_for.map(WaitReason::as_str),
            provider: row.provider.map(|name| name.as_str().to_owned()),
            recheck_in: row.recheck_in.map(as_micros),
            approved: settlement.approved.map(|digest| hex(digest.as_bytes())),
            claimed_by: None,
            claimed_at: None,
            version: 0,
        })
    }
}
