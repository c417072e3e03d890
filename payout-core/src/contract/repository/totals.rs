//! Cases for daily limits: the write itself checks the day's total against the limit.

use std::sync::Arc;
use std::time::Duration;

use chrono::{Days, NaiveTime};

use crate::access::ApiKeyId;
use crate::contract::{Pair, build, drive};
use crate::payout::NewPayout;
use crate::ports::{Filter, Insertion, PayoutRepository};
use crate::spending::OverLimit;

type Repository = Pair<dyn PayoutRepository>;

/// Waits until after midnight if that is near, so that a case does not span two days.
pub(super) async fn on_one_day(port: &dyn PayoutRepository) {
    loop {
        let now = port.now().await.unwrap();
        let midnight = (now.date_naive() + Days::new(1))
            .and_time(NaiveTime::MIN)
            .and_utc();
        let left = (midnight - now).to_std().unwrap();
        if left > Duration::from_secs(30) {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

fn refused(per_day: &str, currency: &str) -> Insertion {
    Insertion::OverLimit(OverLimit::PerDay(build::money(per_day, currency)))
}

async fn insert(port: &dyn PayoutRepository, batch: &[NewPayout]) -> Vec<bool> {
    let answers = port.insert(batch).await.unwrap();
    assert_eq!(answers.len(), batch.len());
    let stored = |answer: &Insertion| matches!(answer, Insertion::Stored(_));
    answers.iter().map(stored).collect()
}

/// Returns what is left of a key's daily limit, in whole units, by using it up.
pub(super) async fn left(port: &dyn PayoutRepository, per_day: u32, api_key: ApiKeyId) -> u32 {
    let mut left = 0;
    let ones: Vec<_> = (0..per_day)
        .map(|_| build::charged("1", "USD", &per_day.to_string(), api_key))
        .collect();
    for answer in port.insert(&ones).await.unwrap() {
        left += u32::from(matches!(answer, Insertion::Stored(_)));
    }
    left
}

/// The last minor unit fits and one more does not, for any number of decimals and up to the largest amounts.
pub async fn a_day_is_used_up_exactly(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    for (currency, per_day, amounts, more) in [
        ("USD", "100.00", ["60", "39.99", "0.01"], "0.01"),
        ("JPY", "2000", ["1", "1998", "1"], "1"),
        ("CLF", "1.0000", ["0.9998", "0.0001", "0.0001"], "0.0001"),
        (
            "BHD",
            "999999999999999.999",
            ["999999999999999.990", "0.001", "0.008"],
            "0.001",
        ),
        (
            "EUR",
            "9999999999999999.99",
            ["9999999999999990.00", "9.98", "0.01"],
            "9999999999999999.99",
        ),
    ] {
        let api_key = build::fresh_api_key();
        for amount in amounts {
            let new = build::charged(amount, currency, per_day, api_key);
            drive::store(&*port, new).await;
        }
        let new = build::charged(more, currency, per_day, api_key);
        assert_eq!(port.insert(&[new]).await.unwrap(), [refused(per_day, currency)]);
    }
}

/// A key's payouts do not count for another key, for callers without a key, or in another currency.
pub async fn every_api_key_and_every_currency_has_a_day_of_its_own(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (one, other) = (build::fresh_api_key(), build::fresh_api_key());
    for _ in 0..2 {
        let batch = [
            build::charged("60", "USD", "100", one),
            build::charged("60", "EUR", "100", one),
            build::charged("60", "USD", "100", other),
            build::charged("60", "USD", "100", other),
        ];
        let mut open = build::amounting_to("60", "USD");
        open.charge = build::limits(&[("USD", None, Some("100"))])
            .of_new(open.details.money, None)
            .unwrap();
        let stored = insert(&*port, &batch).await;
        if stored[0] {
            assert_eq!(stored, [true, true, true, false]);
            assert_eq!(insert(&*port, &[open]).await, [true]);
        } else {
            assert_eq!(stored, [false; 4], "each of them is used up");
            assert_eq!(insert(&*port, &[open]).await, [false]);
        }
    }
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 4);
}

/// In a batch the first payouts that fit are stored. A refused one is not charged, and one without a limit is stored
/// wherever it stands.
pub async fn of_a_batch_what_fits_is_stored_in_its_order(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let of = |amount| build::charged(amount, "USD", "100", api_key);
    let batch = [
        of("60"),
        of("50"),
        build::new_payout(),
        of("30"),
        of("10.01"),
        of("10"),
        of("0.01"),
    ];
    let stored = insert(&*port, &batch).await;
    assert_eq!(stored, [true, false, true, true, false, true, false]);
    for (new, stored) in batch.iter().zip(stored) {
        assert_eq!(port.find(new.id).await.unwrap().is_some(), stored);
    }
}

/// A refused payout leaves no row, no event and no idempotency record, and its idempotency key stays free.
pub async fn a_refused_payout_leaves_nothing(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (api_key, key) = (build::fresh_api_key(), build::fresh_key());
    let refused = build::under(&key, build::charged("100.01", "USD", "100", api_key));
    for beside in [None, Some(build::charged("1", "USD", "100", api_key))] {
        let batch: Vec<_> = [Some(refused.clone()), beside].into_iter().flatten().collect();
        assert!(!insert(&*port, &batch).await[0]);
        assert_eq!(port.find(refused.id).await.unwrap(), None);
        assert!(!drive::has_trail(&*port, refused.id).await);
        assert_eq!(port.find_answer(&key).await.unwrap(), None);
    }
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 1);
    let again = build::under(&key, build::charged("99", "USD", "100", api_key));
    let stored = drive::store(&*port, again).await;
    assert_eq!(port.find_answer(&key).await.unwrap().unwrap().payout, stored);
}

/// A payout whose key has a record is not charged, even if the record is made in the same batch.
pub async fn what_a_taken_key_keeps_from_being_stored_counts_nothing(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (api_key, keys) = (build::fresh_api_key(), [build::fresh_key(), build::fresh_key()]);
    let of = |amount| build::charged(amount, "USD", "100", api_key);
    drive::store(&*port, build::under(&keys[0], of("20"))).await;
    let batch = [
        build::under(&keys[0], of("20")),
        build::under(&keys[1], of("20")),
        build::under(&keys[1], of("20")),
        build::under(&keys[0], of("20")),
        of("60"),
        of("0.01"),
    ];
    let answers = port.insert(&batch).await.unwrap();
    let stored = |place: usize| matches!(answers[place], Insertion::Stored(_));
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(stored),
        [false, true, false, false, true, false]
    );
    for taken in [0, 2, 3] {
        assert_eq!(answers[taken], Insertion::KeyTaken);
    }
    assert_eq!(answers[5], refused("100", "USD"));
}

