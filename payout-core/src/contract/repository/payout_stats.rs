//! Cases for the numbers of payouts in a small store, where every number is exact.

use std::time::Duration;

use crate::contract::{Pair, build, drive};
use crate::payout::Status;
use crate::ports::{PayoutRepository, PayoutStats};

type Repository = Pair<dyn PayoutRepository>;

/// Returns the numbers sorted by status and currency.
fn told(payout_stats: &PayoutStats) -> Vec<(&'static str, &'static str, u64)> {
    let mut told: Vec<_> = payout_stats
        .counts
        .iter()
        .map(|tally| (tally.status.as_str(), tally.currency.code(), tally.count))
        .collect();
    told.sort_unstable();
    told
}

/// The census of an empty store is empty.
pub async fn a_census_of_nothing_is_empty(Pair { port, .. }: Repository) {
    assert_eq!(port.payout_stats().await.unwrap(), PayoutStats::default());
}

/// Each payout counts once, with its current status and its currency; a deleted one does not count.
pub async fn a_census_tells_every_status_and_currency_once(Pair { port, peer }: Repository) {
    drive::declined(&*port).await;
    drive::under_review(&*port).await;
    let claim = drive::claimed(&*port).await;
    drive::settled(&*port, claim, build::completed("ref")).await;
    drive::claimed(&*port).await;
    for currency in ["EUR", "EUR", "KWD"] {
        drive::store(&*port, build::amounting_to("1", currency)).await;
    }
    // Including final ones: those are counted from a sample, and open ones separately.
    let claim = drive::claimed(&*port).await;
    let ended = drive::settled(&*port, claim, build::completed("ref")).await;
    for deleted in [drive::stored(&*port).await, ended] {
        drive::apply(&*port, &build::deletion(&deleted)).await;
    }

    let payout_stats = peer.payout_stats().await.unwrap();
    let expected = [
        ("completed", "USD", 1),
        ("failed", "USD", 1),
        ("pending", "EUR", 2),
        ("pending", "KWD", 1),
        ("processing", "USD", 2),
    ];
    assert_eq!(told(&payout_stats), expected);
    assert_eq!(payout_stats.in_review, 1);
}

/// Payouts under review are counted however many others are open: they wait until an operator acts.
pub async fn a_census_tells_who_is_under_review_beside_more_than_it_counts(Pair { port, .. }: Repository) {
    drive::under_review(&*port).await;
    for _ in 0..=PayoutStats::COUNTED / 1000 {
        let batch: Vec<_> = (0..1000).map(|_| build::new_payout()).collect();
        port.insert(&batch).await.unwrap();
    }
    let payout_stats = port.payout_stats().await.unwrap();
    assert_eq!(payout_stats.in_review, 1);
    let told = told(&payout_stats);
    assert!(told.contains(&("processing", "USD", 1)), "{told:?}");
    let pending = told.iter().find(|(status, ..)| *status == "pending").unwrap().2;
    assert!(pending >= u64::from(PayoutStats::COUNTED), "{told:?}");
}

/// The age is that of the payout due longest. A payout that is scheduled or leased is not due.
pub async fn a_census_tells_for_how_long_the_longest_due_has_waited(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let mut later = build::new_payout();
    later.details.scheduled_at = Some(port.now().await.unwrap() + Duration::from_secs(600));
    drive::store(&*port, later).await;
    assert_eq!(port.payout_stats().await.unwrap().overdue, Duration::ZERO);

    drive::settled(&*port, claim, build::postponed(Duration::ZERO)).await;
    drive::eventually("it has been due for a while", async || {
        let payout_stats = port.payout_stats().await.unwrap();
        (payout_stats.overdue >= Duration::from_millis(50)).then_some(())
    })
    .await;
    let payout_stats = port.payout_stats().await.unwrap();
    assert!(payout_stats.overdue < Duration::from_secs(60), "{payout_stats:?}");
    let due = payout_stats
        .counts
        .iter()
        .filter(|tally| tally.status == Status::Pending);
    assert_eq!(
        due.count(),
        1,
        "the one that waits for its time: {payout_stats:?}"
    );
}

/// Payouts that wait in the queues of their batches are due too: the age is that of the payout due longest in any queue.
pub async fn a_census_tells_for_how_long_a_batch_has_waited(Pair { port, .. }: Repository) {
    let in_batch = |new| crate::payout::NewPayout {
        batch: Some(build::place_in_batch()),
        ..new
    };
    let until = port.now().await.unwrap() + Duration::from_secs(600);
    let later = || {
        let mut later = build::new_payout();
        later.details.scheduled_at = Some(until);
        later
    };
    drive::store(&*port, in_batch(later())).await;
    assert_eq!(port.payout_stats().await.unwrap().overdue, Duration::ZERO);
    drive::store(&*port, in_batch(build::new_payout())).await;
    drive::store(&*port, in_batch(later())).await;
    drive::eventually("it has been due for a while", async || {
        let payout_stats = port.payout_stats().await.unwrap();
        (payout_stats.overdue >= Duration::from_millis(50)).then_some(())
    })
    .await;
}
