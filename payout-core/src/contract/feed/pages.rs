//! Cases for pages of the feed, and for readers that go on from them.

use std::time::Duration;

use super::{Fed, all, all_by, page, query, until_created};
use crate::contract::{Pair, build, drive};
use crate::feed::{EventType, FeedPosition};
use crate::payout::NewPayout;
use crate::ports::FeedPage;

type Repository = Pair<dyn Fed>;

/// Stores payouts in batches and one by one, and takes some of them to other states.
async fn some_lives(port: &dyn Fed) {
    let batch: Vec<NewPayout> = (0..5).map(|_| build::new_payout()).collect();
    port.insert(&batch).await.unwrap();
    drive::declined(port).await;
    port.insert(&batch_of_three()).await.unwrap();
    let claim = drive::claimed(port).await;
    let id = claim.payout().id();
    drive::settled(port, claim, build::postponed(Duration::ZERO)).await;
    let claim = drive::claim_when_due(port, id, build::LONG_LEASE).await;
    drive::settled(port, claim, build::completed("ref")).await;
    drive::under_review(port).await;
}

fn batch_of_three() -> [NewPayout; 3] {
    [build::new_payout(), build::new_payout(), build::new_payout()]
}

/// Pages of every size show the same events, each once, in the same order. The feed can be read again.
pub async fn pages_of_every_size_show_the_same(Pair { port, peer }: Repository) {
    some_lives(&*port).await;
    let events = all(&*port).await;
    assert_eq!(events.len(), 5 + 3 + 3 + 3 + 3);
    for limit in [1, 2, 3, 7, 1000] {
        let again = all_by(&*peer, limit).await;
        // Each reading stores a payout of its own at the end.
        assert_eq!(again[..events.len()], events, "by {limit}");
    }
}

/// A reader at the end gets nothing, its position does not change, and it then gets what comes later and nothing else.
pub async fn a_reader_at_the_end_goes_on_from_there(Pair { port, peer }: Repository) {
    let empty = page(&*port, &query(FeedPosition::START, &[], 10)).await;
    assert_eq!((empty.next, empty.is_last), (FeedPosition::START, true));
    assert_eq!(port.end().await.unwrap(), FeedPosition::START);

    some_lives(&*port).await;
    let before = all(&*port).await;
    let last = drive::stored(&*port).await.id();
    let all = until_created(&*port, &query(FeedPosition::START, &[], 1000), last).await;
    assert_eq!(all[..before.len()], before);
    let end = port.end().await.unwrap();
    assert!(end > all.last().unwrap().position);
    for _ in 0..3 {
        let nothing = page(&*peer, &query(end, &[], 10)).await;
        assert_eq!(
            (nothing.events, nothing.next, nothing.is_last),
            (vec![], end, true)
        );
    }
    for _ in 0..3 {
        let payout = drive::stored(&*peer).await;
        let from_the_end = query(end, &[], 1000);
        let news = until_created(&*port, &from_the_end, payout.id()).await;
        assert!(news.iter().all(|event| event.position > end));
        assert!(news.len() < 3, "{news:?}");
    }
}

/// A filter leaves out the other types, in pages of every size, and its reader reaches the end too.
pub async fn a_filter_by_types_leaves_out_the_others(Pair { port, .. }: Repository) {
    some_lives(&*port).await;
    let events = all(&*port).await;
    for types in [
        &[EventType::Created][..],
        &[EventType::Processing],
        &[EventType::Completed, EventType::Failed],
        &[EventType::NeedsReview, EventType::Processing, EventType::Deleted],
    ] {
        let expected: Vec<_> = events
            .iter()
            .filter(|event| types.contains(&event.event_type))
            .cloned()
            .collect();
        for limit in [1, 2, 1000] {
            let mut query = query(FeedPosition::START, types, limit);
            let mut found = Vec::new();
            loop {
                let page = page(&*port, &query).await;
                found.extend(page.events);
                query.after = page.next;
                if page.is_last {
                    break;
                }
            }
            // The payout that marks the end of `all` is one more creation.
            assert_eq!(found[..expected.len()], expected, "{types:?} by {limit}");
            assert!(found.len() <= expected.len() + 1);
        }
    }
}

/// A page is never longer than the longest, and a limit of none is one.
pub async fn a_page_has_a_longest_length(Pair { port, .. }: Repository) {
    for _ in 0..3 {
        let batch: Vec<NewPayout> = (0..400).map(|_| build::new_payout()).collect();
        port.insert(&batch).await.unwrap();
    }
    let events = all(&*port).await;
    assert_eq!(events.len(), 1200);
    let start = FeedPosition::START;
    let longest = page(&*port, &query(start, &[], u32::MAX)).await;
    assert_eq!(longest.events, events[..FeedPage::LONGEST as usize]);
    assert!(!longest.is_last);
    let mut one = query(start, &[], 0);
    let shortest = port.after(&one).await.unwrap();
    assert_eq!(shortest.events, events[..1]);
    one.after = events[1199].position;
    assert_eq!(port.after(&one).await.unwrap().events.len(), 1);
}
