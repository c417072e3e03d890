//! Cases for the pages of a list: by cursor in both directions, and by offset.

use std::collections::HashSet;
use std::sync::Arc;

use crate::contract::{Pair, build, drive};
use crate::payout::{NewPayout, Payout, PayoutId};
use crate::ports::{Cursor, Filter, Insertion, ListQuery, Order, PayoutRepository, Position};

type Repository = Pair<dyn PayoutRepository>;

const PAGE: u32 = 7;

fn page_at(order: Order, position: Position) -> ListQuery {
    ListQuery {
        filter: Filter::default(),
        order,
        position,
        limit: PAGE,
    }
}

fn place(payout: &Payout) -> Cursor {
    Cursor {
        at: payout.parts().created_at,
        id: payout.id(),
    }
}

/// Stores payouts in batches, so that many share their time of creation. Returns their positions, oldest first.
async fn store_with_ties(repository: &dyn PayoutRepository) -> Vec<Cursor> {
    let mut places = Vec::new();
    for _ in 0..4 {
        let batch: Vec<NewPayout> = (0..12).map(|_| build::new_payout()).collect();
        for answer in repository.insert(&batch).await.unwrap() {
            let Insertion::Stored(payout) = answer else {
                panic!("KeyTaken without a key")
            };
            places.push(place(&payout));
        }
    }
    places.sort();
    places
}

/// Reads every page from this position in one direction, and returns all positions in the list's order.
async fn walk(
    repository: &dyn PayoutRepository,
    order: Order,
    mut position: Position,
    between_pages: impl AsyncFn(),
) -> Vec<Cursor> {
    let mut walked: Vec<Cursor> = Vec::new();
    // More pages than there are payouts, so that a walk in circles ends as well.
    for _ in 0..200 {
        let page = drive::listed(repository, &page_at(order, position)).await;
        assert!(page.len() <= PAGE as usize, "a page is no longer than asked");
        let places: Vec<Cursor> = page.iter().map(place).collect();
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
            break;
        };
        if matches!(position, Position::Before(_)) {
            walked.splice(0..0, places);
            position = Position::Before(first);
        } else {
            walked.extend(places);
            position = Position::After(last);
        }
        between_pages().await;
    }
    walked
}

fn in_order(order: Order, mut oldest_first: Vec<Cursor>) -> Vec<Cursor> {
    if order == Order::NewestFirst {
        oldest_first.reverse();
    }
    oldest_first
}

/// From the first page to the last and back again, in both orders, every payout occurs once and in its place.
pub async fn cursor_pages_show_every_payout_once_in_both_directions(Pair { port, .. }: Repository) {
    let places = store_with_ties(&*port).await;
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let expected = in_order(order, places.clone());
        let (first, last) = (expected[0], expected[expected.len() - 1]);
        assert_eq!(
            walk(&*port, order, Position::Offset(0), async || ()).await,
            expected
        );
        assert_eq!(
            walk(&*port, order, Position::After(first), async || ()).await,
            expected[1..]
        );
        assert_eq!(
            walk(&*port, order, Position::Before(last), async || ()).await,
            expected[..expected.len() - 1]
        );
        for (at, cursor) in expected.iter().enumerate() {
            let after = drive::listed(&*port, &page_at(order, Position::After(*cursor))).await;
            let end = expected.len().min(at + 1 + PAGE as usize);
            assert_eq!(after.iter().map(place).collect::<Vec<_>>(), expected[at + 1..end]);
            let before = drive::listed(&*port, &page_at(order, Position::Before(*cursor))).await;
            let start = at.saturating_sub(PAGE as usize);
            assert_eq!(before.iter().map(place).collect::<Vec<_>>(), expected[start..at]);
        }
    }
}

/// While payouts are being added, a walk returns every payout that was there before exactly once.
pub async fn cursor_pages_have_no_holes_under_concurrent_inserts(Pair { port, peer }: Repository) {
    let places = store_with_ties(&*port).await;
    let known: HashSet<PayoutId> = places.iter().map(|place| place.id).collect();
    let inserting = tokio::spawn(async move {
        for _ in 0..60 {
            peer.insert(&[build::new_payout(), build::new_payout()])
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
    });
    let insert_one = async || {
        port.insert(&[build::new_payout()]).await.unwrap();
    };
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let expected = in_order(order, places.clone());
        let last = expected[expected.len() - 1];
        for (position, expected) in [
            (Position::Offset(0), &expected[..]),
            (Position::Before(last), &expected[..expected.len() - 1]),
        ] {
            let mut walked = walk(&*port, order, position, &insert_one).await;
            walked.retain(|place| known.contains(&place.id));
            assert_eq!(walked, expected, "{order:?} from {position:?}");
        }
    }
    inserting.await.expect("the inserts succeed");
}

/// Pages by offset, as clients of the old service request them.
pub async fn offset_pages_show_every_payout_once(Pair { port, .. }: Repository) {
    let places = store_with_ties(&*port).await;
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut walked = Vec::new();
        for offset in (0..60).step_by(PAGE as usize) {
            let page = drive::listed(&*port, &page_at(order, Position::Offset(offset))).await;
            walked.extend(page.iter().map(place));
        }
        assert_eq!(walked, in_order(order, places.clone()));
    }
    assert_eq!(
        drive::listed(&*port, &page_at(Order::NewestFirst, Position::Offset(1000))).await,
        []
    );
}

/// A cursor is a position, not a payout: it stays valid after its payout is deleted. A listed payout equals the one
/// that `find` returns.
pub async fn a_cursor_outlives_its_payout(Pair { port, .. }: Repository) {
    let port: Arc<dyn PayoutRepository> = port;
    let places = store_with_ties(&*port).await;
    let page = drive::listed(&*port, &page_at(Order::OldestFirst, Position::Offset(0))).await;
    let last = page[page.len() - 1].clone();
    for payout in &page {
        assert_eq!(port.find(payout.id()).await.unwrap().as_ref(), Some(payout));
    }
    let cursor = place(&last);
    port.apply(&last.delete(build::client()).unwrap(), None)
        .await
        .unwrap();
    let next = drive::listed(&*port, &page_at(Order::OldestFirst, Position::After(cursor))).await;
    assert_eq!(next.iter().map(place).collect::<Vec<_>>(), places[7..14]);
    let before = drive::listed(&*port, &page_at(Order::OldestFirst, Position::Before(cursor))).await;
    assert_eq!(before.iter().map(place).collect::<Vec<_>>(), places[..6]);
}
