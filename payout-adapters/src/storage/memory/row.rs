//! A stored payout with its audit trail, and the writes of clients, operators and workers to it.

use std::collections::HashMap;

use payout_core::Timestamp;
use payout_core::attempt::{Claim, Settlement};
use payout_core::payout::{Actor, Caller, Change, Event, Evidence, ForeignPayout, NewPayout, Payout};
use payout_core::ports::{DeletedPayout, Listed, Search, Settled};

/// A payout, its audit trail, and the data that reads need beside them.
pub(super) struct Row {
    pub(super) payout: Payout,
    pub(super) deleted_at: Option<Timestamp>,
    /// The recipient's name as [`Search`] folds it.
    pub(super) folded_name: String,
    pub(super) events: Vec<Event>,
    /// The number of events that are in the feed's log.
    pub(super) published: usize,
    /// The actor of each claim, by the claim's fence. A settlement is recorded under the actor of its claim.
    claimants: HashMap<u64, Actor>,
}

impl Row {
    /// Creates the row of a new payout.
    pub(super) fn stored(new: &NewPayout, payout: Payout, now: Timestamp) -> Self {
        let event = Event::created(new, &payout, now);
        Self::first(payout, event)
    }

    /// Creates the row of a payout imported from another service.
    pub(super) fn imported(foreign: &ForeignPayout, now: Timestamp) -> Self {
        let payout = foreign.stored_at(now);
        let event = Event::imported(foreign, &payout, now);
        Self::first(payout, event)
    }

    fn first(payout: Payout, event: Event) -> Self {
        Self {
            folded_name: fold_name(&payout),
            payout,
            deleted_at: None,
            events: vec![event],
            published: 0,
            claimants: HashMap::new(),
        }
    }

    /// Applies a change that a client or an operator requested. The caller has checked its guard.
    pub(super) fn change(&mut self, change: &Change, now: Timestamp) {
        self.payout = change.made_at(now);
        self.deleted_at = change.deleted.then_some(now);
        self.folded_name = fold_name(&self.payout);
        self.events.push(Event::changed(change, &self.payout, now));
    }

    /// Records a claim and stores the payout that it produced.
    pub(super) fn claim(&mut self, claim: &Claim, worker: &Actor, now: Timestamp) {
        self.payout = claim.payout().clone();
        self.claimants.insert(self.payout.fence(), worker.clone());
        self.events.push(Event::claimed(&self.payout, worker, now));
    }

    /// Records a presumed claim and stores the payout that it produced.
    pub(super) fn presume_claimed(&mut self, payout: Payout, by: &Actor, now: Timestamp) {
        self.payout = payout;
        self.claimants.insert(self.payout.fence(), by.clone());
        self.events.push(Event::presumed_claimed(&self.payout, by, now));
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
        let claimant = self.claimants.get(&settlement.fence);
        self.events
            .push(Event::settled(settlement, &self.payout, claimant, now));
    }

    /// Records a late outcome as evidence; the payout does not change.
    pub(super) fn record_late(&mut self, settlement: &Settlement, now: Timestamp) {
        let claimant = self.claimants.get(&settlement.fence);
        self.events
            .push(Event::late(settlement, &self.payout, claimant, now));
    }

    /// Records evidence; the payout does not change.
    pub(super) fn record_evidence(&mut self, evidence: Evidence, caller: &Caller, now: Timestamp) {
        self.events
            .push(Event::evidence(evidence, &self.payout, caller, now));
    }
}

fn fold_name(payout: &Payout) -> String {
    Search::fold_name(payout.details().recipient.name().as_str())
}
