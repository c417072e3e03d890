//! Cases for edits and retries, which must not evade a daily limit.

use std::sync::Arc;
use std::time::Duration;

use super::totals::{left, on_one_day};
use crate::access::ApiKeyId;
use crate::contract::{Pair, build, drive};
use crate::idempotency::{Fingerprint, IdempotentRequest};
use crate::money::Money;
use crate::payout::{Change, Payout, Status};
use crate::ports::{PayoutRepository, RepositoryError};
use crate::spending::OverLimit;

type Repository = Pair<dyn PayoutRepository>;

/// Makes an edit to this amount, by a key with a daily limit of 100.
fn edit(payout: &Payout, money: Money, api_key: ApiKeyId) -> Change {
    let before = payout.money();
    let mut edit = payout.details().clone();
    edit.money = money;
    let mut change = payout
        .clone()
        .edit(edit, build::client().with_api_key(api_key))
        .unwrap();
    change.charge = build::charge_of_edit(before, money, "100", api_key);
    change
}

fn usd(amount: &str) -> Money {
    build::money(amount, "USD")
}

async fn stored(port: &dyn PayoutRepository, amount: &str, api_key: ApiKeyId) -> Payout {
    drive::store(port, build::charged(amount, "USD", "100", api_key)).await
}

/// An edit is charged with the increase of the amount, to the key that edits. A decrease is not returned.
pub async fn an_edit_takes_what_the_payout_grows_by(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (one, other) = (build::fresh_api_key(), build::fresh_api_key());
    let payout = stored(&*port, "40", one).await;
    let payout = drive::apply(&*port, &edit(&payout, usd("60"), one)).await;
    assert_eq!(payout.money(), usd("60"));
    let payout = drive::apply(&*port, &edit(&payout, usd("10"), one)).await;
    let payout = drive::apply(&*port, &edit(&payout, usd("40"), other)).await;
    let yen = drive::apply(&*port, &edit(&payout, build::money("100", "JPY"), one)).await;
    assert_eq!(yen.money(), build::money("100", "JPY"));
    assert_eq!(left(&*port, 100, one).await, 40);
    assert_eq!(left(&*port, 100, other).await, 70);
    let more = port
        .apply(&edit(&yen, build::money("101", "JPY"), one), None)
        .await;
    assert!(matches!(more, Err(RepositoryError::OverLimit(_))), "{more:?}");
}

/// An edit that exceeds the daily limit writes no column, no event and no idempotency record, and charges nothing.
pub async fn a_refused_edit_changes_nothing(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let payout = stored(&*port, "40", api_key).await;
    let witness = drive::Witness::of(&*port, payout.id()).await;
    let request = IdempotentRequest {
        key: build::fresh_key(),
        fingerprint: Fingerprint::from([7; 32]),
    };
    for request in [None, Some(&request)] {
        let refused = port.apply(&edit(&payout, usd("100.01"), api_key), request).await;
        let per_day = OverLimit::PerDay(usd("100"));
        assert!(
            matches!(refused, Err(RepositoryError::OverLimit(over)) if over == per_day),
            "{refused:?}"
        );
    }
    witness.assert_untouched(&*port).await;
    assert_eq!(port.find_answer(&request.key).await.unwrap(), None);
    let payout = drive::apply(&*port, &edit(&payout, usd("100"), api_key)).await;
    assert_eq!(payout.version(), 2);
    assert_eq!(left(&*port, 100, api_key).await, 0);
}

