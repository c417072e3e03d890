//! Test cases of sealing, shared by both SQL dialects.

mod altered;
mod recipients;
mod stored;
mod webhooks;

use std::error::Error;

use payout_adapters::encryption::{EncryptionKeys, KeyCheck};
use payout_adapters::storage::admin::StorageAdmin;
use payout_core::attempt::Policy;
use payout_core::attempt::UnreadableClaim;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::payout::{NewPayout, PaymentDetails, PayoutId, RecipientAccount, StatementText};
use payout_core::ports::{
    Claims, Filter, Insertion, ListQuery, Listed, Order, PayoutRepository, Position, RecipientRepository,
    RepositoryError, Search, Settled, System,
};

pub(crate) use altered::{
    a_database_that_began_with_a_key_has_no_row_in_plain,
    a_rotation_passes_over_what_was_altered_and_says_so, an_older_ciphertext_of_the_row_is_refused,
    every_change_of_a_person_is_bound_anew, rows_in_plain_are_refused_once_a_rotation_has_gone_through,
    whatever_is_paid_is_bound_to_its_row,
};

pub(crate) use recipients::{
    details_that_were_altered_are_refused, rotation_keeps_the_parts_of_a_recipient,
    the_parts_of_a_recipient_are_not_stored_in_plain,
};

pub(crate) use stored::{
    a_recipient_put_there_in_plain_is_refused, a_recipient_that_was_moved_from_another_row_is_refused,
    a_stored_recipient_is_not_kept_in_plain, rotation_reseals_stored_recipients,
};

pub(crate) use webhooks::secrets_of_webhooks_are_encrypted_and_rotated;

pub(crate) const ONE: &str = "one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "two:8PHy8/T19vf4+fr7/P3+/wABAgMEBQYHCAkKCwwNDg8=";
/// A different key under the id of [`ONE`].
const FALSE_ONE: &str = "one:8PHy8/T19vf4+fr7/P3+/wABAgMEBQYHCAkKCwwNDg8=";

const ACCOUNT: &str = "CANARY-ACCOUNT-3000";
const NAME: &str = "Canary Lovelace";

pub(crate) fn keys(text: &str) -> EncryptionKeys {
    if text.is_empty() {
        return EncryptionKeys::default();
    }
    EncryptionKeys::parse(text).expect("keys")
}

/// A database that is opened with different keys.
pub(crate) trait Sealable {
    type Repository: PayoutRepository + RecipientRepository + StorageAdmin;

    fn with(&self, keys: EncryptionKeys) -> Self::Repository;
    async fn execute(&self, sql: &str);
    /// Returns every value of a query's single column, as text.
    async fn texts(&self, sql: &str) -> Vec<String>;
}

fn canary() -> NewPayout {
    build::of_details(PaymentDetails {
        recipient: build::recipient_of(ACCOUNT, NAME),
        ..build::details()
    })
}

fn keyed_canary() -> NewPayout {
    let mut new = canary();
    new.details.statement_text = StatementText::new("Salary").ok();
    new.request = build::keyed(&build::fresh_key()).request;
    new
}

fn searching(text: &str) -> Filter {
    Filter {
        search: Search::new(text),
        ..Filter::default()
    }
}

async fn found_by(repository: &dyn PayoutRepository, text: &str) -> usize {
    let filter = searching(text);
    let counted = repository.count(&filter, None).await.unwrap().count;
    let query = ListQuery {
        filter,
        order: Order::NewestFirst,
        position: Position::Offset(0),
        limit: 100,
    };
    let listed = drive::listed(repository, &query).await.len();
    assert_eq!(listed as u64, counted, "{text}");
    listed
}

/// Returns the message with which one row is refused.
async fn refusal(repository: &dyn PayoutRepository, id: PayoutId) -> String {
    let error = repository.find(id).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    error.source().map(ToString::to_string).unwrap_or_default()
}

