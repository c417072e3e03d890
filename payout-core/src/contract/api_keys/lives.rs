//! Cases for the life of a key, from its creation to its end.

use std::time::Duration;

use crate::access::{ApiKey, HeldKey, KeyName, KeyOwner, NewApiKey};
use crate::contract::{Pair, build, drive};
use crate::ports::{ApiKeyError, ApiKeyRepository, LIVE_KEYS_MAX};

type Keys = Pair<dyn ApiKeyRepository>;

async fn held_one(keys: &dyn ApiKeyRepository) -> HeldKey {
    let mut held = keys.held().await.unwrap();
    assert_eq!(held.len(), 1, "{held:?}");
    held.remove(0)
}

/// Every process sees the key as it was given.
pub async fn a_new_key_is_listed_and_held_with_every_field(Pair { port, peer }: Keys) {
    let mut new = build::new_key("shop");
    let now = port.key_set_version().await.unwrap().now;
    new.expires_at = Some(now + chrono::TimeDelta::hours(1));
    new.owner = Some(KeyOwner::new("Ada Lovelace").unwrap());
    let made = port.insert(&new).await.unwrap();
    let expected = ApiKey {
        id: new.id,
        name: new.name.clone(),
        scopes: new.scopes,
        created_at: made.created_at,
        expires_at: new.expires_at,
        rotated_at: None,
        previous_until: None,
        revoked_at: None,
        last_used_at: None,
        idempotency_scope: new.id,
        owner: new.owner.clone(),
    };
    assert_eq!(made, expected);
    assert!(made.created_at >= now);
    assert_eq!(peer.list().await.unwrap(), [expected]);
    let held = HeldKey {
        id: new.id,
        name: new.name,
        scopes: new.scopes,
        expires_at: new.expires_at,
        digest: new.digest,
        previous: None,
        idempotency_scope: new.id,
        owner: new.owner,
    };
    assert_eq!(held_one(&*peer).await, held);
}

/// A name is never used twice, even after the first key is revoked: the audit trail identifies keys by their names.
pub async fn a_name_is_used_once_for_good(Pair { port, .. }: Keys) {
    let first = port.insert(&build::new_key("shop")).await.unwrap();
    let again = port.insert(&build::new_key("shop")).await;
    assert!(matches!(again, Err(ApiKeyError::NameTaken)), "{again:?}");
    port.revoke(&first.name).await.unwrap();
    let again = port.insert(&build::new_key("shop")).await;
    assert!(matches!(again, Err(ApiKeyError::NameTaken)), "{again:?}");
    assert_eq!(port.list().await.unwrap().len(), 1);
}

/// A revoked key is never accepted again, and revoking it again changes nothing.
pub async fn a_revoked_key_is_listed_and_held_no_more(Pair { port, peer }: Keys) {
    let name = port.insert(&build::new_key("shop")).await.unwrap().name;
    port.insert(&build::new_key("till")).await.unwrap();
    let revoked = port.revoke(&name).await.unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(held_one(&*peer).await.name.as_str(), "till");
    assert_eq!(peer.revoke(&name).await.unwrap(), revoked);
    let names: Vec<_> = peer
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.name.to_string())
        .collect();
    assert_eq!(names, ["till", "shop"], "those not revoked come first");
}

/// An expired key is not accepted.
pub async fn an_expired_key_is_held_no_more(Pair { port, .. }: Keys) {
    let mut new = build::new_key("shop");
    new.expires_at = Some(port.key_set_version().await.unwrap().now + chrono::TimeDelta::milliseconds(300));
    let name = port.insert(&new).await.unwrap().name;
    assert_eq!(held_one(&*port).await.name, name);
    drive::eventually("the key expires", async || {
        port.held().await.unwrap().is_empty().then_some(())
    })
    .await;
    let rotated = port.rotate(&name, &build::key_digest(), Duration::ZERO).await;
    assert!(matches!(rotated, Err(ApiKeyError::Dead)), "{rotated:?}");
    assert_eq!(port.list().await.unwrap().len(), 1);
}

