//! Rows that were altered directly in the database: refused on reads, claimed as altered, and not paid.

use payout_adapters::storage::admin::StorageAdmin;
use payout_core::attempt::Policy;
use payout_core::attempt::Verdict;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::payout::{Payout, PayoutId, RecipientName};
use payout_core::ports::{PayoutRepository, RepositoryError, System};

use super::{ONE, Sealable, TWO, canary, keyed_canary, keys, refusal, rotate};

/// A condition that selects one payout, in both SQL dialects.
pub(super) fn row(id: PayoutId) -> String {
    format!("lower(hex(id)) = '{}'", id.as_uuid().simple())
}

/// Claims the due payouts, and asserts that this one is claimed as altered and goes to review at once.
pub(super) async fn assert_reviewed_at_once(repository: &dyn PayoutRepository, id: PayoutId, how: &str) {
    let claims = repository.claim(&build::sweep(10, LONG_LEASE)).await.unwrap();
    let won: Vec<PayoutId> = claims.won.iter().map(|claim| claim.payout().id()).collect();
    assert!(!won.contains(&id), "{how}: it would be paid");
    let claim = claims.unreadable.into_iter().find(|claim| claim.id == id);
    let claim = claim.unwrap_or_else(|| panic!("{how}: it was not claimed"));
    assert!(claim.altered, "{how}");
    let settlement = claim.settle(&Policy::default(), &System::default());
    assert!(
        matches!(settlement.verdict, Verdict::Review { .. }),
        "{how}: {settlement:?}"
    );
    repository.settle(&[settlement]).await.unwrap();
}

/// Of a payout's two tables the one that has these columns.
fn table_of(columns: &str) -> &'static str {
    if columns.starts_with("generation") {
        "payout_states"
    } else {
        "payout_details"
    }
}

pub(crate) async fn whatever_is_paid_is_bound_to_its_row<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    repository.check_keys().await.unwrap();
    let other = drive::store(&repository, keyed_canary()).await;
    let drained = repository
        .claim(&build::only(&[other.id()], LONG_LEASE))
        .await
        .unwrap();
    assert_eq!(drained.won.len(), 1);
    let others = |column: &str| format!("(SELECT {column} FROM payouts WHERE {})", row(other.id()));
    let plain = "sealed = NULL, recipient_account = 'ATTACKER', recipient_name = 'Mallory', \
                 recipient_name_folded = 'mallory'";
    let columns = [
        "amount = '11.50'".to_owned(),
        "currency = 'EUR'".to_owned(),
        "description = 'other'".to_owned(),
        "statement_text = 'other'".to_owned(),
        "statement_text = NULL".to_owned(),
        plain.to_owned(),
        format!("{plain}, mac = NULL"),
        format!("{plain}, mac = NULL, changed_version = NULL"),
        format!("provider_key = {}", others("provider_key")),
        "provider_key = NULL".to_owned(),
        "generation = generation + 1".to_owned(),
        "changed_version = changed_version + 1".to_owned(),
        "changed_version = NULL".to_owned(),
        "mac = NULL".to_owned(),
        format!("mac = {}", others("mac")),
        "mac = substr(mac, 1, 20)".to_owned(),
        format!("sealed = {}, mac = {}", others("sealed"), others("mac")),
    ];
    for columns in columns {
        let payout = drive::store(&repository, keyed_canary()).await.id();
        assert!(repository.find(payout).await.unwrap().is_some());
        store
            .execute(&format!(
                "UPDATE {} SET {columns} WHERE {}",
                table_of(&columns),
                row(payout)
            ))
            .await;
        refusal(&repository, payout).await;
        assert_reviewed_at_once(&repository, payout, &columns).await;
    }
}

pub(crate) async fn an_older_ciphertext_of_the_row_is_refused<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    let payout = drive::store(&repository, canary()).await;
    let holder = drive::store(&repository, canary()).await.id();
    // The holder's row keeps the old ciphertext in the meantime.
    let kept = format!(
        "UPDATE payout_details SET mac = (SELECT sealed FROM payouts WHERE {}) WHERE {}",
        row(payout.id()),
        row(holder)
    );
    store.execute(&kept).await;
    let edited = rename(&repository, payout, "Grace Hopper").await;
    let back = format!(
        "UPDATE payout_details SET sealed = (SELECT mac FROM payouts WHERE {}) WHERE {}",
        row(holder),
        row(edited.id())
    );
    store.execute(&back).await;
    refusal(&repository, edited.id()).await;
    assert_reviewed_at_once(&repository, edited.id(), "an older ciphertext").await;
}

