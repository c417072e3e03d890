//! The rows of bulk actions and their outcomes.

use payout_core::access::ApiKeyId;
use payout_core::bulk::{
    BulkAction, BulkActionId, BulkEnd, BulkFilter, BulkOutcome, BulkPlace, BulkResult, BulkStarter,
    BulkState, BulkStep, PlannedPayout,
};
use payout_core::payout::{Actor, PayoutId};
use payout_core::ports::{BulkLease, HeldBulkAction, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::row::{broken, number, parse};
use super::stored::{StoredTime, without_nul};

/// The columns of a [`BulkRow`].
macro_rules! bulk_columns {
    () => {
        "id, step, filter, started_by, api_key, reason, counted_at, matched, created_at, state, stopped_why, \
         ended_at, place_at, place_id, planned, changed, refused, fence"
    };
}
pub(crate) use bulk_columns;

/// A row of `bulk_actions`.
#[derive(FromRow)]
pub(crate) struct BulkRow {
    id: Uuid,
    step: String,
    filter: String,
    started_by: String,
    api_key: Option<Uuid>,
    reason: Option<String>,
    counted_at: StoredTime,
    matched: i64,
    created_at: StoredTime,
    state: String,
    stopped_why: Option<String>,
    ended_at: Option<StoredTime>,
    place_at: Option<StoredTime>,
    place_id: Option<Uuid>,
    planned: i64,
    changed: i64,
    refused: i64,
    fence: i64,
}

/// The columns of a [`BulkOutcomeRow`].
macro_rules! outcome_columns {
    () => {
        "number, payout_id, version, result, refused"
    };
}
pub(crate) use outcome_columns;

/// A row of `bulk_outcomes`.
#[derive(FromRow)]
pub(crate) struct BulkOutcomeRow {
    number: i64,
    payout_id: Uuid,
    version: i64,
    result: String,
    refused: Option<String>,
}

impl BulkRow {
    pub(crate) fn restore(self) -> Result<BulkAction, RepositoryError> {
        let place = self.place_at.zip(self.place_id);
        Ok(BulkAction {
            id: BulkActionId::from(self.id),
            step: parse::<BulkStep>("step", &self.step)?,
            filter: BulkFilter::new(&self.filter).map_err(broken("filter"))?,
            starter: BulkStarter {
                name: Actor::new(&self.started_by),
                api_key: self.api_key.map(ApiKeyId::from),
            },
            reason: self.reason,
            counted_at: self.counted_at.0,
            matched: number("matched", self.matched)?,
            created_at: self.created_at.0,
            state: state(&self.state, self.stopped_why, self.ended_at)?,
            place: place.map(|(StoredTime(created_at), payout)| BulkPlace {
                created_at,
                payout: PayoutId::from(payout),
            }),
            planned: number("planned", self.planned)?,
            changed: number("changed", self.changed)?,
            refused: number("refused", self.refused)?,
        })
    }

    /// Restores an action that was just leased. Its unsettled payouts are read separately.
    pub(crate) fn held(self) -> Result<HeldBulkAction, RepositoryError> {
        let fence = number("fence", self.fence)?;
        let action = self.restore()?;
        Ok(HeldBulkAction {
            lease: BulkLease { id: action.id, fence },
            action,
            unsettled: Vec::new(),
        })
    }
}

fn state(
    name: &str,
    why: Option<String>,
    ended_at: Option<StoredTime>,
) -> Result<BulkState, RepositoryError> {
    match (name, why, ended_at) {
        ("running", None, None) => Ok(BulkState::Running),
        ("stopped", Some(why), Some(StoredTime(at))) => Ok(BulkState::Stopped { why, at }),
        ("finished", None, Some(StoredTime(at))) => Ok(BulkState::Finished { at }),
        _ => Err(broken("state")("no state of a bulk action")),
    }
}

impl BulkOutcomeRow {
    pub(crate) fn restore(self) -> Result<BulkOutcome, RepositoryError> {
        let result = match (self.result.as_str(), self.refused) {
            ("planned", None) => BulkResult::Planned,
            ("changed", None) => BulkResult::Changed,
            ("refused", Some(why)) => BulkResult::Refused(why),
            _ => return Err(broken("result")("no result of a bulk action")),
        };
        Ok(BulkOutcome {
            number: number("number", self.number)?,
            planned: PlannedPayout {
                payout: PayoutId::from(self.payout_id),
                version: number("version", self.version)?,
            },
            result,
        })
    }
}

/// Restores the rows of a page of outcomes.
pub(crate) fn outcomes(rows: Vec<BulkOutcomeRow>) -> Result<Vec<BulkOutcome>, RepositoryError> {
    rows.into_iter().map(BulkOutcomeRow::restore).collect()
}

/// Restores the action of an answer with at most one row.
pub(crate) fn first(rows: Vec<BulkRow>) -> Result<Option<BulkAction>, RepositoryError> {
    rows.into_iter().next().map(BulkRow::restore).transpose()
}

/// Returns the columns of a result.
pub(crate) fn result_columns(result: &BulkResult) -> (&'static str, Option<String>) {
    match result {
        BulkResult::Planned => ("planned", None),
        BulkResult::Changed => ("changed", None),
        BulkResult::Refused(why) => ("refused", Some(without_nul(why))),
    }
}

/// Returns the columns of an end.
pub(crate) fn end_columns(end: &BulkEnd) -> (&'static str, Option<String>) {
    match end {
        BulkEnd::Finished => ("finished", None),
        BulkEnd::Stopped(why) => ("stopped", Some(without_nul(why))),
    }
}

/// Builds the outcomes of a page that was just planned.
pub(crate) fn planned(payouts: &[PlannedPayout], first: u64) -> Vec<BulkOutcome> {
    let numbered = payouts.iter().zip(first..);
    let outcome = |(planned, number): (&PlannedPayout, u64)| BulkOutcome {
        number,
        planned: *planned,
        result: BulkResult::Planned,
    };
    numbered.map(outcome).collect()
}