/// A rotated key keeps its identity and has another token. The previous token is accepted for the overlap, and the
/// token before that is not accepted any more.
pub async fn a_rotated_key_is_held_with_both_its_tokens(Pair { port, peer }: Keys) {
    let new = build::new_key("shop");
    let made = port.insert(&new).await.unwrap();
    let digests = [build::key_digest(), build::key_digest()];
    let overlap = Duration::from_secs(3600);
    let rotated = port.rotate(&made.name, &digests[0], overlap).await.unwrap();
    let rotated_at = rotated.rotated_at.expect("it says when");
    assert_eq!(
        rotated,
        ApiKey {
            rotated_at: Some(rotated_at),
            previous_until: Some(rotated_at + overlap),
            ..made.clone()
        }
    );
    assert_eq!(peer.list().await.unwrap(), [rotated]);
    let held = held_one(&*peer).await;
    assert_eq!((held.id, held.digest), (new.id, digests[0]));
    assert_eq!(held.previous, Some((new.digest.token, rotated_at + overlap)));

    let rotated = peer.rotate(&made.name, &digests[1], overlap * 2).await.unwrap();
    let held = held_one(&*port).await;
    assert_eq!(held.digest, digests[1]);
    let until = rotated.rotated_at.expect("it says when") + overlap * 2;
    assert_eq!(held.previous, Some((digests[0].token, until)));
}

/// Without an overlap the previous token is not accepted from the rotation on.
pub async fn a_rotation_without_overlap_ends_the_token_before(Pair { port, .. }: Keys) {
    let made = port.insert(&build::new_key("shop")).await.unwrap();
    let rotated = port
        .rotate(&made.name, &build::key_digest(), Duration::ZERO)
        .await
        .unwrap();
    let previous = held_one(&*port).await.previous;
    assert!(
        previous.is_none_or(|(_, until)| Some(until) <= rotated.rotated_at),
        "{previous:?}"
    );
}

/// A revoked key and an unknown one cause different errors, and nothing is written.
pub async fn a_dead_key_is_not_rotated_and_an_unknown_one_not_found(Pair { port, .. }: Keys) {
    let name = port.insert(&build::new_key("shop")).await.unwrap().name;
    let revoked = port.revoke(&name).await.unwrap();
    let rotated = port.rotate(&name, &build::key_digest(), Duration::ZERO).await;
    assert!(matches!(rotated, Err(ApiKeyError::Dead)), "{rotated:?}");
    assert_eq!(port.list().await.unwrap(), [revoked]);
    let unknown = build::new_key("nobody").name;
    let rotated = port.rotate(&unknown, &build::key_digest(), Duration::ZERO).await;
    assert!(matches!(rotated, Err(ApiKeyError::NotFound)), "{rotated:?}");
    let revoked = port.revoke(&unknown).await;
    assert!(matches!(revoked, Err(ApiKeyError::NotFound)), "{revoked:?}");
}

/// A use is recorded for the keys that were used, by the store's clock, and never moves back.
pub async fn a_use_is_noted(Pair { port, peer }: Keys) {
    let used = port.insert(&build::new_key("used")).await.unwrap();
    port.insert(&build::new_key("unused")).await.unwrap();
    let unknown = build::new_key("unknown").id;
    port.note_use(&[used.id, unknown]).await.unwrap();
    port.note_use(&[]).await.unwrap();
    let listed = peer.list().await.unwrap();
    let at = |name: &str| {
        let key = listed.iter().find(|key| key.name.as_str() == name);
        key.expect("it is listed").last_used_at
    };
    assert!(at("used").is_some_and(|at| at >= used.created_at));
    assert_eq!(at("unused"), None);
}

/// Every set of scopes is read as it was written.
pub async fn every_set_of_scopes_is_kept(Pair { port, .. }: Keys) {
    for (number, scopes) in build::every_scopes().into_iter().enumerate() {
        let mut new = build::new_key(&format!("key-{number}"));
        new.scopes = scopes;
        assert_eq!(port.insert(&new).await.unwrap().scopes, scopes);
        let held = port.held().await.unwrap();
        let held = held.iter().find(|held| held.id == new.id).expect("it is held");
        assert_eq!(held.scopes, scopes);
    }
}