async fn everything<S: Sealable>(store: &S) -> String {
    let payouts = store
        .texts(
            "SELECT recipient_account || ' ' || recipient_name || ' ' || recipient_name_folded || ' '
                || coalesce(recipient_details, '') FROM payouts",
        )
        .await;
    let answers = store.texts("SELECT snapshot FROM idempotency_keys").await;
    [payouts, answers].concat().join("\n")
}

/// Re-seals everything, a few rows at a time. Returns the numbers of re-sealed texts and of unreadable ones.
async fn rotate<S: Sealable>(repository: &S::Repository) -> (u64, u64) {
    let (mut sealed, mut unreadable, mut after) = (0, 0, None);
    loop {
        let stretch = repository.reseal_payouts(after, 2).await.unwrap();
        (sealed, unreadable) = (sealed + stretch.sealed, unreadable + stretch.unreadable);
        after = stretch.next;
        if after.is_none() {
            break;
        }
    }
    let mut after = None;
    loop {
        let stretch = repository.reseal_answers(after.clone(), 2).await.unwrap();
        (sealed, unreadable) = (sealed + stretch.sealed, unreadable + stretch.unreadable);
        after = stretch.next;
        if after.is_none() {
            return (sealed, unreadable);
        }
    }
}

pub(crate) async fn nothing_is_stored_in_plain<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let new = keyed_canary();
    let key = new.request.clone().unwrap();
    let payout = drive::store(&repository, new).await;
    assert_eq!(payout.details().recipient.account().as_str(), ACCOUNT);
    let cancelled = drive::apply(&repository, &payout.clone().cancel(build::client()).unwrap()).await;
    assert_eq!(drive::found(&repository, payout.id()).await, cancelled);

    let stored = everything(&store).await;
    for plain in [ACCOUNT, NAME, &NAME.to_lowercase(), "USD"] {
        assert!(!stored.contains(plain), "{plain} is in {stored}");
    }
    let fingerprints = store.texts("SELECT hex(fingerprint) FROM idempotency_keys").await;
    assert_eq!(
        fingerprints,
        ["0".repeat(64)],
        "a digest without a key can be guessed"
    );
    let answer = repository.find_answer(&key.key).await.unwrap().unwrap();
    assert_eq!((answer.fingerprint, answer.payout), (key.fingerprint, payout));
}

pub(crate) async fn without_a_key_everything_is_as_it_was<S: Sealable>(store: S) {
    let repository = store.with(EncryptionKeys::default());
    drive::store(&repository, keyed_canary()).await;
    assert!(everything(&store).await.contains(ACCOUNT));
    assert_eq!(
        store
            .texts("SELECT id FROM payouts WHERE sealed IS NOT NULL")
            .await
            .len(),
        0
    );
    assert_eq!(found_by(&repository, "canary l").await, 1);
}

