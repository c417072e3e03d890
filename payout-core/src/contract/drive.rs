//! The steps that most cases begin with.

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

/// How often to look whether something has come to pass.
const POLL: Duration = Duration::from_millis(10);

/// How long to wait for something that must come to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none for too long.
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
/// When it is not stored.
pub async fn store(repository: &dyn PayoutRepository, new: NewPayout) -> Payout {
    match repository.insert(&[new]).await.unwrap().remove(0) {
        Insertion::Stored(payout) => payout,
        refused @ (Insertion::KeyTaken | Insertion::OverLimit(_)) => {
            panic!("a fresh payout was answered {refused:?}")
        }
    }
}

/// Stores a fresh payout.
pub async fn stored(repository: &dyn PayoutRepository) -> Payout {
    store(repository, build::new_payout()).await
}

/// The payout as it is.
///
/// # Panics
/// When it is not found.
pub async fn found(repository: &dyn PayoutRepository, id: PayoutId) -> Payout {
    repository.find(id).await.unwrap().expect("the payout is found")
}

/// Claims this payout, as soon as it is due.
pub async fn claim_when_due(repository: &dyn PayoutRepository, id: PayoutId, lease: Duration) -> Claim {
    let request = build::only(&[id], lease);
    eventually("the payout is due", async || {
        repository.claim(&request).await.unwrap().won.pop()
    })
    .await
}

/// Stores a fresh payout and claims it under a long lease.
pub async fn claimed(repository: &dyn PayoutRepository) -> Claim {
    let payout = stored(repository).await;
    claim_when_due(repository, payout.id(), build::LONG_LEASE).await
}

/// The ids of what a claim wins.
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

/// A page, all of which can be read.
///
/// # Panics
/// When something on it cannot.
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

/// Ends a claim, and answers what the repository said.
pub async fn settle(repository: &dyn PayoutRepository, claim: Claim, verdict: Verdict) -> Settled {
    settle_all(repository, &[claim.settle(verdict)]).await.remove(0)
}

/// Settles, again and again those that are passed over since somebody else has their rows.
pub async fn settle_all(repository: &dyn PayoutRepository, batch: &[Settlement]) -> Vec<Settled> {
    let mut answers = repository.settle(batch).await.unwrap();
    while let Some(place) = answers.iter().position(|answer| *answer == Settled::Locked) {
        tokio::time::sleep(POLL).await;
        let one = std::slice::from_ref(&batch[place]);
        answers[place] = repository.settle(one).await.unwrap().remove(0);
    }
    answers
}

/// Ends a claim, and answers the payout as it is then.
///
/// # Panics
/// When the guard refuses.
pub async fn settled(repository: &dyn PayoutRepository, claim: Claim, verdict: Verdict) -> Payout {
    let id = claim.payout().id();
    assert_eq!(settle(repository, claim, verdict).await, Settled::Applied);
    found(repository, id).await
}

/// Makes a change without an idempotency key.
pub async fn apply(repository: &dyn PayoutRepository, change: &Change) -> Payout {
    repository.apply(change, None).await.unwrap()
}

/// Stores a fresh payout and takes it to failed.
pub async fn declined(repository: &dyn PayoutRepository) -> Payout {
    let claim = claimed(repository).await;
    settled(repository, claim, build::failed()).await
}

/// Stores a fresh payout and takes it to review.
pub async fn under_review(repository: &dyn PayoutRepository) -> Payout {
    let claim = claimed(repository).await;
    settled(repository, claim, build::review()).await
}

/// Every step that a person can take from where this payout stands, each by a caller of its own.
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

/// What a payout and its audit trail were, to see later whether anything was written.
pub struct Witness {
    payout: Payout,
    trail: Vec<Event>,
}

impl Witness {
    /// Of the payout as it is now.
    pub async fn of(repository: &dyn PayoutRepository, id: PayoutId) -> Self {
        Self {
            payout: found(repository, id).await,
            trail: trail(repository, id).await,
        }
    }

    /// No column and no event was written since.
    ///
    /// # Panics
    /// When one was.
    pub async fn assert_untouched(&self, repository: &dyn PayoutRepository) {
        assert_eq!(found(repository, self.payout.id()).await, self.payout);
        assert_eq!(trail(repository, self.payout.id()).await, self.trail);
    }

    /// No column was written since, but this many events; answers those.
    ///
    /// # Panics
    /// When a column was, or another number of events.
    pub async fn assert_only_events(&self, repository: &dyn PayoutRepository, count: usize) -> Vec<Event> {
        assert_eq!(found(repository, self.payout.id()).await, self.payout);
        let mut trail = trail(repository, self.payout.id()).await;
        let new = trail.split_off(self.trail.len());
        assert_eq!(trail, self.trail, "earlier events never change");
        assert_eq!(new.len(), count, "{new:?}");
        new
    }
}

/// A whole list, in its own order, by pages of two: by offset, by cursor forwards, and by cursor backwards.
///
/// # Panics
/// When a read fails.
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
    // More pages than there are payouts: a walk that goes in circles ends as well.
    for _ in 0..50 {
        let skipped = by_offset.len() as u64;
        by_offset.extend(page(Position::Offset(skipped)).await);
        let after = forwards
            .last()
            .map_or(Position::Offset(0), |row| Position::After(row.place()));
        forwards.extend(page(after).await);
    }
    for _ in 0..50 {
        let end = backwards.first().map(Listed::place);
        let end = end.or_else(|| forwards.last().map(Listed::place));
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

/// Lets all of these begin at the same moment, and answers what each came to, in their order.
///
/// # Panics
/// When one of them does.
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

/// The audit trail.
///
/// # Panics
/// When there is none.
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

/// Whether the payout is found by a look at its audit trail.
pub async fn has_trail(repository: &dyn PayoutRepository, id: PayoutId) -> bool {
    let query = EventQuery {
        after: None,
        limit: 1,
        deleted: Deleted::Without,
    };
    repository.events(id, query).await.unwrap().is_some()
}

/// What the audit trail says happened, oldest first.
pub async fn kinds(repository: &dyn PayoutRepository, id: PayoutId) -> Vec<EventKind> {
    trail(repository, id)
        .await
        .into_iter()
        .map(|event| event.kind)
        .collect()
}