/// The number of live keys is limited to what every process can hold; revoking one makes room for another.
pub async fn live_keys_beyond_the_limit_are_refused(Pair { port, .. }: Keys) {
    for number in 0..LIVE_KEYS_MAX {
        port.insert(&build::new_key(&format!("key-{number}")))
            .await
            .unwrap();
    }
    let refused = port.insert(&build::new_key("one-more")).await;
    assert!(matches!(refused, Err(ApiKeyError::TooMany)), "{refused:?}");
    port.revoke(&build::new_key("key-7").name).await.unwrap();
    port.insert(&build::new_key("one-more")).await.unwrap();
    assert_eq!(port.held().await.unwrap().len(), LIVE_KEYS_MAX as usize);
}

/// A key that succeeds another has that key's owner, and so is the same person. It cannot get another owner, nor one
/// where that key has none.
pub async fn a_successor_has_the_owner_of_the_key_before_it(Pair { port, peer }: Keys) {
    let owner = |owner: &str| Some(KeyOwner::new(owner).unwrap());
    let key = |name, before: Option<&str>, owner| NewApiKey {
        succeeds: before.map(|before| KeyName::new(before).unwrap()),
        owner,
        ..build::new_key(name)
    };
    let first = port.insert(&key("ada", None, owner("Ada"))).await.unwrap();
    assert_eq!(first.owner, owner("Ada"));
    port.revoke(&first.name).await.unwrap();
    let second = port.insert(&key("ada-2", Some("ada"), None)).await.unwrap();
    let third = port
        .insert(&key("ada-3", Some("ada-2"), owner("Ada")))
        .await
        .unwrap();
    assert_eq!((second.owner, third.owner), (owner("Ada"), owner("Ada")));
    port.insert(&key("shop", None, None)).await.unwrap();
    for (name, before) in [("eve", "ada-3"), ("eve", "shop")] {
        let refused = port.insert(&key(name, Some(before), owner("Eve"))).await;
        assert!(
            matches!(refused, Err(ApiKeyError::OtherOwner)),
            "{before}: {refused:?}"
        );
    }
    let held = peer.held().await.unwrap();
    let owners: Vec<_> = held.iter().filter_map(|key| key.owner.clone()).collect();
    assert_eq!((held.len(), owners), (3, vec![owner("Ada").unwrap(); 2]));
}

/// A key that succeeds another is in that key's idempotency scope, and so in the scope of the first key of the chain,
/// live or revoked. A rotation does not change the scope.
pub async fn a_successor_is_in_the_scope_of_the_first(Pair { port, peer }: Keys) {
    let succeeding = |name, before| NewApiKey {
        succeeds: Some(KeyName::new(before).unwrap()),
        ..build::new_key(name)
    };
    let first = port.insert(&build::new_key("shop")).await.unwrap();
    port.revoke(&first.name).await.unwrap();
    let second = port.insert(&succeeding("shop-2", "shop")).await.unwrap();
    let third = port.insert(&succeeding("shop-3", "shop-2")).await.unwrap();
    assert_eq!(
        (second.idempotency_scope, third.idempotency_scope),
        (first.id, first.id)
    );
    let rotated = port
        .rotate(&third.name, &build::key_digest(), Duration::ZERO)
        .await;
    assert_eq!(rotated.unwrap().idempotency_scope, first.id);
    let held = peer.held().await.unwrap();
    assert_eq!(held.len(), 2);
    assert!(held.iter().all(|key| key.idempotency_scope == first.id));
    let listed = peer.list().await.unwrap();
    assert!(listed.iter().all(|key| key.idempotency_scope == first.id));

    let unknown = port.insert(&succeeding("till", "nobody")).await;
    assert!(matches!(unknown, Err(ApiKeyError::NoPredecessor)), "{unknown:?}");
    let itself = port.insert(&succeeding("till", "till")).await;
    assert!(matches!(itself, Err(ApiKeyError::NoPredecessor)), "{itself:?}");
    let taken = port.insert(&succeeding("shop", "shop-2")).await;
    assert!(matches!(taken, Err(ApiKeyError::NameTaken)), "{taken:?}");
    assert_eq!(port.list().await.unwrap().len(), 3, "nothing was written");
}