pub(crate) async fn what_was_moved_from_another_row_is_refused_for_that_row_alone<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let moved = drive::store(&repository, canary()).await.id();
    let cut = drive::store(&repository, canary()).await.id();
    let sound = drive::store(&repository, canary()).await.id();
    let hex = |id: PayoutId| id.as_uuid().simple().to_string();
    store
        .execute(&format!(
            "UPDATE payout_details SET sealed = (SELECT sealed FROM payouts AS other WHERE lower(hex(other.id)) = '{}')
            WHERE lower(hex(id)) = '{}'",
            hex(sound),
            hex(moved)
        ))
        .await;
    store
        .execute(&format!(
            "UPDATE payout_details SET sealed = substr(sealed, 1, 40) WHERE lower(hex(id)) = '{}'",
            hex(cut)
        ))
        .await;
    let altered = "column sealed holds what cannot be: altered, moved from another place, or sealed with another key of \
                   the same id";
    assert_eq!(refusal(&repository, moved).await, altered);
    let malformed = "column sealed holds what cannot be: cut short, or of an unknown form";
    assert_eq!(refusal(&repository, cut).await, malformed);
    assert!(repository.find(sound).await.unwrap().is_some());
    let together = repository.find_many(&[moved, cut, sound]).await;
    assert!(
        matches!(together, Err(RepositoryError::Refused(_))),
        "none is taken to be missing: {together:?}"
    );

    for (order, expected) in [
        (Order::OldestFirst, [moved, cut, sound]),
        (Order::NewestFirst, [sound, cut, moved]),
    ] {
        let query = ListQuery {
            filter: Filter::default(),
            order,
            position: Position::Offset(0),
            limit: 10,
        };
        let rows = repository.list(&query).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.place(order).id).collect::<Vec<_>>(),
            expected
        );
        for row in rows {
            match row {
                Listed::Payout(payout) => assert_eq!(payout.id(), sound),
                Listed::Deleted(deleted) => panic!("{deleted:?} was not asked for"),
                Listed::Unreadable(place) => assert_ne!(place.id, sound),
            }
        }
    }
    let count = repository.count(&Filter::default(), None).await.unwrap();
    assert_eq!(count.count, 3, "they are there");

    let claims = repository.claim(&build::sweep(10, LONG_LEASE)).await.unwrap();
    let won: Vec<PayoutId> = claims.won.iter().map(|claim| claim.payout().id()).collect();
    assert_eq!(won, [sound], "the others are worked on");
    let mut unreadable = claims.unreadable;
    unreadable.sort_by_key(|claim| claim.id);
    let claimed = |id| UnreadableClaim {
        id,
        fence: 1,
        generation: 0,
        claims: 1,
        altered: true,
    };
    assert_eq!(unreadable, [claimed(moved), claimed(cut)]);
    let settlement = claimed(moved).settle(&Policy::default(), &System::default());
    assert_eq!(
        repository.settle(&[settlement]).await.unwrap(),
        [Settled::Applied]
    );
}

/// Covers a worker that was started before a key was added.
pub(crate) async fn what_is_sealed_with_a_key_of_others_is_left_to_them<S: Sealable>(store: S) {
    let (without, old) = (store.with(EncryptionKeys::default()), store.with(keys(ONE)));
    let new = store.with(keys(&format!("{TWO},{ONE}")));
    // Stored before the database knows its first key: after that, a row in plain text would be refused.
    let plain = drive::store(&without, canary()).await.id();
    assert_eq!(old.check_keys().await.unwrap(), KeyCheck::Fits);
    assert_eq!(new.check_keys().await.unwrap(), KeyCheck::Fits);
    let sealed = drive::store(&old, canary()).await.id();
    let newly = drive::store(&new, canary()).await.id();

    let hint = build::only(&[newly], LONG_LEASE);
    let sweep = build::sweep(10, LONG_LEASE);
    for repository in [&without, &old] {
        assert_eq!(repository.claim(&hint).await.unwrap(), Claims::default());
    }
    assert_eq!(drive::claim_ids(&without, &sweep).await, [plain]);
    assert_eq!(drive::claim_ids(&old, &sweep).await, [sealed]);
    assert_eq!(old.claim(&sweep).await.unwrap(), Claims::default());
    assert_eq!(
        drive::found(&new, newly).await.parts().claims,
        0,
        "no attempt is used up"
    );
    assert_eq!(drive::claim_ids(&new, &sweep).await, [newly]);
}

/// Covers a key that was removed while rows are still sealed with it: no process may have it, so an operator must know.
pub(crate) async fn what_is_sealed_with_a_key_that_nobody_knows_is_claimed_and_told_apart<S: Sealable>(
    store: S,
) {
    let lost = drive::store(&store.with(keys(ONE)), canary()).await.id();
    let repository = store.with(keys(TWO));
    assert_eq!(repository.check_keys().await.unwrap(), KeyCheck::Fits);
    let sound = drive::store(&repository, canary()).await.id();
    let claims = repository.claim(&build::sweep(10, LONG_LEASE)).await.unwrap();
    assert_eq!(claims.won[0].payout().id(), sound);
    assert_eq!(claims.unreadable[0].id, lost);
    assert_eq!((claims.won.len(), claims.unreadable.len()), (1, 1));
}

