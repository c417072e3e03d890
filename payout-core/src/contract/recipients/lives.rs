//! Cases for the life of a stored recipient: it is stored, changed under its version, listed, and archived.

use crate::contract::{Pair, build, drive};
use crate::payout::{ExternalId, Recipient, RecipientType};
use crate::ports::{
    Archived, Clock, ListedRecipient, RecipientQuery, RecipientRepository, RecipientRepositoryError, System,
};
use crate::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};

type Recipients = Pair<dyn RecipientRepository>;

fn fresh_id() -> RecipientId {
    let system = System::default();
    RecipientId::generate(system.now(), &system)
}

fn external_id(text: &str) -> ExternalId {
    ExternalId::new(text).unwrap()
}

fn new(external_id: Option<ExternalId>, recipient: Recipient) -> NewStoredRecipient {
    NewStoredRecipient {
        id: fresh_id(),
        external_id,
        recipient,
    }
}

async fn stored(port: &dyn RecipientRepository) -> StoredRecipient {
    port.insert_recipient(&new(None, build::recipient()))
        .await
        .unwrap()
}

fn query() -> RecipientQuery {
    RecipientQuery {
        external_id: None,
        archived: Archived::Without,
        after: None,
        limit: 100,
    }
}

async fn listed(port: &dyn RecipientRepository, query: &RecipientQuery) -> Vec<StoredRecipient> {
    let rows = port.list_recipients(query).await.unwrap();
    let readable = rows.into_iter().map(|row| match row {
        ListedRecipient::Recipient(recipient) => recipient,
        ListedRecipient::Unreadable(place) => panic!("{place:?} cannot be read"),
    });
    readable.collect()
}

/// A recipient of every type is found as it was stored.
pub async fn a_stored_recipient_is_found_with_every_field(recipients: Recipients) {
    let port = &*recipients.port;
    for kind in RecipientType::ALL.iter().copied() {
        let reference = external_id(&build::unique("supplier"));
        let new = new(Some(reference), build::recipient_of_type(kind, "bank"));
        let stored = port.insert_recipient(&new).await.unwrap();
        assert_eq!(stored, new.stored_at(stored.created_at));
        assert_eq!(port.find_recipient(new.id).await.unwrap(), Some(stored.clone()));
        assert_eq!(
            recipients.peer.find_recipient(new.id).await.unwrap(),
            Some(stored)
        );
    }
    assert_eq!(port.find_recipient(fresh_id()).await.unwrap(), None);
}

/// An external id is used once, also by an archived recipient, and a change cannot take another's.
pub async fn an_external_id_belongs_to_one_recipient(recipients: Recipients) {
    let port = &*recipients.port;
    let reference = external_id(&build::unique("supplier"));
    let first = new(Some(reference.clone()), build::recipient());
    let first = port.insert_recipient(&first).await.unwrap();
    let archive = first.archived(true).unwrap();
    port.change_recipient(&archive).await.unwrap();
    let taken = port
        .insert_recipient(&new(Some(reference.clone()), build::recipient()))
        .await;
    assert!(
        matches!(taken, Err(RecipientRepositoryError::ExternalIdTaken(holder)) if holder == first.id),
        "{taken:?}"
    );
    let other = stored(port).await;
    let change = other.edited(Some(reference), other.recipient.clone()).unwrap();
    let taken = port.change_recipient(&change).await;
    assert!(
        matches!(taken, Err(RecipientRepositoryError::ExternalIdTaken(holder)) if holder == first.id),
        "{taken:?}"
    );
    assert_eq!(port.find_recipient(other.id).await.unwrap(), Some(other));
}

