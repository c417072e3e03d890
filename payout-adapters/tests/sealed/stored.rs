//! Stored recipients, encrypted: nothing is left in plain, no row can be moved or put there without a key, and rotation
//! re-encrypts them.

use payout_adapters::encryption::EncryptionKeys;
use payout_adapters::storage::admin::StorageAdmin;
use payout_core::contract::build;
use payout_core::payout::RecipientType;
use payout_core::ports::{Archived, ListedRecipient, RecipientQuery, RecipientRepository, RepositoryError};
use payout_core::stored_recipient::{NewStoredRecipient, RecipientId, StoredRecipient};

use super::{ACCOUNT, NAME, ONE, Sealable, TWO, keys};

async fn stored(port: &impl RecipientRepository, kind: Option<RecipientType>) -> StoredRecipient {
    let recipient = match kind {
        Some(kind) => build::recipient_of_type(kind, "bank"),
        None => build::recipient_of(ACCOUNT, NAME),
    };
    let new = NewStoredRecipient {
        id: build::fresh_recipient_id(),
        external_id: None,
        recipient,
    };
    port.insert_recipient(&new).await.unwrap()
}

async fn in_the_database<S: Sealable>(store: &S) -> String {
    let texts = store
        .texts("SELECT account || ' ' || name || ' ' || coalesce(details, '') FROM recipients")
        .await;
    texts.join("\n")
}

/// Re-seals every stored recipient, one at a time. Returns the numbers of re-sealed and of unreadable ones.
async fn reseal(repository: &impl StorageAdmin) -> (u64, u64) {
    let (mut sealed, mut unreadable, mut after) = (0, 0, None);
    loop {
        let stretch = repository.reseal_recipients(after, 1).await.unwrap();
        (sealed, unreadable) = (sealed + stretch.sealed, unreadable + stretch.unreadable);
        after = stretch.next;
        if after.is_none() {
            return (sealed, unreadable);
        }
    }
}

/// Returns the id as a literal of both dialects, where `hex` is defined.
fn is(id: RecipientId) -> String {
    format!("lower(hex(id)) = '{}'", id.as_uuid().simple())
}

pub(crate) async fn a_stored_recipient_is_not_kept_in_plain<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let plain = stored(&repository, None).await;
    for kind in RecipientType::ALL.iter().copied() {
        stored(&repository, Some(kind)).await;
    }
    let lines = in_the_database(&store).await;
    assert!(lines.lines().all(|line| line == "*** *** "), "{lines}");
    assert_eq!(
        repository.find_recipient(plain.id).await.unwrap(),
        Some(plain.clone())
    );
    let change = plain
        .edited(None, build::recipient_of("ACC-2", "Grace Hopper"))
        .unwrap();
    let changed = repository.change_recipient(&change).await.unwrap();
    assert_eq!(changed.recipient.name().as_str(), "Grace Hopper");
    let lines = in_the_database(&store).await;
    assert!(lines.lines().all(|line| line == "*** *** "), "{lines}");
}

pub(crate) async fn rotation_reseals_stored_recipients<S: Sealable>(store: S) {
    let mut before = Vec::new();
    for key in [
        EncryptionKeys::default(),
        keys(ONE),
        keys(&format!("{TWO},{ONE}")),
    ] {
        let repository = store.with(key);
        before.push(stored(&repository, None).await);
    }
    assert_eq!(reseal(&store.with(keys(&format!("{TWO},{ONE}")))).await, (2, 0));
    assert_eq!(reseal(&store.with(keys(&format!("{TWO},{ONE}")))).await, (0, 0));
    let repository = store.with(keys(TWO));
    for recipient in before {
        assert_eq!(
            repository.find_recipient(recipient.id).await.unwrap(),
            Some(recipient)
        );
    }
}

pub(crate) async fn a_recipient_that_was_moved_from_another_row_is_refused<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let (mine, other) = (stored(&repository, None).await, stored(&repository, None).await);
    let moved = format!(
        "UPDATE recipients SET sealed = (SELECT sealed FROM recipients WHERE {}) WHERE {}",
        is(mine.id),
        is(other.id)
    );
    store.execute(&moved).await;
    let refused = repository.find_recipient(other.id).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
    let query = RecipientQuery {
        external_id: None,
        archived: Archived::With,
        after: None,
        limit: 10,
    };
    let listed = repository.list_recipients(&query).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&ListedRecipient::Recipient(mine)), "{listed:?}");
    assert_eq!(reseal(&store.with(keys(&format!("{TWO},{ONE}")))).await, (1, 1));
}

pub(crate) async fn a_recipient_put_there_in_plain_is_refused<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    // The database begins with a key, so that no row of it is in plain.
    repository.check_keys().await.unwrap();
    let recipient = stored(&repository, None).await;
    let put = format!(
        "UPDATE recipients SET sealed = NULL, account = 'MALLORY-1', name = 'Mallory' WHERE {}",
        is(recipient.id)
    );
    store.execute(&put).await;
    let refused = repository.find_recipient(recipient.id).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
}