/// Covers a malformed amount, which must not fail the decoding of the other rows of a read.
pub(crate) async fn an_amount_that_is_no_number_fails_its_row_alone<S: Sealable>(store: S, no_number: &str) {
    let repository = store.with(keys(ONE));
    let broken = drive::store(&repository, canary()).await.id();
    let sound = drive::store(&repository, canary()).await.id();
    store
        .execute(&format!(
            "UPDATE payout_details SET amount = {no_number} WHERE lower(hex(id)) = '{}'",
            broken.as_uuid().simple()
        ))
        .await;
    assert_eq!(
        refusal(&repository, broken).await,
        "column amount holds what cannot be: no decimal number"
    );
    let claims = repository.claim(&build::sweep(10, LONG_LEASE)).await.unwrap();
    assert_eq!(
        (claims.won[0].payout().id(), claims.unreadable[0].id),
        (sound, broken)
    );
}

pub(crate) async fn an_answer_that_was_moved_from_another_key_is_refused<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let (one, two) = (keyed_canary(), keyed_canary());
    let (first, second) = (one.request.clone().unwrap().key, two.request.clone().unwrap().key);
    repository.insert(&[one, two]).await.unwrap();
    store
        .execute(&format!(
            "UPDATE idempotency_keys SET payout_id = other.payout_id, sealed = other.sealed
            FROM (SELECT payout_id, sealed FROM idempotency_keys WHERE key = '{}') AS other WHERE key = '{}'",
            second.as_str(),
            first.as_str()
        ))
        .await;
    let error = repository.find_answer(&first).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Refused(_)), "{error:?}");
    assert!(repository.find_answer(&second).await.unwrap().is_some());
}

pub(crate) async fn an_unknown_key_is_named<S: Sealable>(store: S) {
    let id = drive::store(&store.with(keys(ONE)), canary()).await.id();
    let unknown = "column sealed holds what cannot be: sealed with the key \"one\", which is not among the configured ones";
    assert_eq!(refusal(&store.with(keys(TWO)), id).await, unknown);
    assert_eq!(refusal(&store.with(EncryptionKeys::default()), id).await, unknown);
}

pub(crate) async fn a_payout_is_found_under_every_key_and_in_plain<S: Sealable>(store: S) {
    for old in ["", ONE, TWO] {
        drive::store(&store.with(keys(old)), canary()).await;
    }
    let repository = store.with(keys(&format!("{TWO},{ONE}")));
    for (text, found) in [
        (ACCOUNT, 3),
        (&*NAME.to_uppercase(), 3),
        ("canary", 0),
        ("CANARY-ACCOUNT", 0),
    ] {
        assert_eq!(found_by(&repository, text).await, found, "{text}");
    }
}

/// Checks that an attacker who has only the database cannot compute the digest of a guessed account.
pub(crate) async fn one_account_has_another_digest_under_each_key<S: Sealable>(store: S) {
    for key in [ONE, TWO] {
        drive::store(&store.with(keys(key)), canary()).await;
    }
    for column in ["recipient_account", "recipient_name_folded"] {
        let digests = store.texts(&format!("SELECT {column} FROM payouts")).await;
        assert_eq!(digests.len(), 2);
        assert_ne!(digests[0], digests[1], "{column}");
    }
    assert_eq!(
        store
            .with(keys(TWO))
            .count(&searching(ACCOUNT), None)
            .await
            .unwrap()
            .count,
        1
    );
}