/// Of many who store an external id at once, one succeeds.
pub async fn of_many_who_take_an_external_id_one_gets_it(recipients: Recipients) {
    let reference = external_id(&build::unique("supplier"));
    let racers = (0..16).map(|place| {
        let port = if place % 2 == 0 {
            &recipients.port
        } else {
            &recipients.peer
        };
        let (port, new) = (port.clone(), new(Some(reference.clone()), build::recipient()));
        async move { port.insert_recipient(&new).await }
    });
    let results = drive::race(racers).await;
    let stored: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(stored.len(), 1, "{results:?}");
    for result in &results {
        match result {
            Ok(_) => (),
            Err(RecipientRepositoryError::ExternalIdTaken(holder)) => assert_eq!(*holder, stored[0].id),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A change is written at the version that it expects, and at no other.
pub async fn a_change_is_guarded_by_its_version(recipients: Recipients) {
    let port = &*recipients.port;
    let before = stored(port).await;
    let other = build::recipient_of("ACC-2", "Grace Hopper");
    let change = before.edited(None, other.clone()).unwrap();
    let after = port.change_recipient(&change).await.unwrap();
    assert_eq!(after, before.after(&change, after.updated_at));
    assert_eq!((after.version, &after.recipient), (2, &other));
    assert_eq!(port.find_recipient(before.id).await.unwrap(), Some(after.clone()));

    let stale = port.change_recipient(&change).await;
    assert!(
        matches!(stale, Err(RecipientRepositoryError::VersionConflict)),
        "{stale:?}"
    );
    let unknown = RecipientChange {
        id: fresh_id(),
        ..change
    };
    let unknown = port.change_recipient(&unknown).await;
    assert!(
        matches!(unknown, Err(RecipientRepositoryError::VersionConflict)),
        "{unknown:?}"
    );
    assert_eq!(port.find_recipient(before.id).await.unwrap(), Some(after));
}

/// Of two changes at one version, one is written.
pub async fn of_two_changes_at_once_one_wins(recipients: Recipients) {
    for _ in 0..10 {
        let before = stored(&*recipients.port).await;
        let racers = ["Grace Hopper", "Alan Turing"].map(|name| {
            let change = before.edited(None, build::recipient_of("ACC-2", name)).unwrap();
            let port = recipients.port.clone();
            async move { port.change_recipient(&change).await }
        });
        let results = drive::race(racers).await;
        let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "{results:?}");
        let found = recipients.port.find_recipient(before.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(won[0]));
    }
}

/// An archived recipient keeps the time of its archiving, is found, and can be used again.
pub async fn an_archived_recipient_is_listed_apart(recipients: Recipients) {
    let port = &*recipients.port;
    let (kept, gone) = (stored(port).await, stored(port).await);
    let archived = port
        .change_recipient(&gone.archived(true).unwrap())
        .await
        .unwrap();
    assert_eq!(archived.archived_at, Some(archived.updated_at));
    assert_eq!(archived.archived(true), None);
    let edited = archived.edited(None, build::recipient()).unwrap();
    let edited = port.change_recipient(&edited).await.unwrap();
    assert_eq!(edited.archived_at, archived.archived_at);

    for (which, expected) in [
        (Archived::Without, vec![kept.clone()]),
        (Archived::Only, vec![edited.clone()]),
        (Archived::With, vec![edited.clone(), kept.clone()]),
    ] {
        let query = RecipientQuery {
            archived: which,
            ..query()
        };
        assert_eq!(listed(port, &query).await, expected, "{which:?}");
    }
    let again = port
        .change_recipient(&edited.archived(false).unwrap())
        .await
        .unwrap();
    assert_eq!(again.archived_at, None);
}

/// Pages go from the newest to the oldest recipient, and miss and repeat none.
pub async fn pages_have_every_recipient_once(recipients: Recipients) {
    let port = &*recipients.port;
    let mut all = Vec::new();
    for _ in 0..11 {
        all.push(stored(port).await);
    }
    all.sort_by_key(|recipient| std::cmp::Reverse((recipient.created_at, recipient.id)));
    let mut page = RecipientQuery { limit: 3, ..query() };
    let mut walked = Vec::new();
    loop {
        let rows = port.list_recipients(&page).await.unwrap();
        let Some(last) = rows.last() else { break };
        assert!(rows.len() <= 3);
        page.after = Some(last.place());
        walked.extend(rows);
    }
    let all: Vec<_> = all.into_iter().map(ListedRecipient::Recipient).collect();
    assert_eq!(walked, all);
}

/// A recipient is found by its external id.
pub async fn a_recipient_is_listed_by_its_external_id(recipients: Recipients) {
    let port = &*recipients.port;
    stored(port).await;
    let reference = external_id(&build::unique("supplier"));
    let wanted = new(Some(reference.clone()), build::recipient());
    let wanted = port.insert_recipient(&wanted).await.unwrap();
    let by = |reference| RecipientQuery {
        external_id: Some(reference),
        ..query()
    };
    assert_eq!(listed(port, &by(reference)).await, [wanted]);
    assert_eq!(listed(port, &by(external_id(&build::unique("nobody")))).await, []);
}