async fn rename(repository: &dyn PayoutRepository, payout: Payout, name: &str) -> Payout {
    let mut edit = payout.details().clone();
    edit.recipient = edit
        .recipient
        .clone()
        .with_name(RecipientName::new(name).unwrap());
    drive::apply(repository, &payout.edit(edit, build::client()).unwrap()).await
}

pub(crate) async fn every_change_of_a_person_is_bound_anew<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    repository.check_keys().await.unwrap();
    let payout = drive::store(&repository, keyed_canary()).await;
    let edited = rename(&repository, payout, "Grace Hopper").await;
    assert_eq!(drive::found(&repository, edited.id()).await, edited);
    let claim = drive::claim_when_due(&repository, edited.id(), LONG_LEASE).await;
    let failed = drive::settled(&repository, claim, build::failed()).await;
    let retry = failed
        .retry(repository.now().await.unwrap(), build::client())
        .unwrap();
    let retried = drive::apply(&repository, &retry).await;
    let claim = drive::claim_when_due(&repository, retried.id(), LONG_LEASE).await;
    drive::settled(&repository, claim, build::completed("ref")).await;
    // As if one more generation were to be paid.
    let again = "generation = generation + 1, status = 'pending', due_at = created_at, claims = 0, \
                 provider_reference = NULL, first_submitted_at = NULL";
    store
        .execute(&format!(
            "UPDATE payout_states SET {again} WHERE {}",
            row(retried.id())
        ))
        .await;
    assert_reviewed_at_once(&repository, retried.id(), again).await;
}

pub(crate) async fn rows_in_plain_are_refused_once_a_rotation_has_gone_through<S: Sealable>(store: S) {
    let plain = store.with(keys(""));
    let before = drive::store(&plain, canary()).await.id();
    let repository = store.with(keys(ONE));
    repository.check_keys().await.unwrap();
    assert!(
        repository.find(before).await.unwrap().is_some(),
        "it is taken until then"
    );
    assert_eq!(rotate::<S>(&repository).await.1, 0);
    repository.forget_other_keys().await.unwrap();
    assert!(
        repository.find(before).await.unwrap().is_some(),
        "it has a MAC now"
    );
    let planted = drive::store(&plain, canary()).await.id();
    let restarted = store.with(keys(&format!("{TWO},{ONE}")));
    restarted.check_keys().await.unwrap();
    for repository in [&repository, &restarted] {
        let said = refusal(repository, planted).await;
        assert!(said.contains("without its MAC"), "{said}");
    }
    store
        .execute(&format!(
            "UPDATE payout_details SET mac = NULL WHERE {}",
            row(before)
        ))
        .await;
    refusal(&restarted, before).await;
    // A rotation does not repair these rows.
    assert_eq!(rotate::<S>(&restarted).await.1, 2);
}

pub(crate) async fn a_database_that_began_with_a_key_has_no_row_in_plain<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    repository.check_keys().await.unwrap();
    let planted = drive::store(&store.with(keys("")), canary()).await.id();
    refusal(&repository, planted).await;
    // A process that has seen the mark keeps refusing, even after the mark was removed.
    store.execute("UPDATE sealing_keys SET protected = NULL").await;
    repository.check_keys().await.unwrap();
    refusal(&repository, planted).await;
    // A forged mark is ignored: only the key can create one.
    store.execute("UPDATE sealing_keys SET protected = proof").await;
    let later = store.with(keys(ONE));
    later.check_keys().await.unwrap();
    assert!(later.find(planted).await.unwrap().is_some());
}

pub(crate) async fn a_rotation_passes_over_what_was_altered_and_says_so<S: Sealable>(store: S) {
    let one = store.with(keys(ONE));
    let (altered, sound) = (
        drive::store(&one, canary()).await.id(),
        drive::store(&one, canary()).await.id(),
    );
    store
        .execute(&format!(
            "UPDATE payout_details SET amount = '11.50' WHERE {}",
            row(altered)
        ))
        .await;
    let both = store.with(keys(&format!("{TWO},{ONE}")));
    assert_eq!(rotate::<S>(&both).await, (1, 1));
    let two = store.with(keys(TWO));
    assert!(two.find(sound).await.unwrap().is_some());
    let refused = both.find(altered).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
}