pub(crate) async fn rotation_reseals_every_row_and_changes_nothing_else<S: Sealable>(store: S) {
    let (plain, old) = (store.with(EncryptionKeys::default()), store.with(keys(ONE)));
    let mut before = Vec::new();
    let mut requests = Vec::new();
    for repository in [&plain, &old, &plain, &old, &old] {
        let new = keyed_canary();
        requests.push((
            new.request.clone().unwrap(),
            repository.insert(&[new]).await.unwrap().remove(0),
        ));
        before.push(drive::store(repository, canary()).await);
    }
    let deleted = before.pop().unwrap();
    drive::apply(&old, &deleted.delete(build::client()).unwrap()).await;

    let rotating = store.with(keys(&format!("{TWO},{ONE}")));
    assert_eq!(
        rotate::<S>(&rotating).await,
        (15, 0),
        "ten payouts, deleted ones too, and five answers"
    );
    assert_eq!(rotate::<S>(&rotating).await, (0, 0), "nothing is left to do");

    let new = store.with(keys(TWO));
    for payout in &before {
        assert_eq!(drive::found(&new, payout.id()).await, *payout);
    }
    for (request, stored) in requests {
        let Insertion::Stored(payout) = stored else {
            panic!("{stored:?}")
        };
        let answer = new.find_answer(&request.key).await.unwrap().unwrap();
        assert_eq!((answer.fingerprint, answer.payout), (request.fingerprint, payout));
    }
    let stored = everything(&store).await;
    assert!(
        !stored.contains("CANARY") && !stored.to_lowercase().contains("canary"),
        "{stored}"
    );
    assert_eq!(found_by(&new, ACCOUNT).await, 9);
}

pub(crate) async fn rotation_passes_over_what_it_cannot_open_and_says_so<S: Sealable>(store: S) {
    drive::store(&store.with(keys(ONE)), keyed_canary()).await;
    drive::store(&store.with(EncryptionKeys::default()), canary()).await;
    let new = store.with(keys(TWO));
    assert_eq!(rotate::<S>(&new).await, (1, 2));
    assert_eq!(rotate::<S>(&new).await, (0, 2));
}

pub(crate) async fn a_rotation_that_was_stopped_goes_on_where_it_was<S: Sealable>(store: S) {
    for _ in 0..5 {
        drive::store(&store.with(keys(ONE)), canary()).await;
    }
    let both = keys(&format!("{TWO},{ONE}"));
    let stretch = store.with(both.clone()).reseal_payouts(None, 3).await.unwrap();
    assert_eq!(
        (stretch.looked_at, stretch.sealed, stretch.next.is_some()),
        (3, 3, true)
    );
    assert_eq!(rotate::<S>(&store.with(both)).await, (2, 0));
}

pub(crate) async fn whoever_changes_a_payout_during_a_rotation_wins<S: Sealable>(store: S) {
    let old = store.with(keys(ONE));
    let mut payout = drive::store(&old, canary()).await;
    let rotating = store.with(keys(&format!("{TWO},{ONE}")));
    let editing = async {
        for round in 0..30 {
            let mut edit = payout.details().clone();
            edit.recipient = edit
                .recipient
                .clone()
                .with_account(RecipientAccount::new(&format!("ROUND-{round}")).unwrap());
            payout = drive::apply(&old, &payout.clone().edit(edit, build::client()).unwrap()).await;
        }
        payout
    };
    let rotation = async {
        for _ in 0..30 {
            rotating.reseal_payouts(None, 10).await.unwrap();
        }
    };
    let (payout, ()) = tokio::join!(editing, rotation);
    assert_eq!(payout.version(), 31, "a rotation grows no version");
    rotate::<S>(&rotating).await;
    let found = drive::found(&store.with(keys(TWO)), payout.id()).await;
    assert_eq!(found.details().recipient.account().as_str(), "ROUND-29");
}

