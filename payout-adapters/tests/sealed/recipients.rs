//! Recipients with a type, encrypted: no part is left in plain, and none can be changed in the database.

use payout_adapters::encryption::EncryptionKeys;
use payout_adapters::storage::admin::StorageAdmin;
use payout_core::contract::{build, drive};
use payout_core::payout::{NewPayout, PaymentDetails, Recipient, RecipientFields};
use payout_core::ports::PayoutRepository;

use super::altered::{assert_reviewed_at_once, row};
use super::{ONE, Sealable, TWO, everything, keys, refusal, rotate};

fn typed() -> NewPayout {
    let parts = [
        ("type", "gb_bank"),
        ("sort_code", "200000"),
        ("account_number", "55779911"),
        ("name", "Canary Lovelace"),
        ("email", "canary@example.com"),
        ("address.line1", "1 Canary Wharf"),
        ("address.city", "London"),
        ("address.country", "GB"),
    ];
    let parts = parts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let new = build::of_details(PaymentDetails {
        recipient: Recipient::parse(&RecipientFields(parts.into())).unwrap(),
        ..build::details()
    });
    build::under(&build::fresh_key(), new)
}

pub(crate) async fn the_parts_of_a_recipient_are_not_stored_in_plain<S: Sealable>(store: S) {
    let plain = store.with(EncryptionKeys::default());
    drive::store(&plain, typed()).await;
    let parts = [
        "55779911",
        "200000",
        "canary@example.com",
        "Canary Wharf",
        "gb_bank",
    ];
    let before = everything(&store).await;
    assert!(parts.iter().all(|part| before.contains(part)), "{before}");

    let repository = store.with(keys(&format!("{TWO},{ONE}")));
    rotate::<S>(&repository).await;
    drive::store(&repository, typed()).await;
    let stored = everything(&store).await;
    for part in parts {
        assert!(!stored.contains(part), "{part} is in {stored}");
    }
}

pub(crate) async fn rotation_keeps_the_parts_of_a_recipient<S: Sealable>(store: S) {
    let mut before = Vec::new();
    for repository in [store.with(EncryptionKeys::default()), store.with(keys(ONE))] {
        let new = typed();
        let request = new.request.clone().unwrap();
        before.push((drive::store(&repository, new).await, request));
    }
    assert_eq!(
        rotate::<S>(&store.with(keys(&format!("{TWO},{ONE}")))).await,
        (4, 0)
    );
    let repository = store.with(keys(TWO));
    for (payout, request) in before {
        assert_eq!(drive::found(&repository, payout.id()).await, payout);
        let answer = repository.find_answer(&request.key).await.unwrap().unwrap();
        assert_eq!(answer.payout, payout);
    }
}

pub(crate) async fn details_that_were_altered_are_refused<S: Sealable>(store: S) {
    let repository = store.with(keys(ONE));
    repository.check_keys().await.unwrap();
    let plain = "sealed = NULL, recipient_account = '200000-55779911', recipient_name = 'Canary Lovelace', \
                 recipient_name_folded = 'canary lovelace'";
    for details in [
        "NULL",
        r#"'{"account_number":"55779911","sort_code":"200000","type":"gb_bank"}'"#,
        r#"'{"account_number":"55779911","email":"mallory@example.com","sort_code":"200000","type":"gb_bank"}'"#,
    ] {
        let payout = drive::store(&repository, typed()).await.id();
        let columns = format!("{plain}, recipient_details = {details}");
        store
            .execute(&format!(
                "UPDATE payout_details SET {columns} WHERE {}",
                row(payout)
            ))
            .await;
        refusal(&repository, payout).await;
        assert_reviewed_at_once(&repository, payout, &columns).await;
    }
}
