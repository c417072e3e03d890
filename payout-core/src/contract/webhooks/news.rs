//! Cases for the events of endpoints.

use super::{WebhookStore, attempted, operator, stored, stored_and_held, three_deliveries, worker};
use crate::contract::{Pair, drive};
use crate::feed::{EventType, FeedPosition, PublicEvent, Subject};
use crate::payout::{Actor, Description};
use crate::ports::{AttemptBatch, FeedQuery};
use crate::webhook::{DisabledWhy, Next};

type Webhooks = Pair<dyn WebhookStore>;

/// Returns this many events, which are all.
async fn news(port: &dyn WebhookStore, count: usize) -> Vec<PublicEvent> {
    let query = FeedQuery {
        after: FeedPosition::START,
        types: Vec::new(),
        limit: 100,
    };
    drive::eventually("the events are shown", async || {
        let events = port.after(&query).await.unwrap().events;
        assert!(events.len() <= count, "{events:?}");
        (events.len() == count).then_some(events)
    })
    .await
}

fn told(events: &[PublicEvent]) -> Vec<(EventType, &Actor, Option<&str>)> {
    events
        .iter()
        .map(|event| (event.event_type, &event.actor, event.reason.as_deref()))
        .collect()
}

/// The feed reports once that a person disabled or enabled an endpoint; no other change, and none that is refused.
pub async fn an_endpoint_that_a_person_disables_or_enables_is_told(Pair { port, peer }: Webhooks) {
    let endpoint = stored(&*port).await;
    let (id, now, person) = (endpoint.id, endpoint.created_at, operator());
    let late = endpoint.clone().disabled(DisabledWhy::Operator, now);
    let mut described = endpoint;
    described.description = Description::new("another").unwrap();
    let described = port.save_webhook(&described, &person).await.unwrap();
    assert!(peer.save_webhook(&late, &person).await.is_err());
    let disabled = described.disabled(DisabledWhy::Operator, now);
    let disabled = peer.save_webhook(&disabled, &person).await.unwrap();
    let disabled = port.save_webhook(&disabled, &person).await.unwrap();
    port.save_webhook(&disabled.enabled(), &person).await.unwrap();
    let events = news(&*peer, 2).await;
    assert_eq!(
        told(&events),
        [
            (EventType::WebhookDisabled, &person, Some("operator")),
            (EventType::WebhookEnabled, &person, None),
        ]
    );
    assert!(events.iter().all(|event| event.subject == Subject::Webhook(id)));
}

/// The feed reports once, with the worker's name, an endpoint that answered 410 or failed for too long.
pub async fn an_endpoint_that_is_disabled_by_its_answers_is_told(Pair { port, peer }: Webhooks) {
    let held = stored_and_held(&*port).await;
    three_deliveries(&*port, held.lease).await;
    let gone = |number| AttemptBatch {
        attempts: vec![attempted(number, 1, held.now, Next::GivenUp)],
        failing_since: Some(held.now),
        disable: Some(DisabledWhy::Gone),
    };
    assert!(port.settle_attempts(held.lease, &gone(1)).await.unwrap());
    assert!(port.settle_attempts(held.lease, &gone(2)).await.unwrap());
    let events = news(&*peer, 1).await;
    assert_eq!(
        told(&events),
        [(EventType::WebhookDisabled, &worker(1), Some("gone"))]
    );
    assert_eq!(events[0].subject, Subject::Webhook(held.lease.id));
    let mut lost = held.lease;
    lost.fence += 1;
    assert!(!port.settle_attempts(lost, &gone(3)).await.unwrap());
    news(&*port, 1).await;
}
