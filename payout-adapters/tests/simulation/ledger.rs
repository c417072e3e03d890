//! The ledger of all providers: each payment that one of them was ordered to make, and how it ended. It is the only
//! evidence of a payment, and it judges each entry when it is made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use payout_core::payout::{PayoutId, ProviderReference};
use payout_core::provider::{Instruction, ProviderName};

/// The state of a payment at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Accepted, and settled at a later time.
    Accepted,
    Paid,
    /// Paid, and the money came back.
    Returned,
    Declined,
    /// Refused for lack of funds, for good under this key.
    Spent,
}

impl Entry {
    /// Returns whether the recipient has the money, or may still receive it.
    pub(crate) fn stands(self) -> bool {
        match self {
            Self::Accepted | Self::Paid => true,
            Self::Returned | Self::Declined | Self::Spent => false,
        }
    }
}

/// One payment. A provider without idempotency may have several under one key.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) provider: ProviderName,
    pub(crate) key: String,
    pub(crate) payout: PayoutId,
    pub(crate) entry: Entry,
    pub(crate) received_at: Duration,
}

#[derive(Default)]
pub(crate) struct Ledger {
    payments: Vec<Payment>,
    instructions: BTreeMap<String, Instruction>,
    /// Keys that an operator has closed: no provider makes a new payment under one.
    closed: BTreeSet<String>,
    pub(crate) duplicates_prevented: u64,
    pub(crate) calls: u64,
    /// The number of calls that the current response mode refused.
    pub(crate) put_off: u64,
    pub(crate) violations: Vec<String>,
}

impl Ledger {
    /// Notes an instruction that a provider acts upon. A key has one instruction, and goes to one provider.
    pub(crate) fn receive(&mut self, provider: &ProviderName, instruction: &Instruction) {
        let key = instruction.key.to_string();
        let sent_before = self
            .instructions
            .entry(key.clone())
            .or_insert_with(|| instruction.clone());
        if *sent_before != *instruction {
            self.violations
                .push(format!("{key} was sent with two different instructions"));
        }
        let elsewhere = |payment: &&Payment| payment.key == key && payment.provider != *provider;
        if let Some(other) = self.payments.iter().find(elsewhere) {
            let words = format!(
                "{key} went to {provider}, and {} had acted upon it",
                other.provider
            );
            self.violations.push(words);
        }
    }

    /// Enters a payment; returns its number.
    pub(crate) fn enter(&mut self, payment: Payment) -> usize {
        let payout = payment.payout;
        self.payments.push(payment);
        self.check(payout);
        self.payments.len() - 1
    }

    /// Changes the state of a payment.
    pub(crate) fn change(&mut self, number: usize, entry: Entry) {
        self.payments[number].entry = entry;
        self.check(self.payments[number].payout);
    }

    /// Checks that at most one payment of a payout stands: of all generations, over all providers.
    fn check(&mut self, payout: PayoutId) {
        let standing: Vec<_> = self.of(payout).filter(|payment| payment.entry.stands()).collect();
        if standing.len() > 1 {
            let words = format!("{payout}: several payments stand at once: {standing:?}");
            self.violations.push(words);
        }
    }

    pub(crate) fn get(&self, number: usize) -> &Payment {
        &self.payments[number]
    }

    pub(crate) fn len(&self) -> usize {
        self.payments.len()
    }

    /// Returns the payments of a payout, oldest first.
    pub(crate) fn of(&self, payout: PayoutId) -> impl Iterator<Item = &Payment> {
        self.payments
            .iter()
            .filter(move |payment| payment.payout == payout)
    }

    /// Returns the number of the latest payment of a provider under a key.
    pub(crate) fn latest(&self, provider: &ProviderName, key: &str) -> Option<usize> {
        self.payments
            .iter()
            .rposition(|payment| payment.provider == *provider && payment.key == key)
    }

    /// Returns the number of the payment with this reference.
    pub(crate) fn find(&self, wanted: &ProviderReference) -> Option<usize> {
        (0..self.payments.len()).find(|number| reference(*number) == *wanted)
    }

    pub(crate) fn count(&self, wanted: Entry) -> u64 {
        let of_entry = self.payments.iter().filter(|payment| payment.entry == wanted);
        of_entry.count() as u64
    }

    pub(crate) fn is_closed(&self, key: &str) -> bool {
        self.closed.contains(key)
    }

    /// Answers an operator's question about a key, and closes the key: an accepted or unknown key is declined, so that
    /// nobody can use it later.
    pub(crate) fn close(
        &mut self,
        provider: &ProviderName,
        key: &str,
        payout: PayoutId,
        now: Duration,
    ) -> Entry {
        self.closed.insert(key.to_owned());
        let number = self.latest(provider, key).unwrap_or_else(|| {
            self.enter(Payment {
                provider: provider.clone(),
                key: key.to_owned(),
                payout,
                entry: Entry::Declined,
                received_at: now,
            })
        });
        if self.payments[number].entry == Entry::Accepted {
            self.change(number, Entry::Declined);
        }
        self.payments[number].entry
    }
}

/// Returns the reference of the payment with this number.
pub(crate) fn reference(number: usize) -> ProviderReference {
    ProviderReference::new(&format!("payment-{number}")).unwrap()
}
