//! Steps that most cases begin with.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Barrier;

use crate::Timestamp;
use crate::attempt::{Claim, Settlement, Verdict};
use crate::contract::build;
use crate::payout::{Caller, Change, Event, EventKind, NewPayout, Payout, PayoutId, Resolution};
use crate::ports::{
    ClaimRequest, Deleted, EventQuery, Filter, Insertion, ListQuery, Listed, Order, PayoutRepository,
    Position, Settled,
};

/// The interval between two checks for an expected state.
const POLL: Duration = Duration::from_millis(10);

/// The longest wait for an expected state.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls `ask` repeatedly until it returns a value.
///
/// # Panics
/// If it returns none within 20 seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let answered = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(POLL).await;
        }
    });
    answered
        .await
        .unwrap_or_else(|_| panic!("it never came to pass that {what}"))
}

/// Stores a payout.
///
/// # Panics
/// If it is not stored.
pub async fn store(repository: &dyn PayoutRepository, new: NewPayout) -> Payout {
    match repository.insert(&[new]).await.unwrap().remove(0) {
        Insertion::Stored(payout) => payout,
        refused @ (Insertion::KeyTaken | Insertion::ExternalIdTaken(_) | Insertion::OverLimit(_)) => {
            panic!("a fresh payout was answered {refused:?}")
        }
    }
}

/// Stores a new payout.
pub async fn stored(repository: &dyn PayoutRepository) -> Payout {
    store(repository, build::new_payout()).await
}

/// Returns the payout as it is now.
///
/// # Panics
/// If it is not found.
pub async fn found(repository: &dyn PayoutRepository, id: PayoutId) -> Payout {
    repository.find(id).await.unwrap().expect("the payout is found")
}

/// Claims this payout as soon as it is due.
pub async fn claim_when_due(repository: &dyn PayoutRepository, id: PayoutId, lease: Duration) -> Claim {
    let request = build::only(&[id], lease);
    eventually("the payout is due", async || {
        repository.claim(&request).await.unwrap().won.pop()
    })
    .await
}

/// Stores a new payout and claims it with a long lease.
pub async fn claimed(repository: &dyn PayoutRepository) -> Claim {
    let payout = stored(repository).await;
    claim_when_due(repository, payout.id(), build::LONG_LEASE).await
}

/// Returns the ids of the payouts that a claim wins.
pub async fn claim_ids(repository: &dyn PayoutRepository, request: &ClaimRequest) -> Vec<PayoutId> {
    repository
        .claim(request)
        .await
        .unwrap()
        .won
        .iter()
        .map(|claim| claim.payout().id())
        .collect()
}

/// Returns a page whose rows can all be read.
///
/// # Panics
/// If a row cannot be read or is deleted.
pub async fn listed(repository: &dyn PayoutRepository, query: &ListQuery) -> Vec<Payout> {
    let rows = repository.list(query).await.unwrap();
    rows.into_iter()
        .map(|row| match row {
            Listed::Payout(payout) => payout,
            Listed::Deleted(deleted) => panic!("{deleted:?} was not asked for"),
            Listed::Unreadable(place) => panic!("{place:?} cannot be read"),
        })
        .collect()
}

/// Settles a claim, and returns the repository's result.
pub async fn settle(repository: &dyn PayoutRepository, claim: Claim, verdict: Verdict) -> Settled {
    settle_all(repository, &[claim.settle(verdict)]).await.remove(0)
}

/// Settles claims, and repeats those whose rows another session has locked.
pub async fn settle_all(repository: &dyn PayoutRepository, batch: &[Settlement]) -> Vec<Settled> {
    let mut answers = repository.settle(batch).await.unwrap();
    while let Some(place) = answers.iter().position(|answer| *answer == Settled::Locked) {
        tokio::time::sleep(POLL).await;
        let one = std::slice::from_ref(&batch[place]);
        answers[place] = repository.settle(one).await.unwrap().remove(0);
    }
    answers
}

/// Settles a claim, and returns the payout as it is afterwards.
///
/// # Panics
/// If the guard does not match.
pub async fn settled(repository: &dyn PayoutRepository, claim: Claim, verdict: Verdict) -> Payout {
    let id = claim.payout().id();
    assert_eq!(settle(repository, claim, verdict).await, Settled::Applied);
    found(repository, id).await
}

/// Makes a change without an idempotency key.
pub async fn apply(repository: &dyn PayoutRepository, change: &Change) -> Payout {
    repository.apply(change, None).await.unwrap()
}

/// Stores a new payout and takes it to failed.
pub async fn declined(repository: &dyn PayoutRepository) -> Payout {
    let claim = claimed(repository).await;
    settled(repository, claim, build::failed()).await
}

/// Stores a new payout and takes it to review.
pub async fn under_review(repository: &dyn PayoutRepository) -> Payout {
    let claim = claimed(repository).await;
    settled(repository, claim, build::review()).await
}

