//! Cases for the summary that every process reads every second.

use std::time::Duration;

use crate::contract::{Pair, build};
use crate::ports::ApiKeyRepository;

type Keys = Pair<dyn ApiKeyRepository>;

/// Every change of a key changes the revision in every process; a use does not.
pub async fn the_revision_tells_of_every_change_and_of_no_use(Pair { port, peer }: Keys) {
    let mut last = peer.key_set_version().await.unwrap();
    assert!(!last.any, "there is no key yet");
    let mut changed = async |what: &str| {
        let key_set_version = peer.key_set_version().await.unwrap();
        assert_ne!(key_set_version.revision, last.revision, "{what}");
        assert!(key_set_version.any);
        last = key_set_version;
    };
    let key = port.insert(&build::new_key("shop")).await.unwrap();
    changed("a new key").await;
    port.rotate(&key.name, &build::key_digest(), Duration::ZERO)
        .await
        .unwrap();
    changed("a rotated key").await;
    port.revoke(&key.name).await.unwrap();
    changed("a revoked key").await;

    port.note_use(&[key.id]).await.unwrap();
    port.secret(&[1; 32]).await.unwrap();
    assert_eq!(
        peer.key_set_version().await.unwrap().revision,
        last.revision,
        "a use is no change"
    );
}

/// A revoked key still counts as a key, so the summary of a store that ever had one shows it.
pub async fn a_store_whose_keys_are_all_revoked_still_has_keys(Pair { port, .. }: Keys) {
    let name = port.insert(&build::new_key("shop")).await.unwrap().name;
    port.revoke(&name).await.unwrap();
    assert!(port.key_set_version().await.unwrap().any);
    assert_eq!(port.held().await.unwrap(), []);
}

/// Every summary has the store's clock, which does not run backwards.
pub async fn a_pulse_tells_the_time(Pair { port, peer }: Keys) {
    let mut last = port.key_set_version().await.unwrap().now;
    for _ in 0..20 {
        for keys in [&port, &peer] {
            let now = keys.key_set_version().await.unwrap().now;
            assert!(last <= now, "{last} was followed by {now}");
            last = now;
        }
    }
}