pub(crate) async fn a_database_knows_its_keys<S: Sealable>(store: S) {
    let missing = |key_id: &str| KeyCheck::Missing {
        key_id: key_id.to_owned(),
    };
    let checked = async |text: &str| store.with(keys(text)).check_keys().await.unwrap();
    assert_eq!(checked("").await, KeyCheck::Fits, "nothing is sealed yet");
    assert_eq!(checked(ONE).await, KeyCheck::Fits);
    assert_eq!(checked(ONE).await, KeyCheck::Fits);
    assert_eq!(checked("").await, missing("one"));
    assert_eq!(checked(TWO).await, missing("one"));
    assert_eq!(
        checked(FALSE_ONE).await,
        KeyCheck::Wrong {
            key_id: "one".to_owned()
        }
    );
    let both = format!("{TWO},{ONE}");
    assert_eq!(checked(&both).await, KeyCheck::Fits);
    assert_eq!(checked(ONE).await, missing("two"));
    assert_eq!(
        store.with(keys(&both)).forget_other_keys().await.unwrap(),
        ["one"]
    );
    assert_eq!(checked(TWO).await, KeyCheck::Fits);
    assert_eq!(checked(ONE).await, missing("two"));
}

pub(crate) async fn the_schema_refuses_plain_text_beside_what_is_sealed<S: Sealable>(store: S) {
    drive::store(&store.with(keys(ONE)), keyed_canary()).await;
    for (table, columns) in [
        ("payout_details", "recipient_name = 'Ada'"),
        ("payout_details", "recipient_account = 'DE89'"),
        ("payout_details", "recipient_name_folded = 'ada'"),
        ("payout_details", "recipient_details = '{}'"),
        ("idempotency_keys", "snapshot = '{}'"),
    ] {
        let broken = store
            .texts(&format!("UPDATE {table} SET {columns} RETURNING 'written'"))
            .await;
        assert_eq!(broken, ["refused"], "{table}: {columns}");
    }
}

/// Defines one test for each case, over the database that `$make` creates.
macro_rules! sealing_cases {
    ($make:expr; $($case:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            crate::sealed::$case($make.await).await;
        })+
    };
    ($make:expr) => {
        $crate::sealed::sealing_cases! { $make;
            nothing_is_stored_in_plain,
            without_a_key_everything_is_as_it_was,
            what_was_moved_from_another_row_is_refused_for_that_row_alone,
            what_is_sealed_with_a_key_of_others_is_left_to_them,
            what_is_sealed_with_a_key_that_nobody_knows_is_claimed_and_told_apart,
            an_answer_that_was_moved_from_another_key_is_refused,
            an_unknown_key_is_named,
            a_payout_is_found_under_every_key_and_in_plain,
            one_account_has_another_digest_under_each_key,
            rotation_reseals_every_row_and_changes_nothing_else,
            rotation_passes_over_what_it_cannot_open_and_says_so,
            a_rotation_that_was_stopped_goes_on_where_it_was,
            whoever_changes_a_payout_during_a_rotation_wins,
            a_database_knows_its_keys,
            the_schema_refuses_plain_text_beside_what_is_sealed,
            whatever_is_paid_is_bound_to_its_row,
            an_older_ciphertext_of_the_row_is_refused,
            every_change_of_a_person_is_bound_anew,
            rows_in_plain_are_refused_once_a_rotation_has_gone_through,
            a_database_that_began_with_a_key_has_no_row_in_plain,
            a_rotation_passes_over_what_was_altered_and_says_so,
            the_parts_of_a_recipient_are_not_stored_in_plain,
            rotation_keeps_the_parts_of_a_recipient,
            details_that_were_altered_are_refused,
            a_stored_recipient_is_not_kept_in_plain,
            rotation_reseals_stored_recipients,
            a_recipient_that_was_moved_from_another_row_is_refused,
            a_recipient_put_there_in_plain_is_refused,
        }
    };
}
pub(crate) use sealing_cases;