/// A repeated request learns that its key is taken even if the limit is used up, so that it receives its first answer.
pub async fn a_taken_key_is_told_before_a_used_up_day(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (api_key, key) = (build::fresh_api_key(), build::fresh_key());
    let new = || build::under(&key, build::charged("100", "USD", "100", api_key));
    drive::store(&*port, new()).await;
    for batch in [vec![new()], vec![build::new_payout(), new()]] {
        let answers = port.insert(&batch).await.unwrap();
        assert_eq!(answers.last(), Some(&Insertion::KeyTaken));
    }
}

/// If the first of two payouts with one key is refused for its amount, the second can use the key.
pub async fn a_key_whose_payout_was_refused_is_free_for_the_next_of_the_batch(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let (api_key, key) = (build::fresh_api_key(), build::fresh_key());
    let of = |amount| build::under(&key, build::charged(amount, "USD", "100", api_key));
    let batch = [of("101"), of("100")];
    assert_eq!(insert(&*port, &batch).await, [false, true]);
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout.id(), batch[1].id);
}

/// A new limit counts what was already paid out on the day, and raising it again leaves room.
pub async fn a_limit_lowered_below_the_total_lets_nothing_more_through(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let of = |amount, per_day| [build::charged(amount, "USD", per_day, api_key)];
    assert_eq!(insert(&*port, &of("100", "100")).await, [true]);
    assert_eq!(insert(&*port, &of("0.01", "50")).await, [false]);
    assert_eq!(insert(&*port, &of("1", "101")).await, [true]);
}

/// Cancelling or deleting a payout makes no room for another.
pub async fn what_was_cancelled_or_deleted_is_not_given_back(Pair { port, .. }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let fifty = || build::charged("50", "USD", "100", api_key);
    let (one, other) = (
        drive::store(&*port, fifty()).await,
        drive::store(&*port, fifty()).await,
    );
    drive::apply(&*port, &one.cancel(build::client()).unwrap()).await;
    drive::apply(&*port, &other.delete(build::client()).unwrap()).await;
    assert_eq!(left(&*port, 100, api_key).await, 0);
}

/// Sixteen concurrent batches of ten by one key use the daily limit up exactly.
pub async fn sixteen_at_once_use_a_day_up_and_no_more(Pair { port, peer }: Repository) {
    on_one_day(&*port).await;
    let api_key = build::fresh_api_key();
    let racers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let batch: Vec<_> = (0..10)
            .map(|_| build::charged("7", "USD", "700", api_key))
            .collect();
        async move { insert(&*repository, &batch).await }
    });
    let stored = drive::race(racers).await.concat();
    assert_eq!(stored.into_iter().filter(|stored| *stored).count(), 100);
    assert_eq!(port.count(&Filter::default(), None).await.unwrap().count, 100);
}

/// Concurrent batches that charge the same totals, under the same idempotency keys, in different orders do not fail and
/// do not exceed a limit.
pub async fn batches_with_the_same_days_in_different_orders_do_not_deadlock(Pair { port, peer }: Repository) {
    on_one_day(&*port).await;
    let api_keys: Vec<_> = (0..8).map(|_| build::fresh_api_key()).collect();
    let keys: Vec<_> = (0..8).map(|_| build::fresh_key()).collect();
    let racers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let mut batch: Vec<NewPayout> = Vec::new();
        for (api_key, key) in api_keys.iter().zip(&keys) {
            batch.push(build::charged("10", "USD", "100", *api_key));
            batch.push(build::under(key, build::charged("10", "EUR", "10", *api_key)));
            // Without a limit: it waits only for its idempotency key.
            batch.push(build::keyed(key));
        }
        batch.rotate_left(n % 24);
        async move { repository.insert(&batch).await.unwrap() }
    });
    let answers = drive::race(racers).await.concat();
    let stored = answers
        .iter()
        .filter(|answer| matches!(answer, Insertion::Stored(_)));
    assert_eq!(stored.count(), 8 * 10 + 8, "ten of each day, and one of each key");
}
