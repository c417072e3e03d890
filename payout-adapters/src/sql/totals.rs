//! The rows of a day's totals, and which payouts of a batch they leave room for.

use std::collections::HashSet;

use payout_core::keys::ApiKeyId;
use payout_core::limits::{DailyTotal, DailyTotals, Day, OverLimit, Purse};
use payout_core::money::Currency;
use payout_core::payout::NewPayout;
use payout_core::ports::{Insertion, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::row::{broken, stored_at};
use super::stored::StoredAmount;

/// A row of `daily_totals`.
#[derive(FromRow)]
pub(crate) struct TotalRow {
    api_key_id: Uuid,
    currency: String,
    pub(crate) day: Day,
    total: StoredAmount,
}

impl TotalRow {
    pub(crate) fn restore(self) -> Result<(Purse, DailyTotal), RepositoryError> {
        let purse = Purse {
            api_key: Some(self.api_key_id)
                .filter(|id| !id.is_nil())
                .map(ApiKeyId::from),
            currency: Currency::recorded(&self.currency).map_err(broken("currency"))?,
        };
        let total = DailyTotal {
            day: self.day,
            total: self.total.read()?,
        };
        Ok((purse, total))
    }
}

/// Whose purse it is, as its row says.
pub(crate) fn api_key_id(purse: Purse) -> Uuid {
    purse.api_key.map_or(Uuid::nil(), ApiKeyId::as_uuid)
}

/// The purses that a batch is paid out of, each once.
pub(crate) fn purses(batch: &[NewPayout]) -> Vec<Purse> {
    let purses: HashSet<Purse> = batch
        .iter()
        .filter_map(|new| new.charge.as_ref())
        .map(|charge| charge.purse())
        .collect();
    purses.into_iter().collect()
}

/// The idempotency keys of a batch.
pub(crate) fn keys(batch: &[NewPayout]) -> Vec<&str> {
    let requests = batch.iter().filter_map(|new| new.request.as_ref());
    requests.map(|request| request.key.as_str()).collect()
}

/// What is to become of a payout of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Store,
    KeyTaken,
    OverLimit(OverLimit),
}

impl Decision {
    /// The answer, once that has come of it.
    pub(crate) fn answer(self, new: &NewPayout, now: payout_core::Timestamp) -> Insertion {
        match self {
            Self::Store => Insertion::Stored(stored_at(new, now)),
            Self::KeyTaken => Insertion::KeyTaken,
            Self::OverLimit(over) => Insertion::OverLimit(over),
        }
    }
}

/// Goes through a batch in its order: what has its key to itself, and room for its charge, is to be stored, and takes both
/// from those after it. `taken` are the keys that have records; `totals` have been read, and locked, for this.
pub(crate) fn decide(
    batch: &[NewPayout],
    taken: HashSet<String>,
    totals: &mut DailyTotals,
    today: Day,
) -> Vec<Decision> {
    let mut taken = taken;
    let mut decide_one = |new: &NewPayout| {
        let key = new.request.as_ref().map(|request| request.key.as_str());
        if key.is_some_and(|key| taken.contains(key)) {
            return Decision::KeyTaken;
        }
        if let Some(Err(over)) = new.charge.as_ref().map(|charge| totals.take(charge, today)) {
            return Decision::OverLimit(over);
        }
        taken.extend(key.map(str::to_owned));
        Decision::Store
    };
    batch.iter().map(&mut decide_one).collect()
}
