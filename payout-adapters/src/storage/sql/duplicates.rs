//! The look-up of likely duplicates, as far as both dialects share it.

#[cfg(feature = "postgres")]
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::Duration;

use payout_core::payout::{Change, LikelyPayment, NewPayout, PaymentDetails, PayoutId};
use payout_core::ports::Search;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::recipient::Wanted;
use crate::encryption::EncryptionKeys;

/// The number of locks that accounts share. It bounds the locks of one transaction.
#[cfg(feature = "postgres")]
const STRIPES: u64 = 256;
/// The first of the locks; the number has no meaning, except that no other lock of the service has it.
#[cfg(feature = "postgres")]
const FIRST_STRIPE: i64 = 0x7061_796f_7574_0100;

/// A payout that may duplicate another: a new one, or one that a change is to write.
pub(crate) struct Looking<'a> {
    /// Its place among those that are looked at.
    pub(crate) place: usize,
    /// Its id, under which a stored payout is no duplicate of itself.
    pub(crate) id: PayoutId,
    /// The forms in which its account may be stored.
    pub(crate) accounts: Vec<String>,
    pub(crate) amount: Decimal,
    pub(crate) currency: &'a str,
    /// The age up to which another payout counts.
    pub(crate) within: Duration,
    #[cfg(feature = "postgres")]
    details: &'a PaymentDetails,
}

impl<'a> Looking<'a> {
    /// Returns the payouts of a batch that are to be looked at: an empty list where likely duplicates are not looked for.
    pub(crate) fn of(batch: &'a [NewPayout], keys: &EncryptionKeys) -> Vec<Self> {
        let looking = batch.iter().enumerate().filter_map(|(place, new)| {
            let within = new.duplicates_within()?;
            Some(Self::at(place, new.id, &new.details, within, keys))
        });
        looking.collect()
    }

    /// Returns the payouts of these changes that are to be looked at.
    pub(crate) fn of_changes(changes: &'a [Change], keys: &EncryptionKeys) -> Vec<Self> {
        let looking = changes.iter().enumerate().filter_map(|(place, change)| {
            let (after, within) = (&change.after, change.duplicates_within?);
            Some(Self::at(place, after.id(), after.details(), within, keys))
        });
        looking.collect()
    }

    fn at(
        place: usize,
        id: PayoutId,
        details: &'a PaymentDetails,
        within: Duration,
        keys: &EncryptionKeys,
    ) -> Self {
        let account = details.recipient.account().as_str();
        let mut accounts = match Search::new(account) {
            Some(search) => Wanted::of(&search, keys).accounts,
            None => Vec::new(),
        };
        if !accounts.iter().any(|form| form == account) {
            accounts.push(account.to_owned());
        }
        Self {
            place,
            id,
            accounts,
            amount: details.money.amount(),
            currency: details.money.currency().code(),
            within,
            #[cfg(feature = "postgres")]
            details,
        }
    }

    /// Returns the lock of the account, which is the same in every spelling and for every encryption key.
    #[cfg(feature = "postgres")]
    fn stripe(&self) -> i64 {
        let payment = self.details.likely_payment();
        // FNV-1a: the same in every version of the program.
        let hash = payment
            .account()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let stripe = hash % STRIPES;
        FIRST_STRIPE.saturating_add(i64::try_from(stripe).unwrap_or_default())
    }
}

/// Returns the locks of these payouts, each once, in their order.
#[cfg(feature = "postgres")]
pub(crate) fn stripes(looking: &[Looking<'_>]) -> Vec<i64> {
    let stripes: BTreeSet<i64> = looking.iter().map(Looking::stripe).collect();
    stripes.into_iter().collect()
}

/// Returns the stored payouts that were found, by the places in the batch: of several, the last.
pub(crate) fn by_place<N: TryInto<usize>>(found: Vec<(N, Uuid)>) -> HashMap<usize, PayoutId> {
    let found = found.into_iter();
    let placed = found.filter_map(|(place, id)| Some((place.try_into().ok()?, PayoutId::from(id))));
    placed.collect()
}

/// Returns the stored payouts that were found, by the ids of the new ones.
pub(crate) fn by_id(batch: &[NewPayout], found: HashMap<usize, PayoutId>) -> HashMap<PayoutId, PayoutId> {
    let found = found.into_iter();
    let named = found.filter_map(|(place, other)| Some((batch.get(place)?.id, other)));
    named.collect()
}

/// Returns the batch with its likely duplicates held: of stored payouts, by their places in the batch, and of earlier
/// payouts of the batch itself.
pub(crate) fn held(batch: &[NewPayout], stored: HashMap<usize, PayoutId>) -> Vec<NewPayout> {
    let mut seen: HashMap<LikelyPayment, PayoutId> = HashMap::new();
    let mut held = Vec::with_capacity(batch.len());
    for (place, new) in batch.iter().enumerate() {
        let earlier = seen.insert(new.details.likely_payment(), new.id);
        let other = earlier.or_else(|| stored.get(&place).copied());
        held.push(match other.filter(|_| new.duplicates_within().is_some()) {
            Some(other) => new.clone().held_as_duplicate_of(other),
            None => new.clone(),
        });
    }
    held
}

/// Returns a change as it is written: held, if a likely duplicate was found.
pub(crate) fn held_change(change: &Change, found: HashMap<usize, PayoutId>) -> Change {
    match found.into_values().next() {
        Some(other) => change.clone().held_as_duplicate_of(other),
        None => change.clone(),
    }
}
