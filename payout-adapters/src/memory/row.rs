//! A stored payout with its audit trail, and the writes of clients, operators and workers to it.

use std::collections::HashMap;

use payout_core::Timestamp;
use payout_core::payout::{
    Actor, Caller, Change, Claim, Event, EventKind, ForeignPayout, NewPayout, Payout, Settlement,
};
use payout_core::ports::{DeletedPayout, Listed, Search, Settled};

/// A payout, its audit trail, and the data that reads need beside them.
pub(super) struct Row {
    pub(super) payout: Payout,
    pub(super) deleted_at: Option<Timestamp>,
    /// The recipient's name as [`Search`] folds it.
    pub(super) folded_name: String,
    pub(super) events: Vec<Event>,
    /// The actor of each claim, by the claim's fence. A settlement is recorded under the actor of its claim.
    claimants: HashMap<u64, Actor>,
}

impl Row {
    /// Creates the row of a new payout.
    pub(super) fn stored(new: &NewPayout, payout: Payout, now: Timestamp) -> Self {
        let mut row = Self {
            folded_name: fold_name(&payout),
            payout,
            deleted_at: None,
            events: Vec::new(),
            claimants: HashMap::new(),
        };
        row.record_step(EventKind::Created, &new.caller, now);
        row
    }

    /// Creates the row of a payout imported from another service.
    pub(super) fn imported(foreign: &ForeignPayout, now: Timestamp) -> Self {
        let payout = foreign.stored_at(now);
        let mut row = Self {
            folded_name: fold_name(&payout),
            payout,
            deleted_at: None,
            events: Vec::new(),
            claimants: HashMap::new(),
        };
        let (actor, detail) = (foreign.actor.clone(), foreign.detail.clone());
        row.record(EventKind::Imported, actor, None, Some(detail), now);
        row
    }

    /// Applies a change that a client or an operator requested. The caller has checked its guard.
    pub(super) fn change(&mut self, change: &Change, now: Timestamp) {
        self.payout = change.made_at(now);
        self.deleted_at = change.deleted.then_some(now);
        self.folded_name = fold_name(&self.payout);
        self.record_step(change.event, &change.caller, now);
    }

    /// Records a claim and stores the payout that it produced.
    pub(super) fn claim(&mut self, claim: &Claim, worker: &Actor, now: Timestamp) {
        self.payout = claim.payout().clone();
        self.claimants.insert(self.payout.fence(), worker.clone());
        self.record(EventKind::Claimed, worker.clone(), None, None, now);
    }

    /// Records a presumed claim and stores the payout that it produced.
    pub(super) fn presume_claimed(&mut self, payout: Payout, by: &Actor, now: Timestamp) {
        self.payout = payout;
        self.claimants.insert(self.payout.fence(), by.clone());
        let detail = "The store was restored from a backup: it may have been sent since.".to_owned();
        self.record(EventKind::Claimed, by.clone(), None, Some(detail), now);
    }

    /// Returns the payout if it is deleted.
    pub(super) fn deleted(&self) -> Option<DeletedPayout> {
        let deleted_at = self.deleted_at?;
        Some(DeletedPayout {
            payout: self.payout.clone(),
            deleted_at,
        })
    }

    /// Returns the payout as a list shows it.
    pub(super) fn listed(&self) -> Listed {
        self.deleted()
            .map_or_else(|| Listed::Payout(self.payout.clone()), Listed::Deleted)
    }

    /// Returns the payout's current state, as the answer to a late settlement.
    pub(super) fn stands(&self) -> Settled {
        Settled::Late {
            status: self.payout.status(),
            generation: self.payout.generation(),
            deleted: self.deleted_at.is_some(),
        }
    }

    /// Records a settlement and stores the payout that it produced.
    pub(super) fn settle(&mut self, payout: Payout, settlement: &Settlement, now: Timestamp) {
        self.payout = payout;
        let verdict = settlement.verdict.row();
        let detail = verdict.detail.map(str::to_owned);
        self.record(verdict.event, self.claimant(settlement.fence), None, detail, now);
    }

    /// Records a late outcome as evidence; the payout does not change.
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

    fn claimant(&self, fence: u64) -> Actor {
        self.claimants
            .get(&fence)
            .cloned()
            .unwrap_or_else(|| Actor::new("worker"))
    }

    pub(super) fn record_step(&mut self, kind: EventKind, caller: &Caller, now: Timestamp) {
        let Caller {
            actor,
            api_key: _,
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

fn fold_name(payout: &Payout) -> String {
    Search::fold_name(payout.details().recipient.name.as_str())
}
