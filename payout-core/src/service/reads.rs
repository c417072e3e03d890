//! Reads of single payouts, gathered: one round trip answers many.

use std::collections::HashMap;
use std::sync::Arc;

use crate::payout::{Payout, PayoutId};
use crate::ports::{Batch, Observer, PayoutRepository, RepositoryError, Signal};
use crate::service::gather::{Gather, for_each};

/// Fewer readers, larger batches: with four, 64 clients were answered in batches of four.
const READERS: usize = 2;
const BATCH: usize = 64;
const CAPACITY: usize = 8_192;

/// Finds a payout together with whoever else is looking for one.
pub(super) type Reads = Gather<PayoutId, Option<Payout>>;

pub(super) fn start(repository: Arc<dyn PayoutRepository>, observer: Arc<dyn Observer>) -> Reads {
    let work = move |ids: Vec<PayoutId>| {
        observer.observe(&Signal::Gathered {
            batch: Batch::Read,
            size: ids.len(),
        });
        let repository = repository.clone();
        Box::pin(async move {
            if let [id] = ids[..] {
                return vec![repository.find(id).await];
            }
            match repository.find_many(&ids).await {
                Ok(found) => {
                    let found: HashMap<PayoutId, Payout> =
                        found.into_iter().map(|payout| (payout.id(), payout)).collect();
                    ids.iter().map(|id| Ok(found.get(id).cloned())).collect()
                }
                // One row that cannot be read hides no other.
                Err(RepositoryError::Refused(_)) => {
                    let mut results = Vec::with_capacity(ids.len());
                    for id in ids {
                        results.push(repository.find(id).await);
                    }
                    results
                }
                Err(error) => for_each(ids.len(), error),
            }
        }) as _
    };
    Gather::start(READERS, BATCH, CAPACITY, Arc::new(work))
}
