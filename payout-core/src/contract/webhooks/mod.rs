//! The cases for a repository of webhooks: endpoints, leases, pages of the feed, and attempts.

use std::time::Duration;

use uuid::Uuid;

use crate::Timestamp;
use crate::feed::{EventType, FeedPosition};
use crate::payout::{Actor, Description, PayoutId};
use crate::ports::{
    AttemptBatch, DeliveryPage, EndpointLease, EventFeed, HeldEndpoint, PageSource, Randomness,
    SettledAttempt, System, WebhookQueue, WebhookRepository,
};
use crate::webhook::{
    AnswerText, AttemptRecord, Delivery, Endpoint, EndpointState, EndpointUrl, NewDelivery, Next, Secrets,
    WebhookId, WebhookSecret,
};

use super::build;

pub mod attempts;
pub mod endpoints;
pub mod leases;
pub mod news;
pub mod operators;
pub mod pages;

/// A repository of webhooks that also leases them to workers, and the feed that reports them.
pub trait WebhookStore: WebhookRepository + WebhookQueue + EventFeed {}

impl<T: WebhookRepository + WebhookQueue + EventFeed> WebhookStore for T {}

/// Makes an endpoint for two types.
fn new_endpoint(now: Timestamp) -> Endpoint {
    Endpoint {
        id: WebhookId::generate(now, &System::default()),
        url: EndpointUrl::new("https://shop.example/hooks?for=payouts").unwrap(),
        types: vec![EventType::Completed, EventType::Failed],
        description: Description::new("The shop's bookkeeping").unwrap(),
        include_recipient: false,
        secrets: Secrets::new(WebhookSecret::of(&[7; 32])),
        state: EndpointState::Enabled,
        created_at: now,
        revision: 0,
    }
}

/// Makes a position in the feed.
fn position(number: u64) -> FeedPosition {
    FeedPosition {
        major: number,
        minor: 0,
        created: None,
        is_second: false,
    }
}

/// Stores an endpoint.
async fn stored(port: &dyn WebhookStore) -> Endpoint {
    let now = port.webhooks_now().await.unwrap();
    port.insert_webhook(&new_endpoint(now), position(1))
        .await
        .unwrap()
}

fn operator() -> Actor {
    Actor::new("operator")
}

fn worker(number: u8) -> Actor {
    Actor::new(&format!("worker-{number}"))
}

/// Leases the only endpoint.
async fn held(port: &dyn WebhookStore, lease: Duration) -> HeldEndpoint {
    let mut held = port.acquire_webhooks(&worker(1), lease, 10).await.unwrap();
    assert_eq!(held.len(), 1, "there is one endpoint, and it is free");
    held.remove(0)
}

/// Stores and leases an endpoint.
async fn stored_and_held(port: &dyn WebhookStore) -> HeldEndpoint {
    stored(port).await;
    held(port, build::LONG_LEASE).await
}

/// Makes the content of a delivery.
fn content(name: &str, payout: Option<u64>) -> NewDelivery {
    NewDelivery {
        message_id: format!("evt_{name}"),
        event_type: EventType::Completed.as_str().to_owned(),
        payout_id: payout.map(|payout| PayoutId::from(Uuid::from_u128(payout.into()))),
        body: format!(r#"{{"name": "{name}", "text": "•"}}"#),
    }
}

/// Makes a page of the feed.
fn page(after: u64, next: u64, deliveries: &[NewDelivery]) -> DeliveryPage {
    DeliveryPage {
        source: PageSource::Feed,
        after: position(after),
        next: position(next),
        deliveries: deliveries.to_vec(),
    }
}

/// Stores three deliveries for a leased endpoint.
async fn three_deliveries(port: &dyn WebhookStore, lease: EndpointLease) -> Vec<Delivery> {
    let contents = [
        content("a", Some(1)),
        content("b", Some(2)),
        content("c", Some(1)),
    ];
    let stored = port.store_page(lease, &page(1, 4, &contents)).await.unwrap();
    stored.expect("the lease is held and the position is right")
}

/// Makes the result of an attempt.
fn attempted(number: u64, attempt: u32, at: Timestamp, next: Next) -> SettledAttempt {
    let is_success = next == Next::Delivered;
    SettledAttempt {
        number,
        record: AttemptRecord {
            attempt,
            at,
            took: Duration::from_micros(1_234_567),
            status: Some(if is_success { 204 } else { 500 }),
            error: (!is_success).then(|| "not accepted".to_owned()),
            answer: AnswerText::new(b"so it is"),
        },
        next,
    }
}

/// Makes a batch of results of an endpoint that works.
fn batch(attempts: Vec<SettledAttempt>) -> AttemptBatch {
    AttemptBatch {
        attempts,
        failing_since: None,
        disable: None,
    }
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.number).collect()
}

/// Draws a secret for a test.
fn secret() -> WebhookSecret {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&System::default().next_u64().to_le_bytes());
    }
    WebhookSecret::of(&bytes)
}
