//! Batches reads of single payouts: one round trip answers many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::concurrency::batcher::{Batcher, Request, for_each};
use crate::payout::{Payout, PayoutId};
use crate::ports::{Batch, Observer, PayoutRepository, RepositoryError, Signal};

/// The largest number of batches at the same time, when the store stalls.
const READERS: usize = 4;
const BATCH: usize = 64;
const CAPACITY: usize = 8_192;

/// Finds payouts in batches.
pub(super) type Reads = Batcher<PayoutId, Option<Payout>>;

pub(super) fn start(repository: Arc<dyn PayoutRepository>, observer: Arc<dyn Observer>) -> Reads {
    let work = move |requests: Vec<Request<PayoutId, Option<Payout>>>| {
        let each = requests
            .into_iter()
            .map(|request| (request.question, request.reply));
        let (ids, replies): (Vec<PayoutId>, Vec<_>) = each.unzip();
        observer.observe(&Signal::Gathered {
            batch: Batch::Read,
            size: ids.len(),
        });
        let repository = repository.clone();
        Box::pin(async move {
            for (reply, answer) in replies.into_iter().zip(read(&*repository, ids).await) {
                let _ = reply.send(answer);
            }
        }) as _
    };
    Batcher::start(BATCH, READERS, CAPACITY, Arc::new(work))
}

async fn read(
    repository: &dyn PayoutRepository,
    ids: Vec<PayoutId>,
) -> Vec<Result<Option<Payout>, RepositoryError>> {
    if let [id] = ids[..] {
        return vec![repository.find(id).await];
    }
    match repository.find_many(&ids).await {
        Ok(found) => {
            let found = found.into_iter().map(|payout| (payout.id(), payout)).collect();
            handed_out(&ids, found).into_iter().map(Ok).collect()
        }
        // A row that cannot be read must not hide the others.
        Err(RepositoryError::Refused(_)) => {
            let mut results = Vec::with_capacity(ids.len());
            for id in ids {
                results.push(repository.find(id).await);
            }
            results
        }
        Err(error) => for_each(ids.len(), error),
    }
}

/// Returns each id's payout, in the order of the ids. Clones a payout only if its id occurs twice.
fn handed_out(ids: &[PayoutId], mut found: HashMap<PayoutId, Payout>) -> Vec<Option<Payout>> {
    let mut first: HashMap<PayoutId, usize> = HashMap::with_capacity(ids.len());
    let mut payouts: Vec<Option<Payout>> = Vec::with_capacity(ids.len());
    for (place, id) in ids.iter().enumerate() {
        let payout = match first.entry(*id) {
            Entry::Occupied(earlier) => payouts[*earlier.get()].clone(),
            Entry::Vacant(nobody) => {
                nobody.insert(place);
                found.remove(id)
            }
        };
        payouts.push(payout);
    }
    payouts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;
    use crate::payout::{Caller, NewPayout, PaymentDetails, Recipient, RecipientAccount, RecipientName};
    use crate::ports::System;
    use crate::{Timestamp, ports::Clock};

    fn payout(id: PayoutId) -> Payout {
        let details = PaymentDetails::new(
            Money::new("1".parse().unwrap(), "USD".parse().unwrap()).unwrap(),
            Recipient::new(
                RecipientAccount::new("ACC-1").unwrap(),
                RecipientName::new("Ada Lovelace").unwrap(),
            ),
        );
        NewPayout {
            id,
            details,
            batch: None,
            caller: Caller::named("test"),
            request: None,
            charge: None,
            provider: None,
            approval: None,
        }
        .stored_at(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn everybody_gets_their_own_payout_and_who_asks_for_the_same_one_a_copy() {
        let system = System::default();
        let ids = [0; 3].map(|_| PayoutId::generate(system.now(), &system));
        let found = ids[..2].iter().map(|id| (*id, payout(*id))).collect();
        let handed = handed_out(&[ids[1], ids[0], ids[2], ids[1]], found);
        let handed: Vec<Option<PayoutId>> = handed
            .iter()
            .map(|payout| payout.as_ref().map(Payout::id))
            .collect();
        assert_eq!(handed, [Some(ids[1]), Some(ids[0]), None, Some(ids[1])]);
    }
}
