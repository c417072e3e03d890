//! Cases for clients, operators and workers that act on one payout at the same moment.

use std::sync::Arc;

use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::idempotency::ScopedKey;
use crate::payout::{Payout, Status};
use crate::ports::{Filter, Insertion, PayoutRepository, RepositoryError, Settled};

type Repository = Pair<dyn PayoutRepository>;

/// If sixteen callers each edit, cancel, delete and claim one payout at once, one call wins at every version. Every
/// other call returns a conflict or nothing, and the trail has exactly the winners.
pub async fn of_a_person_and_a_worker_racing_one_wins(Pair { port, peer }: Repository) {
    for _ in 0..6 {
        let start = drive::stored(&*port).await;
        let mut edit = start.details().clone();
        edit.money = build::money("77", "JPY");
        let racers = (0..64).map(|n| {
            let repository = Arc::clone(if n % 8 < 4 { &port } else { &peer });
            let (start, edit) = (start.clone(), edit.clone());
            async move {
                let change = match n % 4 {
                    0 => start.edit(edit, build::client()).unwrap(),
                    1 => start.cancel(build::client()).unwrap(),
                    2 => start.delete(build::client()).unwrap(),
                    _ => {
                        let request = build::only(&[start.id()], LONG_LEASE);
                        return repository
                            .claim(&request)
                            .await
                            .unwrap()
                            .won
                            .pop()
                            .map(|claim| claim.payout().clone());
                    }
                };
                match repository.apply(&change, None).await {
                    Ok(payout) => Some(payout),
                    Err(RepositoryError::VersionConflict) => None,
                    Err(other) => panic!("a racer came away with {other:?}"),
                }
            }
        });
        let mut winners: Vec<Payout> = drive::race(racers).await.into_iter().flatten().collect();
        winners.sort_by_key(Payout::version);
        let versions: Vec<u64> = winners.iter().map(Payout::version).collect();
        // After an edit the payout is still pending, so a worker may win the next version.
        assert!(
            versions == [2] || versions == [2, 3],
            "winners at the versions {versions:?}"
        );
        let claims = winners
            .iter()
            .filter(|winner| winner.status() == Status::Processing)
            .count();
        assert!(claims <= 1, "two workers claimed one payout");
        if let Some(found) = port.find(start.id()).await.unwrap() {
            assert_eq!(found, winners[winners.len() - 1]);
            assert_eq!(drive::trail(&*port, start.id()).await.len(), 1 + winners.len());
        }
    }
}

/// If thirty-two callers settle one claim, half as paid and half as declined, one outcome is written, once.
pub async fn of_two_outcomes_racing_one_is_written(Pair { port, peer }: Repository) {
    for _ in 0..4 {
        let claim = drive::claimed(&*port).await;
        let id = claim.payout().id();
        let racers = (0..32).map(|n| {
            let repository = Arc::clone(if n % 4 < 2 { &port } else { &peer });
            let verdict = if n % 2 == 0 {
                build::completed("ref-1")
            } else {
                build::failed()
            };
            let settlement = claim.clone().settle(verdict);
            async move { drive::settle_all(&*repository, &[settlement]).await.remove(0) }
        });
        let answers = drive::race(racers).await;
        let payout = drive::found(&*port, id).await;
        let paid = usize::from(payout.status() == Status::Failed);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(
                answer == Settled::Applied,
                n % 2 == paid,
                "{answer:?} while it is {}",
                payout.status()
            );
        }
        assert_eq!(payout.version(), 3, "written once");
        // Created, claimed, settled once, and the sixteen contradicting reports that came too late.
        assert_eq!(drive::trail(&*port, id).await.len(), 3 + 16);
    }
}

/// Concurrent batches with the same keys in different orders do not fail: each key is won once, although row locks
/// taken in the batches' order would deadlock.
pub async fn batches_with_the_same_keys_in_different_orders_do_not_deadlock(Pair { port, peer }: Repository) {
    let keys: Vec<ScopedKey> = (0..20).map(|_| build::fresh_key()).collect();
    let racers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let batch: Vec<_> = shuffled(&keys, n).iter().map(build::keyed).collect();
        async move { repository.insert(&batch).await.unwrap() }
    });
    let answers = drive::race(racers).await.concat();
    let stored = answers
        .iter()
        .filter(|answer| matches!(answer, Insertion::Stored(_)))
        .count();
    assert_eq!(stored, keys.len());
    assert_eq!(
        port.count(&Filter::default(), None).await.unwrap().count,
        keys.len() as u64
    );
}

/// Concurrent batches that settle the same payouts in different orders do not fail: each payout is settled by its
/// claim, and every other report for it is late.
pub async fn settlements_in_different_orders_do_not_deadlock(Pair { port, peer }: Repository) {
    let mut settlements = Vec::new();
    for _ in 0..20 {
        settlements.push(drive::claimed(&*port).await.settle(build::completed("ref-1")));
    }
    let racers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let mut batch = shuffled(&settlements, n);
        for settlement in &mut batch {
            // One batch has the fences of the claims; the others have fences that were never issued.
            settlement.fence += n as u64;
        }
        async move { drive::settle_all(&*repository, &batch).await }
    });
    let answers = drive::race(racers).await;
    for (n, answers) in answers.iter().enumerate() {
        assert_eq!(answers.len(), settlements.len());
        assert!(
            answers
                .iter()
                .all(|answer| (*answer == Settled::Applied) == (n == 0)),
            "batch {n}: {answers:?}"
        );
    }
    for settlement in settlements {
        assert_eq!(
            drive::found(&*port, settlement.id).await.status(),
            Status::Completed
        );
    }
}

/// Returns the elements in a different order for every `n`.
fn shuffled<T: Clone>(things: &[T], n: usize) -> Vec<T> {
    let mut things = things.to_vec();
    let by = n % things.len().max(1);
    things.rotate_left(by);
    if n % 2 == 1 {
        things.reverse();
    }
    things
}
