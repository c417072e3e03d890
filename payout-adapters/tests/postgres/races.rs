//! Many concurrent callers, each with connections of its own, as separate processes would have.

use std::collections::HashSet;

use payout_core::attempt::Settlement;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::idempotency::ScopedKey;
use payout_core::payout::{NewPayout, PayoutId};
use payout_core::ports::{Insertion, PayoutRepository};

use crate::database::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_claimers_never_get_the_same_row() {
    let (repository, database) = Database::migrated().await;
    let batch: Vec<NewPayout> = (0..600).map(|_| build::new_payout()).collect();
    repository.insert(&batch).await.unwrap();
    let ids: Vec<PayoutId> = batch.iter().map(|new| new.id).collect();
    let claimers: Vec<_> = (0..8)
        .map(|n| {
            let (repository, ids) = (database.repository(), ids.clone());
            tokio::spawn(async move {
                let mut won = Vec::new();
                // Half of the claimers sweep; the other half follow the same hints.
                for hints in ids.chunks(40) {
                    let request = if n % 2 == 0 {
                        build::sweep(40, LONG_LEASE)
                    } else {
                        build::only(hints, LONG_LEASE)
                    };
                    let claims = repository.claim(&request).await.unwrap().won;
                    won.extend(claims.iter().map(|claim| claim.payout().id()));
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for claimer in claimers {
        won.extend(claimer.await.unwrap());
    }
    won.extend(
        repository
            .claim(&build::sweep(600, LONG_LEASE))
            .await
            .unwrap()
            .won
            .iter()
            .map(|c| c.payout().id()),
    );
    assert_eq!(won.len(), 600);
    assert_eq!(HashSet::<PayoutId>::from_iter(won).len(), 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_inserts_and_settlements_never_deadlock() {
    let (repository, database) = Database::migrated().await;
    let keys: Vec<ScopedKey> = (0..100).map(|_| build::fresh_key()).collect();
    let batch: Vec<NewPayout> = (0..100).map(|_| build::new_payout()).collect();
    repository.insert(&batch).await.unwrap();
    let claims = repository
        .claim(&build::sweep(100, LONG_LEASE))
        .await
        .unwrap()
        .won;
    let settlements: Vec<Settlement> = claims
        .into_iter()
        .map(|claim| claim.settle(build::completed("ref")))
        .collect();
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let repository = database.repository();
            let (mut keys, mut settlements) = (keys.clone(), settlements.clone());
            if n % 2 == 1 {
                keys.reverse();
                settlements.reverse();
            }
            tokio::spawn(async move {
                let batch: Vec<NewPayout> = keys.iter().map(build::keyed).collect();
                let (inserted, settled) =
                    tokio::join!(repository.insert(&batch), repository.settle(&settlements));
                settled.unwrap();
                let stored = |insertion: &Insertion| matches!(insertion, Insertion::Stored(_));
                inserted
                    .unwrap()
                    .iter()
                    .filter(|insertion| stored(insertion))
                    .count()
            })
        })
        .collect();
    let mut stored = 0;
    for racer in racers {
        stored += racer.await.unwrap();
    }
    assert_eq!(stored, 100, "each key was won once");
}

/// A change is committed after a claim has begun and before the claim locks the payout. The claim sends the changed
/// payout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_pays_what_a_change_made_of_it_meanwhile() {
    let (repository, database) = Database::migrated().await;
    let payout = drive::stored(&repository).await;
    let other = drive::stored(&repository).await;
    let pool = database.pool_of(2).await;
    // A claim that has begun waits for this lock.
    let slow = "
        CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(7) WHERE current_query() LIKE '%claimed_by = $4%';
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER wait_for_the_test BEFORE UPDATE ON payout_states
            FOR EACH STATEMENT EXECUTE FUNCTION wait_for_the_test()";
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    let mut session = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(7)")
        .execute(&mut *session)
        .await
        .unwrap();
    let claiming = tokio::spawn({
        let repository = database.repository();
        async move { repository.claim(&build::sweep(10, LONG_LEASE)).await }
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    drive::eventually("the claim has begun", async || {
        let (count,): (i64,) = sqlx::query_as(waiting).fetch_one(&pool).await.unwrap();
        (count == 1).then_some(())
    })
    .await;
    let mut edit = payout.details().clone();
    edit.money = build::money("99", "EUR");
    let edited = drive::apply(&repository, &payout.edit(edit, build::client()).unwrap()).await;
    session.commit().await.unwrap();
    let claims = claiming.await.unwrap().unwrap();
    assert_eq!((claims.won.len(), claims.unreadable.len()), (2, 0));
    for claim in &claims.won {
        let expected = if claim.payout().id() == edited.id() {
            edited.details()
        } else {
            other.details()
        };
        assert_eq!(claim.payout().details(), expected);
    }
}
