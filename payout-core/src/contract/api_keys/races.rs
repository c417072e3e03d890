//! Cases for concurrent processes.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::{Pair, build, drive};
use crate::ports::{ApiKeyError, ApiKeyRepository};

type Keys = Pair<dyn ApiKeyRepository>;

/// If many processes create a key of one name, one of them succeeds.
pub async fn of_many_who_take_a_name_one_gets_it(Pair { port, peer }: Keys) {
    let racers = (0..16).map(|n| {
        let keys = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        async move { keys.insert(&build::new_key("shop")).await }
    });
    let answers = drive::race(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers {
        assert!(
            matches!(answer, Ok(_) | Err(ApiKeyError::NameTaken)),
            "{answer:?}"
        );
    }
    assert_eq!(port.held().await.unwrap().len(), 1);
}

/// The store's own secret is the first that was proposed, for every process.
pub async fn of_many_secrets_one_is_kept(Pair { port, peer }: Keys) {
    let racers = (0..16_u8).map(|n| {
        let keys = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        async move { keys.secret(&[n; 32]).await.unwrap() }
    });
    let kept = drive::race(racers).await;
    assert!(kept.iter().all(|secret| *secret == kept[0]), "{kept:?}");
    assert_eq!(port.secret(&[99; 32]).await.unwrap(), kept[0]);
}

/// After a rotation and a revocation that race, the key is revoked: nothing makes it live again.
pub async fn a_rotation_never_brings_a_revoked_key_back(Pair { port, peer }: Keys) {
    for round in 0..10 {
        let name = port
            .insert(&build::new_key(&format!("key-{round}")))
            .await
            .unwrap()
            .name;
        let (revoker, rotator) = (name.clone(), name.clone());
        let (one, other) = (Arc::clone(&port), Arc::clone(&peer));
        let revoking = tokio::spawn(async move { one.revoke(&revoker).await.unwrap() });
        let rotating =
            tokio::spawn(async move { other.rotate(&rotator, &build::key_digest(), Duration::ZERO).await });
        revoking.await.unwrap();
        let rotated = rotating.await.unwrap();
        assert!(matches!(rotated, Ok(_) | Err(ApiKeyError::Dead)), "{rotated:?}");
        assert_eq!(port.held().await.unwrap(), []);
    }
}
