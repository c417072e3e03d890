//! Secrets of webhooks in an encrypted database.

use payout_adapters::storage::admin::StorageAdmin;
use payout_core::feed::FeedPosition;
use payout_core::payout::Description;
use payout_core::ports::{Clock, System, WebhookRepository};
use payout_core::webhook::{Endpoint, EndpointState, EndpointUrl, Secrets, WebhookId, WebhookSecret};

use super::{ONE, Sealable, TWO, keys};

const SECRETS: &str = "SELECT COALESCE(secrets, '-') FROM webhook_endpoints";

fn endpoint() -> Endpoint {
    let system = System::default();
    Endpoint {
        id: WebhookId::generate(system.now(), &system),
        url: EndpointUrl::new("https://shop.example/").unwrap(),
        types: Vec::new(),
        description: Description::default(),
        include_recipient: false,
        secrets: Secrets::new(WebhookSecret::of(&[7; 32])),
        state: EndpointState::Enabled,
        created_at: system.now(),
        revision: 0,
    }
}

/// A secret is stored in plain only while there is no key; a rotation encrypts it with the current key.
pub(crate) async fn secrets_of_webhooks_are_encrypted_and_rotated<D: Sealable>(database: D)
where
    D::Repository: WebhookRepository,
{
    let plain = database.with(keys(""));
    let stored = plain
        .insert_webhook(&endpoint(), FeedPosition::START)
        .await
        .unwrap();
    assert!(
        database.texts(SECRETS).await[0].contains("whsec_"),
        "without a key"
    );
    let one = database.with(keys(ONE));
    assert_eq!(one.webhook(stored.id).await.unwrap().unwrap().endpoint, stored);
    let batch = one.reseal_webhooks(None, 10).await.unwrap();
    assert_eq!((batch.looked_at, batch.sealed, batch.stale), (1, 1, 1));
    assert_eq!(database.texts(SECRETS).await, ["-"]);
    assert_eq!(one.webhook(stored.id).await.unwrap().unwrap().endpoint, stored);
    assert!(plain.webhook(stored.id).await.is_err(), "without the key");
    let two = database.with(keys(&format!("{TWO},{ONE}")));
    let batch = two.reseal_webhooks(None, 10).await.unwrap();
    assert_eq!((batch.sealed, batch.unreadable), (1, 0));
    assert_eq!(two.reseal_webhooks(None, 10).await.unwrap().stale, 0);
    assert!(
        one.webhook(stored.id).await.is_err(),
        "with the earlier key alone"
    );
    let read = database
        .with(keys(TWO))
        .webhook(stored.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.endpoint, stored);
    let second = two
        .insert_webhook(&endpoint(), FeedPosition::START)
        .await
        .unwrap();
    assert_eq!(second.secrets, stored.secrets);
    assert_eq!(database.texts(SECRETS).await, ["-", "-"]);
}
