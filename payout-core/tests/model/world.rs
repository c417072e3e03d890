//! The state that the checker explores, and the provider's ledger in it.

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::access::KeyOwner;
use payout_core::attempt::{Claim, Recheck, Verdict};
use payout_core::contract::build;
use payout_core::payout::{Caller, Failure, Payout};
use payout_core::provider::{PaymentReturn, ProcessorError, ProviderAnswer, ProviderName, WaitReason};

/// The length of a tick: a call's timeout.
pub(crate) const TICK: Duration = Duration::from_secs(1);
pub(crate) const WORKERS: usize = 2;
pub(crate) const PROVIDERS: [&str; 2] = ["a", "b"];

/// A provider's final outcome for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    Paid,
    Declined,
    /// Refused for now, and the refusal is kept under the key.
    Spent,
    /// Paid, and the money came back.
    Returned,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The worker is about to check the clock and then to look the key up.
    BeforeLookUp,
    LookingUp,
    /// The worker is about to check the clock and then to send.
    BeforeSend,
    Sending,
    /// The worker has sent the request and waits for the answer.
    Waiting,
    Settling(Verdict),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Holding {
    pub(crate) claim: Claim,
    pub(crate) asked_at: u8,
    pub(crate) stage: Stage,
    pub(crate) looked_at_clock: u8,
}

/// A place in the ledgers: the provider and the key.
pub(crate) type Place = (usize, usize);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tick: u8,
    pub(crate) payout: Payout,
    pub(crate) workers: [Option<Holding>; WORKERS],
    /// Requests in flight; each may arrive at any time.
    pub(crate) under_way: Vec<Place>,
    /// The providers' ledgers, by key.
    pub(crate) book: [[Option<Entry>; 6]; 2],
    /// The finding of a recheck that is not written yet, with the generation that was checked.
    pub(crate) recheck: Option<Finding>,
    /// The events that may still happen.
    pub(crate) left: Bounds,
    /// A request of this generation may have been sent, and its outcome is unknown.
    pub(crate) doubt: bool,
    /// The latest generation that a worker has claimed.
    pub(crate) claimed_generation: u32,
    /// A request of an old generation reached the provider after a new generation was claimed.
    pub(crate) stale_request: bool,
    /// A final state changed without a person's retry.
    pub(crate) reopened: bool,
    /// The provider has forgotten its keys: it finds none, and would pay each again.
    pub(crate) forgotten: bool,
    /// The provider paid a key that it had forgotten once more.
    pub(crate) paid_again: bool,
    /// The payments that another person has approved, with the rounds of approvals: what the people know, not the row.
    pub(crate) agreed: Vec<(u32, String)>,
    /// A payment was sent that nobody else has approved as it was sent.
    pub(crate) sent_unapproved: bool,
}

/// The numbers of events that may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bounds {
    pub(crate) crashes: u8,
    pub(crate) retries: u8,
    /// Keys that a refusal for now spends.
    pub(crate) spends: u8,
    pub(crate) returns: u8,
    pub(crate) rechecks: u8,
    pub(crate) forgets: u8,
    pub(crate) edits: u8,
    /// Changes of the row past the service.
    pub(crate) alterations: u8,
}

/// The finding of a recheck. The payment came back, or it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Finding {
    pub(crate) generation: u32,
    pub(crate) came_back: bool,
}

impl World {
    /// Counts the payments that were not returned.
    pub(crate) fn payments(&self) -> usize {
        let entries = self.book.iter().flatten();
        entries.filter(|entry| **entry == Some(Entry::Paid)).count() + usize::from(self.paid_again)
    }

    /// Returns the ledger's entry for the payout's provider and generation.
    pub(crate) fn entry(&mut self) -> &mut Option<Entry> {
        let (provider, key) = (place_of(&self.payout), self.payout.generation() as usize);
        &mut self.book[provider][key]
    }
}

pub(crate) fn at(tick: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + TICK * u32::from(tick)
}

pub(crate) fn provider(place: usize) -> ProviderName {
    ProviderName::new(PROVIDERS[place]).unwrap()
}

/// Returns the place of the payout's provider in the ledgers.
pub(crate) fn place_of(payout: &Payout) -> usize {
    usize::from(
        payout
            .parts()
            .provider
            .as_ref()
            .is_some_and(|name| name.as_str() == PROVIDERS[1]),
    )
}

/// Returns the person who creates the payout and edits it.
pub(crate) fn creator() -> Caller {
    owned("creator")
}

pub(crate) fn owned(name: &str) -> Caller {
    Caller::named(name).with_owner(Some(KeyOwner::new(name).unwrap()))
}

/// Returns what an approval is about: the round, and the payment.
pub(crate) fn payment_of(payout: &Payout) -> (u32, String) {
    let round = payout
        .parts()
        .approval
        .as_ref()
        .map_or(0, |approval| approval.round);
    (round, payout.details().digest())
}

pub(crate) fn answer(entry: Entry) -> ProviderAnswer {
    let reference = build::reference("ref");
    match entry {
        Entry::Paid => ProviderAnswer::Paid { reference },
        Entry::Declined => ProviderAnswer::Declined(Failure::new("declined", "No.")),
        Entry::Spent => ProviderAnswer::Waiting {
            reason: WaitReason::Funds,
            why: String::new(),
            key_is_spent: true,
        },
        Entry::Returned => ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference),
            reason: Failure::new("account_closed", "It is closed."),
            at: None,
            amount: None,
        }),
    }
}

pub(crate) fn silence() -> ProcessorError {
    ProcessorError::unknown("")
}

pub(crate) fn overloaded() -> ProcessorError {
    ProcessorError::Overloaded {
        why: String::new(),
        retry_after: Duration::ZERO,
    }
}

/// Returns the row without the fields that only grow or only inform, so that worlds that differ in nothing else are
/// equal.
pub(crate) fn without_history(payout: &Payout) -> Payout {
    let mut parts = payout.parts().clone();
    parts.version = 1;
    parts.updated_at = at(0);
    parts.waiting_for = None;
    parts.waiting_since = None;
    parts.completed_at = None;
    parts.recheck_at = None;
    parts.returned_at = parts.returned_at.map(|_| at(0));
    for given in parts.approval.iter_mut().flat_map(|approval| &mut approval.given) {
        given.at = at(0);
    }
    Payout::restore(parts).unwrap()
}

impl Finding {
    pub(crate) fn of(recheck: &Recheck) -> Self {
        Self {
            generation: recheck.generation,
            came_back: matches!(recheck.finding, payout_core::attempt::RecheckFinding::Returned(_)),
        }
    }
}
