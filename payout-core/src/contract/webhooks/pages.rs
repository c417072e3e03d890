//! Cases for pages of the feed, which become deliveries.

use super::{WebhookStore, content, numbers, page, position, stored_and_held, three_deliveries};
use crate::contract::{Pair, build};
use crate::ports::{DeliveryPage, PageSource, WebhookError};
use crate::webhook::{DeliveryStatus, Replay};

type Webhooks = Pair<dyn WebhookStore>;

/// The deliveries of a page are stored in its order, and the position moves behind it.
pub async fn a_page_becomes_deliveries_in_its_order(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let stored = three_deliveries(&*port, held.lease).await;
    assert_eq!(numbers(&stored), [1, 2, 3]);
    let names: Vec<_> = stored.iter().map(|one| one.content.message_id.as_str()).collect();
    assert_eq!(names, ["evt_a", "evt_b", "evt_c"]);
    assert!(
        stored
            .iter()
            .all(|one| one.status == DeliveryStatus::Pending && one.due_at.is_some())
    );
    assert_eq!(port.waiting_deliveries(held.lease).await.unwrap(), stored);
    let watched = peer.webhook(held.lease.id).await.unwrap().unwrap();
    assert_eq!((watched.position, watched.waiting), (position(4), 3));
    assert_eq!(watched.oldest_waiting, Some(stored[0].created_at));
    let further = port
        .store_page(held.lease, &page(4, 9, &[content("d", None)]))
        .await
        .unwrap();
    assert_eq!(numbers(&further.unwrap()), [4]);
}

/// A page that was stored already, or that was read elsewhere, is not stored: nothing is doubled, and nothing skipped.
pub async fn a_page_is_stored_only_where_it_was_read(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    three_deliveries(&*port, held.lease).await;
    for (after, next) in [(1, 4), (5, 6)] {
        let refused = port
            .store_page(held.lease, &page(after, next, &[content("x", None)]))
            .await;
        assert_eq!(refused.unwrap(), None, "after {after}");
    }
    assert_eq!(port.waiting_deliveries(held.lease).await.unwrap().len(), 3);
    let one = page(4, 5, &[content("d", None)]);
    let (first, second) = tokio::join!(
        port.store_page(held.lease, &one),
        peer.store_page(held.lease, &one)
    );
    let stored = [first.unwrap(), second.unwrap()].into_iter().flatten().count();
    assert_eq!(stored, 1, "of two that store the same page, one does");
    assert_eq!(port.waiting_deliveries(held.lease).await.unwrap().len(), 4);
}

/// A page without deliveries moves the position.
pub async fn an_empty_page_moves_the_position(Pair { port, .. }: Webhooks) {
    let held = stored_and_held(&*port).await;
    assert_eq!(
        port.store_page(held.lease, &page(1, 8, &[])).await.unwrap(),
        Some(Vec::new())
    );
    let watched = port.webhook(held.lease.id).await.unwrap().unwrap();
    assert_eq!((watched.position, watched.waiting), (position(8), 0));
}

/// A range is replayed page by page, beside the feed, and only one at a time.
pub async fn a_range_is_replayed_beside_the_feed(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    let id = held.lease.id;
    three_deliveries(&*port, held.lease).await;
    let range = Replay {
        after: position(1),
        until: position(3),
    };
    peer.replay(id, range).await.unwrap();
    assert!(matches!(
        port.replay(id, range).await,
        Err(WebhookError::Replaying)
    ));
    let renewed = port
        .renew_webhooks(&[held.lease], build::LONG_LEASE)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((renewed.replay, renewed.position), (Some(range), position(4)));
    let replayed = |after, next, ends| DeliveryPage {
        source: PageSource::Replay { ends },
        ..page(after, next, &[content("a", Some(1))])
    };
    let stored = port.store_page(held.lease, &replayed(1, 2, false)).await.unwrap();
    assert_eq!(numbers(&stored.unwrap()), [4]);
    assert_eq!(
        port.store_page(held.lease, &replayed(1, 2, false)).await.unwrap(),
        None
    );
    let watched = port.webhook(id).await.unwrap().unwrap();
    let rest = Replay {
        after: position(2),
        ..range
    };
    assert_eq!((watched.replay, watched.position), (Some(rest), position(4)));
    assert!(
        port.store_page(held.lease, &replayed(2, 3, true))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(port.webhook(id).await.unwrap().unwrap().replay, None);
    assert_eq!(
        port.store_page(held.lease, &replayed(3, 4, true)).await.unwrap(),
        None
    );
    port.replay(id, range).await.unwrap();
}