/// An edit from a stale version or under a taken key charges nothing, and fails for that reason even if it would exceed
/// the limit.
pub async fn a_conflict_counts_nothing_and_is_told_before_a_used_up_day(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let stale = stored(&*port, "40", api_key).await;
    let current = drive::apply(&*port, &edit(&stale, usd("30"), api_key)).await;
    let key = build::fresh_key();
    drive::store(&*port, build::keyed(&key)).await;
    let taken = build::keyed(&key).request;
    for amount in ["50", "100.01", "1000"] {
        let refused = port.apply(&edit(&stale, usd(amount), api_key), None).await;
        assert!(
            matches!(refused, Err(RepositoryError::VersionConflict)),
            "{refused:?}"
        );
        for payout in [&stale, &current] {
            let refused = port
                .apply(&edit(payout, usd(amount), api_key), taken.as_ref())
                .await;
            assert!(matches!(refused, Err(RepositoryError::KeyTaken)), "{refused:?}");
        }
    }
    assert_eq!(left(&*port, 100, api_key).await, 60);
}

/// Makes a retry by a key with a daily limit of 100.
async fn retry(port: &dyn PayoutRepository, failed: &Payout, api_key: ApiKeyId) -> Change {
    let now = port.now().await.unwrap();
    let caller = build::client().with_api_key(api_key);
    let mut change = failed.clone().retry(now, caller).unwrap();
    change.charge = build::limits(&[("USD", None, Some("100"))])
        .of_retry(failed.money(), Some(api_key))
        .unwrap();
    change
}

/// A retry is charged with the whole amount, once, to the key that requests it. A repeated retry charges nothing, and
/// one that exceeds the limit changes nothing.
pub async fn a_retry_takes_all_of_the_payout_once(Pair { port, peer }: Repository) {
    on_one_day(&*port).await;
    let one = build::fresh_api_key();
    let mut failed = Vec::new();
    for amount in ["60", "50"] {
        // Without a charge, as if it were from an earlier day.
        let payout = drive::store(&*port, build::amounting_to(amount, "USD")).await;
        let claim = drive::claim_when_due(&*port, payout.id(), Duration::from_secs(60)).await;
        failed.push(drive::settled(&*port, claim, build::failed()).await);
    }
    let request = IdempotentRequest {
        key: build::fresh_key(),
        fingerprint: Fingerprint::from([9; 32]),
    };
    let first = retry(&*port, &failed[0], one).await;
    let written = port.apply(&first, Some(&request)).await.unwrap();
    assert_eq!(written.status(), Status::Pending);
    for repository in [&port, &peer] {
        let again = repository.apply(&first, Some(&request)).await;
        assert!(matches!(again, Err(RepositoryError::KeyTaken)), "{again:?}");
    }
    let witness = drive::Witness::of(&*port, failed[1].id()).await;
    let beyond = retry(&*port, &failed[1], one).await;
    let refused = port.apply(&beyond, None).await;
    assert!(
        matches!(refused, Err(RepositoryError::OverLimit(OverLimit::PerDay(most))) if most == usd("100")),
        "{refused:?}"
    );
    witness.assert_untouched(&*port).await;
    assert_eq!(left(&*port, 100, one).await, 40);
}

/// Concurrent edits of eight payouts and eight batches of new ones, all by one key, reach the daily limit and do not
/// exceed it.
pub async fn edits_and_inserts_at_once_use_a_day_up_and_no_more(Pair { port, peer }: Repository) {
    on_one_day(&*port).await;
    let (api_key, mut payouts) = (build::fresh_api_key(), Vec::new());
    for _ in 0..8 {
        payouts.push(stored(&*port, "1", api_key).await);
    }
    let raises = payouts.iter().map(|payout| edit(payout, usd("11"), api_key));
    let racers = raises.enumerate().flat_map(|(n, change)| {
        let repositories = [&port, &peer].map(Arc::clone);
        [0, 1].map(|kind| {
            let repository = repositories[(n + kind) % 2].clone();
            let change = change.clone();
            async move {
                if kind == 0 {
                    return match repository.apply(&change, None).await {
                        Ok(_) => 10,
                        Err(RepositoryError::OverLimit(_)) => 0,
                        Err(other) => panic!("an edit came away with {other:?}"),
                    };
                }
                left(&*repository, 100, api_key).await
            }
        })
    });
    let taken: u32 = drive::race(racers).await.into_iter().sum();
    assert_eq!(8 + taken, 100);
}
