//! The payments in the ledgers of all providers, by payout and generation, as the judge counts them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use payout_stand_ins::ledger;

use crate::clock::Time;
use crate::ledger::{Deed, Entry, Instruction};
use crate::vendors::Books;

/// The standing of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The provider may still pay it.
    Open,
    Paid,
    /// It was paid and came back.
    Returned,
}

/// A payment, as the ledger has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paid<'a> {
    /// By the provider of the HTTP contract.
    Instruction(Option<&'a Instruction>),
    /// By a real provider.
    Vendor(&'a ledger::Payment),
}

/// A payment that was made, or that may still be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment<'a> {
    /// The provider; absent for the one of the HTTP contract.
    pub(crate) provider: Option<&'a str>,
    pub(crate) reference: &'a str,
    pub(crate) standing: Standing,
    pub(crate) paid: Paid<'a>,
    from: Time,
    until: Option<Time>,
}

impl Payment<'_> {
    /// Returns whether both payments stood at the same time.
    fn meets(&self, other: &Self) -> bool {
        let begins_before_end = |one: &Self, other: &Self| other.until.is_none_or(|end| one.from < end);
        begins_before_end(self, other) && begins_before_end(other, self)
    }

    /// Returns whether the recipient has the money, or may still get it.
    pub(crate) fn stands(&self) -> bool {
        self.standing != Standing::Returned
    }
}

/// Payouts by the prefix of their keys at the provider.
pub(crate) type Payouts<'a> = HashMap<&'a str, &'a str>;

/// Returns the payout and the generation of a provider key.
pub(crate) fn payout_of<'a>(key: &'a str, payouts: &Payouts<'a>) -> (&'a str, &'a str) {
    let (base, generation) = key.rsplit_once(':').unwrap_or((key, ""));
    (payouts.get(base).copied().unwrap_or(base), generation)
}

/// Payments by payout and generation.
#[derive(Debug, Default)]
pub(crate) struct Payments<'a>(BTreeMap<&'a str, BTreeMap<&'a str, Vec<Payment<'a>>>>);

impl<'a> Payments<'a> {
    pub(crate) fn new(contract: &'a [Entry], vendors: &'a [Books], payouts: &Payouts<'a>) -> Self {
        let mut payments = Self::default();
        for entry in contract {
            if let Deed::Paid { reference } = &entry.deed {
                let payment = Payment {
                    provider: None,
                    reference,
                    standing: Standing::Paid,
                    paid: Paid::Instruction(entry.instruction.as_ref()),
                    from: entry.at,
                    until: None,
                };
                payments.add(&entry.key, payment, payouts);
            }
        }
        for books in vendors {
            for payment in &books.payments {
                if let Some(found) = of_vendor(books.provider, payment) {
                    payments.add(&payment.key, found, payouts);
                }
            }
        }
        payments
    }

    fn add(&mut self, key: &'a str, payment: Payment<'a>, payouts: &Payouts<'a>) {
        let (payout, generation) = payout_of(key, payouts);
        let generations = self.0.entry(payout).or_default();
        generations.entry(generation).or_default().push(payment);
    }

    /// Returns each payout with its payments by generation.
    pub(crate) fn payouts(
        &self,
    ) -> impl Iterator<Item = (&'a str, &BTreeMap<&'a str, Vec<Payment<'a>>>)> + '_ {
        self.0.iter().map(|(payout, generations)| (*payout, generations))
    }

    /// Returns the payments of one generation.
    pub(crate) fn of(&self, payout: &str, generation: &str) -> &[Payment<'a>] {
        let generations = self.0.get(payout);
        generations
            .and_then(|generations| generations.get(generation))
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the generations of a payout with a payment that stands.
    pub(crate) fn standing(&self, payout: &str) -> BTreeSet<&'a str> {
        let generations = self.0.get(payout).into_iter().flatten();
        generations
            .filter(|(_, payments)| payments.iter().any(Payment::stands))
            .map(|(generation, _)| *generation)
            .collect()
    }
}

fn of_vendor<'a>(provider: &'a str, payment: &'a ledger::Payment) -> Option<Payment<'a>> {
    let (standing, until) = match payment.standing {
        ledger::Standing::Accepted => (Standing::Open, None),
        ledger::Standing::Paid => (Standing::Paid, None),
        ledger::Standing::Returned => (Standing::Returned, Some(payment.changed_at)),
        ledger::Standing::Declined | ledger::Standing::Refused => return None,
    };
    Some(Payment {
        provider: Some(provider),
        reference: &payment.id,
        standing,
        paid: Paid::Vendor(payment),
        from: payment.paid_at.unwrap_or(payment.created_at),
        until,
    })
}

/// Returns two generations that were both paid at the same time, if there are any.
pub(crate) fn paid_together<'a>(
    generations: &BTreeMap<&'a str, Vec<Payment<'a>>>,
) -> Option<(&'a str, &'a str)> {
    let all: Vec<(&str, &Payment<'_>)> = generations
        .iter()
        .flat_map(|(generation, payments)| payments.iter().map(|payment| (*generation, payment)))
        .collect();
    for (place, (generation, payment)) in all.iter().enumerate() {
        let later = all.iter().skip(place + 1);
        let mut together = later.filter(|(other, met)| other != generation && payment.meets(met));
        if let Some((other, _)) = together.next() {
            return Some((generation, other));
        }
    }
    None
}