/// Returns every step that a client or an operator can take from this payout's state.
pub fn steps_of_a_person(payout: &Payout, now: Timestamp, caller: &Caller) -> Vec<Change> {
    let step = || (payout.clone(), caller.clone());
    let mut edit = payout.details().clone();
    edit.money = build::money("77.70", "EUR");
    let changes = [
        payout.clone().edit(edit, caller.clone()).ok(),
        {
            let (payout, caller) = step();
            payout.cancel(caller).ok()
        },
        {
            let (payout, caller) = step();
            payout.retry(now, caller).ok()
        },
        {
            let (payout, caller) = step();
            payout.resolve(Resolution::Completed, caller).ok()
        },
        {
            let (payout, caller) = step();
            payout.resolve(Resolution::Failed, caller).ok()
        },
        {
            let (payout, caller) = step();
            payout.delete(caller).ok()
        },
    ];
    changes.into_iter().flatten().collect()
}

/// A copy of a payout and its audit trail, to check later that nothing was written.
pub struct Witness {
    payout: Payout,
    trail: Vec<Event>,
}

impl Witness {
    /// Copies the payout as it is now.
    pub async fn of(repository: &dyn PayoutRepository, id: PayoutId) -> Self {
        Self {
            payout: found(repository, id).await,
            trail: trail(repository, id).await,
        }
    }

    /// Checks that no column and no event was written since.
    ///
    /// # Panics
    /// If one was.
    pub async fn assert_untouched(&self, repository: &dyn PayoutRepository) {
        assert_eq!(found(repository, self.payout.id()).await, self.payout);
        assert_eq!(trail(repository, self.payout.id()).await, self.trail);
    }

    /// Checks that this number of events and no column was written since, and returns the events.
    ///
    /// # Panics
    /// If a column or another number of events was written.
    pub async fn assert_only_events(&self, repository: &dyn PayoutRepository, count: usize) -> Vec<Event> {
        assert_eq!(found(repository, self.payout.id()).await, self.payout);
        let mut trail = trail(repository, self.payout.id()).await;
        let new = trail.split_off(self.trail.len());
        assert_eq!(trail, self.trail, "earlier events never change");
        assert_eq!(new.len(), count, "{new:?}");
        new
    }
}

/// Reads a whole list in its order by pages of two: by offset, by cursor forwards, and by cursor backwards.
///
/// # Panics
/// If a read fails.
pub async fn pages_of_two(
    repository: &dyn PayoutRepository,
    filter: &Filter,
    order: Order,
) -> [(&'static str, Vec<Listed>); 3] {
    let page = async |position| {
        let query = ListQuery {
            filter: filter.clone(),
            order,
            position,
            limit: 2,
        };
        repository.list(&query).await.unwrap()
    };
    let mut by_offset: Vec<Listed> = Vec::new();
    let mut forwards: Vec<Listed> = Vec::new();
    let mut backwards: Vec<Listed> = Vec::new();
    // More pages than there are payouts, so that a walk in circles ends as well.
    for _ in 0..50 {
        let skipped = by_offset.len() as u64;
        by_offset.extend(page(Position::Offset(skipped)).await);
        let after = forwards
            .last()
            .map_or(Position::Offset(0), |row| Position::After(row.place(order)));
        forwards.extend(page(after).await);
    }
    for _ in 0..50 {
        let end = backwards.first().map(|row| row.place(order));
        let end = end.or_else(|| forwards.last().map(|row| row.place(order)));
        if let Some(end) = end {
            backwards.splice(0..0, page(Position::Before(end)).await);
        }
    }
    backwards.extend(forwards.last().cloned());
    [
        ("offset", by_offset),
        ("cursor", forwards),
        ("cursor, backwards", backwards),
    ]
}

/// Starts all futures at the same moment, and returns their results in order.
///
/// # Panics
/// If one of them panics.
pub async fn race<T, F>(racers: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let racers: Vec<F> = racers.into_iter().collect();
    let start = Arc::new(Barrier::new(racers.len()));
    let running = racers.into_iter().map(|racer| {
        let start = start.clone();
        tokio::spawn(async move {
            start.wait().await;
            racer.await
        })
    });
    let running: Vec<_> = running.collect();
    join_all(running)
        .await
        .into_iter()
        .map(|finished| finished.expect("no racer panics"))
        .collect()
}

/// Returns the whole audit trail.
///
/// # Panics
/// If the payout does not exist.
pub async fn trail(repository: &dyn PayoutRepository, id: PayoutId) -> Vec<Event> {
    let (mut trail, mut after) = (Vec::new(), None);
    loop {
        let query = EventQuery {
            after,
            limit: 100,
            deleted: Deleted::Without,
        };
        let page = repository.events(id, query).await.unwrap();
        let mut page = page.expect("the payout has events");
        trail.append(&mut page.events);
        after = page.next;
        if after.is_none() {
            return trail;
        }
    }
}

/// Returns whether the payout has an audit trail that can be read.
pub async fn has_trail(repository: &dyn PayoutRepository, id: PayoutId) -> bool {
    let query = EventQuery {
        after: None,
        limit: 1,
        deleted: Deleted::Without,
    };
    repository.events(id, query).await.unwrap().is_some()
}

/// Returns the kinds of the events in the audit trail, oldest first.
pub async fn kinds(repository: &dyn PayoutRepository, id: PayoutId) -> Vec<EventKind> {
    trail(repository, id)
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect()
}
