//! The rows of a day's totals, and the decision which payouts of a batch fit.

use std::collections::{BTreeSet, HashMap, HashSet};

use payout_core::access::ApiKeyId;
use payout_core::money::Currency;
use payout_core::payout::{ExternalId, NewPayout, Payout, PayoutId};
use payout_core::ports::{Insertion, RepositoryError};
use payout_core::spending::{DailyTotal, DailyTotals, Day, OverLimit, SpendingBucket};
use sqlx::FromRow;
use uuid::Uuid;

use super::row::broken;
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
    pub(crate) fn restore(self) -> Result<(SpendingBucket, DailyTotal), RepositoryError> {
        let bucket = SpendingBucket {
            api_key: Some(self.api_key_id)
                .filter(|id| !id.is_nil())
                .map(ApiKeyId::from),
            currency: Currency::recorded(&self.currency).map_err(broken("currency"))?,
        };
        let total = DailyTotal {
            day: self.day,
            total: self.total.read()?,
        };
        Ok((bucket, total))
    }
}

/// Returns the API key id in the row of a spending bucket.
pub(crate) fn api_key_id(bucket: SpendingBucket) -> Uuid {
    bucket.api_key.map_or(Uuid::nil(), ApiKeyId::as_uuid)
}

/// Returns the spending buckets that a batch is charged to, each once.
pub(crate) fn buckets(batch: &[NewPayout]) -> Vec<SpendingBucket> {
    let buckets: HashSet<SpendingBucket> = batch
        .iter()
        .filter_map(|new| new.charge.as_ref())
        .map(|charge| charge.bucket())
        .collect();
    buckets.into_iter().collect()
}

/// Returns the idempotency keys of a batch. A key in the scope of an API key is included in both forms, with the API
/// key and without.
pub(crate) fn keys(batch: &[NewPayout]) -> Vec<&str> {
    let requests = batch.iter().filter_map(|new| new.request.as_ref());
    requests
        .flat_map(|request| [Some(request.key.as_str()), request.key.unscoped()])
        .flatten()
        .collect()
}

/// Returns the client's own reference of a payout.
pub(crate) fn external_id_of(new: &NewPayout) -> Option<&str> {
    new.details.external_id.as_ref().map(ExternalId::as_str)
}

/// Returns the external ids of a batch, each once. Most batches have none.
pub(crate) fn external_ids(batch: &[NewPayout]) -> Vec<&str> {
    let ids: BTreeSet<&str> = batch.iter().filter_map(external_id_of).collect();
    ids.into_iter().collect()
}

/// The result of storing a payout: the time when it was stored, and whether its provider keys begin with its id
/// although it has a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stored {
    pub(crate) at: payout_core::Timestamp,
    pub(crate) under_its_id: bool,
}

impl Stored {
    /// Returns the payout as it is stored.
    pub(crate) fn payout(self, new: &NewPayout) -> Payout {
        let payout = new.stored_at(self.at);
        if self.under_its_id {
            payout.under_its_id()
        } else {
            payout
        }
    }
}

/// Returns the payouts whose key an earlier payout of the batch has without an API key. Requests of one process never
/// cause this: only one of two such requests runs at a time.
pub(crate) fn beaten(batch: &[NewPayout]) -> HashSet<Uuid> {
    let (mut open, mut beaten) = (HashSet::new(), HashSet::new());
    for new in batch {
        match new
            .request
            .as_ref()
            .map(|request| (request.key.unscoped(), &request.key))
        {
            Some((None, key)) => drop(open.insert(key.as_str())),
            Some((Some(key), _)) if open.contains(key) => drop(beaten.insert(new.id.as_uuid())),
            Some((Some(_), _)) | None => (),
        }
    }
    beaten
}

/// The decision about a payout of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Store,
    KeyTaken,
    ExternalIdTaken(PayoutId),
    OverLimit(OverLimit),
}

/// The keys and the external ids that no payout of a batch may have.
#[derive(Default)]
pub(crate) struct Taken {
    /// The idempotency keys with records and, after a space, the keys that may not be used.
    pub(crate) keys: HashSet<String>,
    /// The external ids of payouts that are not deleted.
    pub(crate) external_ids: HashMap<String, PayoutId>,
}

impl Decision {
    /// Returns the answer, once the decision has been carried out.
    pub(crate) fn answer(self, new: &NewPayout, stored: Option<Stored>) -> Insertion {
        match self {
            Self::Store => Insertion::Stored(stored.unwrap_or_default().payout(new)),
            Self::KeyTaken => Insertion::KeyTaken,
            Self::ExternalIdTaken(holder) => Insertion::ExternalIdTaken(holder),
            Self::OverLimit(over) => Insertion::OverLimit(over),
        }
    }
}

/// Decides about each payout of a batch, in the batch's order. A payout is stored if its key and its external id are
/// free and its charge fits; it then takes all three from the payouts after it.
///
/// The caller has read and locked `totals` for this decision.
pub(crate) fn decide(
    batch: &[NewPayout],
    taken: Taken,
    totals: &mut DailyTotals,
    today: Day,
) -> Vec<Decision> {
    let Taken {
        keys: mut taken,
        mut external_ids,
    } = taken;
    let beaten = beaten(batch);
    let mut decide_one = |new: &NewPayout| {
        let key = new.request.as_ref().map(|request| request.key.as_str());
        let open = new.request.as_ref().and_then(|request| request.key.unscoped());
        let is_taken = |key: &str| taken.contains(key);
        // The request has no API key, although one exists by now.
        let is_barred = |key: &str| open.is_none() && taken.contains(&format!(" {key}"));
        if beaten.contains(&new.id.as_uuid())
            || [key, open].into_iter().flatten().any(is_taken)
            || key.is_some_and(is_barred)
        {
            return Decision::KeyTaken;
        }
        let external_id = external_id_of(new);
        if let Some(holder) = external_id.and_then(|id| external_ids.get(id)) {
            return Decision::ExternalIdTaken(*holder);
        }
        if let Some(Err(over)) = new.charge.as_ref().map(|charge| totals.take(charge, today)) {
            return Decision::OverLimit(over);
        }
        taken.extend(key.map(str::to_owned));
        external_ids.extend(external_id.map(|id| (id.to_owned(), new.id)));
        Decision::Store
    };
    batch.iter().map(&mut decide_one).collect()
}
