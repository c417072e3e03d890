//! Cases for readers that follow concurrent writers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Fed, page, query, told, until_created};
use crate::contract::{Pair, build, drive};
use crate::feed::{EventType, FeedPosition, PublicEvent};
use crate::payout::PayoutId;
use crate::ports::RepositoryError;

type Repository = Pair<dyn Fed>;

/// The number of payouts that each writer takes through their lives.
const LIVES: usize = 12;

/// The life of one payout, in which a person and a worker may race. Every write goes through one of two handles.
async fn live(own: Arc<dyn Fed>, other: Arc<dyn Fed>, number: usize) -> PayoutId {
    let payout = drive::stored(&*own).await;
    let id = payout.id();
    if number.is_multiple_of(3) {
        let edit = payout.clone().edit(payout.details().clone(), build::client());
        match other.apply(&edit.unwrap(), None).await {
            Ok(_) | Err(RepositoryError::VersionConflict | RepositoryError::Locked { .. }) => (),
            Err(error) => panic!("{error:?}"),
        }
    }
    let claim = drive::claim_when_due(&*other, id, build::LONG_LEASE).await;
    match number % 4 {
        0 => {
            drive::settled(&*own, claim, build::released(Duration::ZERO)).await;
            let claim = drive::claim_when_due(&*other, id, build::LONG_LEASE).await;
            drive::settled(&*own, claim, build::completed("ref")).await;
        }
        1 => {
            let failed = drive::settled(&*other, claim, build::failed()).await;
            let now = own.now().await.unwrap();
            if let Ok(retry) = failed.retry(now, build::client()) {
                drive::apply(&*own, &retry).await;
            }
        }
        2 => {
            drive::settled(&*own, claim, build::review()).await;
        }
        _ => {
            drive::settled(&*other, claim, build::completed("ref")).await;
        }
    }
    id
}

/// While eight writers take payouts through their lives over two handles, readers that follow see every event once, and
/// those of each payout in the order of its versions. Afterwards a reader from the beginning sees the same.
pub async fn readers_that_follow_eight_writers_miss_nothing(Pair { port, peer }: Repository) {
    let writers: Vec<_> = (0..8_usize)
        .map(|writer| {
            let (own, other) = if writer.is_multiple_of(2) {
                (port.clone(), peer.clone())
            } else {
                (peer.clone(), port.clone())
            };
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for number in 0..LIVES {
                    ids.push(live(own.clone(), other.clone(), writer + number).await);
                }
                ids
            })
        })
        .collect();
    let readers: Vec<_> = [1_u32, 7, 1000]
        .into_iter()
        .map(|limit| {
            let port = peer.clone();
            tokio::spawn(async move { follow(port, limit).await })
        })
        .collect();
    let mut ids = Vec::new();
    for writer in writers {
        ids.extend(writer.await.unwrap());
    }
    let last = drive::store(&*port, build::paid_to("The Last")).await.id();
    // The readers stop at this payout, whose money no other has.
    let marker = drive::store(&*port, build::amounting_to("0.01", "BHD"))
        .await
        .id();
    let everything = until_created(&*port, &query(FeedPosition::START, &[], 1000), marker).await;
    assert!(everything.iter().any(|event| event.payout_id() == Some(last)));
    assert_told(&*port, &everything, &ids).await;
    for reader in readers {
        let followed: Vec<PublicEvent> = reader.await.unwrap();
        assert_eq!(followed, everything);
    }
}

/// Follows the feed until the payout in Bahraini dinars; returns the events before it.
async fn follow(port: Arc<dyn Fed>, limit: u32) -> Vec<PublicEvent> {
    let mut query = query(FeedPosition::START, &[], limit);
    let mut events = Vec::new();
    loop {
        let page = page(&*port, &query).await;
        query.after = page.next;
        for event in page.events {
            if told(&event).money.currency().code() == "BHD" {
                return events;
            }
            events.push(event);
        }
        if page.is_last {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Checks that the events of these payouts are those of their trails, in the order of their versions.
async fn assert_told(port: &dyn Fed, events: &[PublicEvent], ids: &[PayoutId]) {
    let mut versions: HashMap<PayoutId, Vec<u64>> = HashMap::new();
    for event in events {
        let payout = told(event);
        versions.entry(payout.id).or_default().push(payout.version);
    }
    for id in ids {
        let own = &versions[id];
        assert!(own.is_sorted_by(|one, next| one < next), "{own:?}");
        let trail = drive::trail(port, *id).await;
        let expected: Vec<EventType> = (0..trail.len())
            .filter_map(|place| {
                let before = crate::feed::Before::after(&trail[..place]);
                EventType::of(trail[place].kind, before)
            })
            .collect();
        assert_eq!(super::types_of(events, *id), expected);
        assert_eq!(own.last(), Some(&drive::found(port, *id).await.version()));
    }
}
