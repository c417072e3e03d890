//! Cases for the counts: they equal a count of every payout, whatever happened to it and whenever sums were kept.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::Timestamp;
use crate::contract::stats::Counting;
use crate::contract::{Pair, build, drive};
use crate::payout::{Failure, NewPayout, Payout, Standing, Status};
use crate::ports::{Cursor, Filter, ListQuery, Listed, Order, Position};
use crate::stats::{Days, GroupKey, Grouping, Stats, StatsRow};

type Statistics = Pair<dyn Counting>;

/// Groupings, and none.
const EVERY: [Option<Grouping>; 5] = [
    None,
    Some(Grouping::Day),
    Some(Grouping::Currency),
    Some(Grouping::Status),
    Some(Grouping::Provider),
];

/// The age of payouts that every store has reached.
const OLD: TimeDelta = TimeDelta::days(3);

async fn now(port: &dyn Counting) -> Timestamp {
    port.now().await.unwrap()
}

/// The days from long before the old payouts until today.
async fn days(port: &dyn Counting) -> Days {
    Days::until(now(port).await.date_naive(), 30)
}

async fn read(port: &dyn Counting, days: Days, by: Option<Grouping>) -> Stats {
    port.stats(days, by).await.unwrap().into_iter().collect()
}

/// Counts every payout of a list, one by one.
async fn counted(port: &dyn Counting, days: Days, by: Option<Grouping>) -> Stats {
    let mut query = ListQuery {
        filter: Filter::default(),
        order: Order::OldestFirst,
        position: Position::Offset(0),
        limit: 500,
    };
    let mut all: Vec<Payout> = Vec::new();
    loop {
        let page = port.list(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.position = Position::After(last.place(query.order));
        all.extend(page.into_iter().map(|row| match row {
            Listed::Payout(payout) => payout,
            Listed::Deleted(_) | Listed::Unreadable(Cursor { .. }) => panic!("a payout that can be read"),
        }));
    }
    let within = all
        .iter()
        .filter(|payout| days.contain(payout.parts().created_at));
    within.map(|payout| StatsRow::of(payout, by)).collect()
}

/// Compares the statistics with a count, for every grouping.
async fn check(port: &dyn Counting) {
    for by in EVERY {
        let days = days(port).await;
        assert_eq!(
            read(port, days, by).await,
            counted(port, days, by).await,
            "by {by:?}"
        );
    }
}

/// Adds everything that the store can add now.
async fn fold(port: &dyn Counting) {
    for _ in 0..50 {
        port.fold_stats(100).await.unwrap();
    }
}

/// Stores old payouts with every status.
async fn store_old(port: &dyn Counting, count: usize) -> Vec<Payout> {
    let at = now(port).await - OLD;
    let standings = [
        Standing::Pending,
        Standing::Completed(None),
        Standing::Failed(Failure::new("closed", "The account is closed.")),
        Standing::Cancelled,
    ];
    let batch: Vec<_> = standings
        .into_iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(|(place, standing)| {
            let step = TimeDelta::minutes(i64::try_from(place).unwrap());
            build::foreign(standing, at + step)
        })
        .collect();
    port.import(&batch).await.unwrap();
    let mut stored = Vec::new();
    for foreign in batch {
        stored.push(drive::found(port, foreign.id).await);
    }
    stored
}

/// New payouts are counted at once, with their amounts, and deleted ones are not.
pub async fn payouts_are_counted_as_they_stand(statistics: Statistics) {
    let port = &*statistics.port;
    check(port).await;
    drive::store(port, build::amounting_to("7.25", "EUR")).await;
    drive::store(port, build::amounting_to("1000", "JPY")).await;
    let claim = drive::claimed(port).await;
    check(port).await;
    drive::settled(port, claim, build::completed("ref")).await;
    drive::declined(port).await;
    let deleted = drive::stored(port).await;
    drive::apply(port, &build::deletion(&deleted)).await;
    check(port).await;
    let stats = read(port, days(port).await, Some(Grouping::Status)).await;
    let completed = stats
        .groups
        .iter()
        .find(|group| group.key == GroupKey::Status(Status::Completed));
    assert_eq!(completed.unwrap().summary.payouts(), 1);
    assert_eq!(completed.unwrap().summary.time_to_pay.count(), 1);
}

/// Sums are kept of old payouts, and change nothing of what is read.
pub async fn sums_that_are_kept_equal_a_count(statistics: Statistics) {
    let port = &*statistics.port;
    store_old(port, 40).await;
    check(port).await;
    for _ in 0..12 {
        port.fold_stats(7).await.unwrap();
        check(port).await;
    }
    fold(port).await;
    store_old(port, 12).await;
    check(port).await;
    fold(port).await;
    check(port).await;
}

/// Payouts that were counted once may be retried, paid, deleted and come back.
pub async fn what_changes_after_it_was_counted_is_counted_again(statistics: Statistics) {
    let port = &*statistics.port;
    let old = store_old(port, 24).await;
    fold(port).await;
    check(port).await;
    let now = now(port).await;
    let of = |status| old.iter().filter(move |payout| payout.status() == status);
    for payout in of(Status::Failed) {
        let retried = payout.clone().retry(now, build::client()).unwrap();
        drive::apply(port, &retried).await;
    }
    for payout in of(Status::Cancelled).take(3) {
        drive::apply(port, &build::deletion(payout)).await;
    }
    check(port).await;
    let claims = port.claim(&build::sweep(4, build::LONG_LEASE)).await.unwrap().won;
    fold(port).await;
    check(port).await;
    // Open when they were reached, and final and changed again before the next time.
    for (place, claim) in claims.into_iter().enumerate() {
        if place % 2 == 0 {
            drive::settled(port, claim, build::completed(&build::unique("ref"))).await;
        } else {
            let failed = drive::settled(port, claim, build::failed()).await;
            check(port).await;
            let retried = failed.retry(port.now().await.unwrap(), build::client()).unwrap();
            drive::apply(port, &retried).await;
        }
    }
    check(port).await;
    fold(port).await;
    check(port).await;
}

/// While payouts are created, paid, retried and deleted, and sums are kept by several processes, no payout is counted
/// twice or missed.
pub async fn sums_are_kept_beside_writes(statistics: Statistics) {
    let port = statistics.port.clone();
    let old = store_old(&*port, 40).await;
    let failed: Vec<Payout> = old
        .iter()
        .filter(|payout| payout.status() == Status::Failed)
        .cloned()
        .collect();
    let folding = (0..2).map(|_| {
        let port = statistics.port.clone();
        tokio::spawn(async move {
            for _ in 0..60 {
                port.fold_stats(5).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    });
    let folding: Vec<_> = folding.collect();
    let writing = {
        let port: Arc<dyn Counting> = port.clone();
        tokio::spawn(async move {
            let now = port.now().await.unwrap();
            for payout in failed {
                let retried = payout.retry(now, build::client()).unwrap();
                drive::apply(&*port, &retried).await;
                let batch: Vec<NewPayout> = (0..5).map(|_| build::new_payout()).collect();
                port.insert(&batch).await.unwrap();
                let claims = port.claim(&build::sweep(3, build::LONG_LEASE)).await.unwrap().won;
                for claim in claims {
                    drive::settle(&*port, claim, build::completed(&build::unique("ref"))).await;
                }
            }
        })
    };
    writing.await.unwrap();
    for task in folding {
        task.await.unwrap();
    }
    check(&*port).await;
    fold(&*port).await;
    check(&*port).await;
}

/// Payouts of other days are not counted.
pub async fn only_the_days_that_are_asked_for_are_counted(statistics: Statistics) {
    let port = &*statistics.port;
    store_old(port, 8).await;
    drive::stored(port).await;
    let now = now(port).await;
    for fold_first in [false, true] {
        if fold_first {
            fold(port).await;
        }
        for days in [
            Days::until(now.date_naive(), 1),
            Days::until((now - OLD).date_naive(), 1),
            Days::until((now - TimeDelta::days(30)).date_naive(), 5),
        ] {
            for by in EVERY {
                assert_eq!(
                    read(port, days, by).await,
                    counted(port, days, by).await,
                    "{days:?} by {by:?}"
                );
            }
        }
    }
}
