//! One payout as the store keeps it, and the writes that a worker makes to it.

use std::collections::HashMap;

use chrono::TimeDelta;
use payout_core::Timestamp;
use payout_core::payout::{
    Actor, BrokenRow, Caller, Change, Event, EventKind, NewPayout, Payout, PayoutParts, SettledRow,
    Settlement, Status,
};
use payout_core::ports::{ClaimRequest, Search, Settled};

/// A payout, its audit trail, and what reads need beside them.
pub(super) struct Row {
    pub(super) payout: Payout,
    pub(super) deleted: bool,
    /// The recipient's name as [`Search`] folds it.
    pub(super) folded_name: String,
    pub(super) events: Vec<Event>,
    /// Who made each claim, by its fence: the one who settles it.
    claimants: HashMap<u64, Actor>,
}

/// What a settlement found.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Written; boxing each would cost more"
)]
pub(super) enum Outcome {
    /// The guard let it pass: the payout as it is then.
    Written(Payout),
    /// The row says that it was written before.
    Repeated,
    /// The guard refused it.
    Late(Settled),
}

/// A time so much later, or the end of time.
pub(super) fn later(now: Timestamp, by: std::time::Duration) -> Timestamp {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| now.checked_add_signed(by))
        .unwrap_or(Timestamp::MAX_UTC)
}

impl Row {
    /// A payout that is stored now.
    pub(super) fn stored(new: &NewPayout, now: Timestamp) -> Self {
        let payout = new.stored_at(now);
        let mut row = Self {
            folded_name: fold_name(&payout),
            payout,
            deleted: false,
            events: Vec::new(),
            claimants: HashMap::new(),
        };
        row.record_step(EventKind::Created, &new.caller, now);
        row
    }

    /// Makes a person's change, whose guard has been checked.
    pub(super) fn change(&mut self, change: &Change, now: Timestamp) {
        self.payout = change.made_at(now);
        self.deleted = change.deleted;
        self.folded_name = fold_name(&self.payout);
        self.record_step(change.event, &change.caller, now);
    }

    /// The payout as it is once claimed, if it is due.
    pub(super) fn claimed(
        &self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Option<Payout>, BrokenRow> {
        if self.payout.parts().due_at.is_none_or(|due_at| due_at > now) {
            return Ok(None);
        }
        let mut parts = self.payout.parts().clone();
        parts.status = Status::Processing;
        parts.fence += 1;
        parts.claims += 1;
        parts.due_at = Some(later(now, request.lease));
        parts.claimed_at = Some(now);
        // An earlier claim with a longer lease may still be sending when this one surely is not.
        let quiet_at = later(now, request.quiet_after);
        parts.quiet_at = Some(parts.quiet_at.map_or(quiet_at, |earlier| earlier.max(quiet_at)));
        parts.first_submitted_at.get_or_insert(now);
        self.written(parts, now).map(Some)
    }

    /// Records the claim that made the payout this.
    pub(super) fn claim(&mut self, payout: &Payout, worker: &Actor, now: Timestamp) {
        self.payout = payout.clone();
        self.claimants.insert(payout.fence(), worker.clone());
        self.record(EventKind::Claimed, worker.clone(), None, None, now);
    }

    /// What a settlement does to the payout as it is.
    pub(super) fn settled(&self, settlement: &Settlement, now: Timestamp) -> Result<Outcome, BrokenRow> {
        let parts = self.payout.parts();
        let verdict = settlement.verdict.row();
        let is_its_claim = parts.fence == settlement.fence && parts.generation == settlement.generation;
        if is_its_claim && parts.status == Status::Processing {
            return self
                .written(settled_parts(parts, &verdict, now), now)
                .map(Outcome::Written);
        }
        if is_its_claim && says(parts, &verdict) {
            return Ok(Outcome::Repeated);
        }
        let Self { deleted, .. } = *self;
        Ok(Outcome::Late(Settled::Late {
            status: parts.status,
            generation: parts.generation,
            deleted,
        }))
    }

    /// Records the settlement that made the payout this.
    pub(super) fn settle(&mut self, payout: Payout, settlement: &Settlement, now: Timestamp) {
        self.payout = payout;
        let verdict = settlement.verdict.row();
        let detail = verdict.detail.map(str::to_owned);
        self.record(verdict.event, self.claimant(settlement.fence), None, detail, now);
    }

    /// Keeps a late outcome as evidence; the payout stays as it is.
    pub(super) fn record_late(&mut self, settlement: &Settlement, now: Timestamp) {
        let verdict = settlement.verdict.row();
        let said = verdict
            .detail
            .map_or_else(String::new, |detail| format!(": {detail}"));
        let detail = format!("{}{said}", verdict.event.as_str());
        let actor = self.claimant(settlement.fence);
        self.record(EventKind::LateOutcome, actor, None, Some(detail), now);
        if let Some(event) = self.events.last_mut() {
            (event.generation, event.fence) = (settlement.generation, settlement.fence);
        }
    }

    fn written(&self, mut parts: PayoutParts, now: Timestamp) -> Result<Payout, BrokenRow> {
        parts.version += 1;
        parts.updated_at = now;
        Payout::restore(parts)
    }

    fn claimant(&self, fence: u64) -> Actor {
        self.claimants
            .get(&fence)
            .cloned()
            .unwrap_or_else(|| Actor::new("worker"))
    }

    fn record_step(&mut self, kind: EventKind, caller: &Caller, now: Timestamp) {
        let Caller {
            actor,
            request_id,
            reason,
        } = caller.clone();
        self.record(kind, actor, request_id, reason, now);
    }

    fn record(
        &mut self,
        kind: EventKind,
        actor: Actor,
        request_id: Option<String>,
        detail: Option<String>,
        at: Timestamp,
    ) {
        let (status, generation, fence) = (
            self.payout.status(),
            self.payout.generation(),
            self.payout.fence(),
        );
        self.events.push(Event {
            kind,
            status,
            generation,
            fence,
            actor,
            request_id,
            detail,
            at,
        });
    }
}

fn settled_parts(parts: &PayoutParts, verdict: &SettledRow<'_>, now: Timestamp) -> PayoutParts {
    PayoutParts {
        status: verdict.status,
        needs_review: verdict.needs_review,
        failure: verdict.failure.cloned(),
        provider_reference: verdict.reference.or(parts.provider_reference.as_ref()).cloned(),
        due_at: verdict.due_in.map(|due_in| later(now, due_in)),
        first_submitted_at: parts.first_submitted_at.filter(|_| !verdict.never_sent),
        ..parts.clone()
    }
}

/// Whether the row, no longer processing, is as this very verdict leaves it.
fn says(parts: &PayoutParts, verdict: &SettledRow<'_>) -> bool {
    parts.status == verdict.status
        && parts.failure.as_ref() == verdict.failure
        && verdict
            .reference
            .is_none_or(|reference| parts.provider_reference.as_ref() == Some(reference))
}

fn fold_name(payout: &Payout) -> String {
    Search::fold_name(payout.parts().recipient_name.as_str())
}
