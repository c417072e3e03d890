//! Entries of the audit trail: the kind and the words of each write, in one place for every repository.
//!
//! A repository that writes entries in SQL takes the kinds from [`EventKind`] and the words from here.

use crate::Timestamp;
use crate::attempt::Settlement;
use crate::payout::{
    Actor, Caller, Change, Event, EventKind, Evidence, Failure, ForeignPayout, NewPayout, Payout,
};

impl Event {
    /// The actor of a settlement whose claim is not in the audit trail.
    pub const UNKNOWN_CLAIMANT: &str = "worker";
    /// The detail of a presumed claim, which is recorded after a restore from a backup.
    pub const PRESUMED_CLAIM: &str = "The store was restored from a backup: it may have been sent since.";

    /// Builds the entry of a payout that a client created.
    pub fn created(new: &NewPayout, payout: &Payout, at: Timestamp) -> Self {
        Self::of_caller(EventKind::Created, payout, &new.caller, at)
    }

    /// Builds the entry of a payout that was imported from another service.
    pub fn imported(foreign: &ForeignPayout, payout: &Payout, at: Timestamp) -> Self {
        Self {
            detail: Some(foreign.detail.clone()),
            ..Self::of(EventKind::Imported, payout, foreign.actor.clone(), at)
        }
    }

    /// Builds the entry of a person's change. `payout` is the result of the change.
    pub fn changed(change: &Change, payout: &Payout, at: Timestamp) -> Self {
        Self::of_caller(change.event, payout, &change.caller, at)
    }

    /// Builds the entry of evidence. The payout did not change.
    pub fn evidence(evidence: Evidence, payout: &Payout, caller: &Caller, at: Timestamp) -> Self {
        Self::of_caller(evidence.kind(), payout, caller, at)
    }

    /// Builds the entry of a worker's claim. `payout` is the result of the claim.
    pub fn claimed(payout: &Payout, worker: &Actor, at: Timestamp) -> Self {
        Self::of(EventKind::Claimed, payout, worker.clone(), at)
    }

    /// Builds the entry of a presumed claim. `payout` is the result of the claim.
    pub fn presumed_claimed(payout: &Payout, by: &Actor, at: Timestamp) -> Self {
        Self {
            detail: Some(Self::PRESUMED_CLAIM.to_owned()),
            ..Self::of(EventKind::Claimed, payout, by.clone(), at)
        }
    }

    /// Builds the entry of a settlement. `payout` is the result of the settlement, and `claimant` is the worker that
    /// made the claim, where it is known.
    pub fn settled(
        settlement: &Settlement,
        payout: &Payout,
        claimant: Option<&Actor>,
        at: Timestamp,
    ) -> Self {
        let row = settlement.verdict.row();
        Self {
            detail: row.detail.map(str::to_owned),
            ..Self::of(row.event, payout, claimant_or_unknown(claimant), at)
        }
    }

    /// Builds the entry of a settlement that came late. It is evidence; the payout did not change.
    pub fn late(settlement: &Settlement, payout: &Payout, claimant: Option<&Actor>, at: Timestamp) -> Self {
        Self {
            generation: settlement.generation,
            fence: settlement.fence,
            detail: Some(settlement.late_detail()),
            ..Self::of(EventKind::LateOutcome, payout, claimant_or_unknown(claimant), at)
        }
    }

    /// Builds the entry of a payment that came back, found by a worker's recheck. `payout` is the result.
    pub fn returned(reason: &Failure, payout: &Payout, worker: &Actor, at: Timestamp) -> Self {
        Self {
            detail: Some(reason.code().to_owned()),
            ..Self::of(EventKind::Returned, payout, worker.clone(), at)
        }
    }

    fn of_caller(kind: EventKind, payout: &Payout, caller: &Caller, at: Timestamp) -> Self {
        Self {
            request_id: caller.request_id.clone(),
            detail: caller.reason.clone(),
            ..Self::of(kind, payout, caller.actor.clone(), at)
        }
    }

    fn of(kind: EventKind, payout: &Payout, actor: Actor, at: Timestamp) -> Self {
        Self {
            kind,
            status: payout.status(),
            generation: payout.generation(),
            fence: payout.fence(),
            actor,
            request_id: None,
            detail: None,
            at,
        }
    }
}

impl Settlement {
    /// Returns the detail for the audit trail if this settlement comes late: what it would have written.
    pub fn late_detail(&self) -> String {
        let row = self.verdict.row();
        match row.detail {
            Some(detail) => format!("{}: {detail}", row.event.as_str()),
            None => row.event.as_str().to_owned(),
        }
    }
}

fn claimant_or_unknown(claimant: Option<&Actor>) -> Actor {
    claimant.map_or_else(|| Actor::new(Event::UNKNOWN_CLAIMANT), Actor::clone)
}
