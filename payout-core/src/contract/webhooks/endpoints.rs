//! Cases for endpoints.

use std::time::Duration;

use super::{WebhookStore, held, new_endpoint, operator, position, secret, stored, three_deliveries};
use crate::contract::{Pair, build};
use crate::ports::{DeliveryQuery, WEBHOOKS_MAX, WebhookError};
use crate::webhook::{DisabledWhy, EndpointState, EndpointUrl};

type Webhooks = Pair<dyn WebhookStore>;

/// An endpoint reads back, in every process, with everything that was stored.
pub async fn an_endpoint_reads_back_with_all_its_parts(Pair { port, peer }: Webhooks) {
    let one = stored(&*port).await;
    let now = port.webhooks_now().await.unwrap();
    let mut other = new_endpoint(now).rotated(secret(), now, Duration::from_secs(3600));
    (other.types, other.include_recipient) = (Vec::new(), true);
    let other = port.insert_webhook(&other, position(2)).await.unwrap();
    let listed = peer.webhooks().await.unwrap();
    let endpoints: Vec<_> = listed.iter().map(|watched| &watched.endpoint).collect();
    assert_eq!(endpoints, [&one, &other]);
    assert_eq!(
        (listed[0].position, listed[1].position),
        (position(1), position(2))
    );
    assert_eq!((listed[0].waiting, listed[0].oldest_waiting), (0, None));
    assert_eq!(peer.webhook(one.id).await.unwrap().as_ref(), Some(&listed[0]));
}

/// A change applies to the version that was read. Of two changes of one version, the second is refused.
pub async fn a_change_of_an_endpoint_is_guarded_by_its_revision(Pair { port, peer }: Webhooks) {
    let endpoint = stored(&*port).await;
    let mut changed = endpoint.clone();
    changed.url = EndpointUrl::new("https://new.example/").unwrap();
    changed.secrets = changed
        .secrets
        .rotated(secret(), endpoint.created_at, Duration::ZERO);
    let saved = port.save_webhook(&changed, &operator()).await.unwrap();
    assert_ne!(saved.revision, endpoint.revision);
    assert_eq!(peer.webhook(endpoint.id).await.unwrap().unwrap().endpoint, saved);
    let late = endpoint
        .clone()
        .disabled(DisabledWhy::Operator, endpoint.created_at);
    assert!(matches!(
        peer.save_webhook(&late, &operator()).await,
        Err(WebhookError::Changed)
    ));
    let disabled = saved.clone().disabled(DisabledWhy::Operator, endpoint.created_at);
    let disabled = peer.save_webhook(&disabled, &operator()).await.unwrap();
    let state = EndpointState::Disabled {
        why: DisabledWhy::Operator,
        at: endpoint.created_at,
    };
    assert_eq!(
        port.webhook(endpoint.id).await.unwrap().unwrap().endpoint.state,
        state
    );
    let enabled = port.save_webhook(&disabled.enabled(), &operator()).await.unwrap();
    assert!(enabled.is_enabled());
    let unknown = new_endpoint(endpoint.created_at);
    assert!(matches!(
        port.save_webhook(&unknown, &operator()).await,
        Err(WebhookError::NotFound)
    ));
}

/// A deleted endpoint is gone, and nothing of it can be read or written.
pub async fn a_deleted_endpoint_is_gone_with_its_deliveries(Pair { port, peer }: Webhooks) {
    let endpoint = stored(&*port).await;
    let lease = held(&*port, build::LONG_LEASE).await.lease;
    three_deliveries(&*port, lease).await;
    assert!(peer.delete_webhook(endpoint.id).await.unwrap());
    assert!(!port.delete_webhook(endpoint.id).await.unwrap());
    assert_eq!(port.webhooks().await.unwrap(), []);
    assert_eq!(port.webhook(endpoint.id).await.unwrap(), None);
    let all = DeliveryQuery {
        status: None,
        before: None,
        limit: 10,
    };
    assert_eq!(port.deliveries(endpoint.id, &all).await.unwrap(), []);
    assert_eq!(port.delivery(endpoint.id, 1).await.unwrap(), None);
    assert_eq!(
        port.renew_webhooks(&[lease], build::LONG_LEASE).await.unwrap(),
        []
    );
    assert!(matches!(
        port.save_webhook(&endpoint, &operator()).await,
        Err(WebhookError::NotFound)
    ));
    // Its deliveries are removed in time, by however many calls.
    while port.forget_deliveries(2).await.unwrap() > 0 {}
    assert_eq!(port.forget_deliveries(2).await.unwrap(), 0);
}

/// There is a largest number of endpoints; deleted ones do not count.
pub async fn there_are_no_more_endpoints_than_may_be(Pair { port, .. }: Webhooks) {
    let mut last = stored(&*port).await;
    for _ in 1..WEBHOOKS_MAX {
        last = stored(&*port).await;
    }
    let further = new_endpoint(last.created_at);
    let refused = port.insert_webhook(&further, position(1)).await;
    assert!(matches!(refused, Err(WebhookError::TooMany)));
    assert!(port.delete_webhook(last.id).await.unwrap());
    port.insert_webhook(&further, position(1)).await.unwrap();
}
