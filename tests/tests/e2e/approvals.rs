//! Payouts that other people must approve, whichever way they come.

use payout_tests::app::path_of;
use payout_tests::body::{payout_with, with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{launch, on_each_backend};

on_each_backend!(
    a_file_that_is_imported_awaits_approval_like_any_other_payout,
    a_command_without_the_rules_of_the_service_pays_nobody,
    what_becomes_a_likely_duplicate_awaits_approval,
);

const FILE: &str =
    "amount,currency,recipient_account,recipient_name\n10.00,EUR,account-1,Ada\n20.00,EUR,account-2,Bob\n";

async fn a_file_that_is_imported_awaits_approval_like_any_other_payout(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_APPROVALS", "*=0:1");
    launch.migrate().await;
    std::fs::write(launch.store().folder().join("friday.csv"), FILE).unwrap();
    let imported = launch.finish(&["import", "friday.csv"]).await;
    let app = launch.run().await;
    let page = app.payout(&format!("{PAYOUTS}?status=awaiting_approval")).await;
    assert_eq!(page["count"], 2, "{}", imported.log());
    assert_eq!(page["results"][0]["approval"]["required"], json!(1));
}

async fn a_command_without_the_rules_of_the_service_pays_nobody(backend: Backend) {
    let lax = launch(backend).await;
    lax.migrate().await;
    std::fs::write(lax.store().folder().join("friday.csv"), FILE).unwrap();
    let rules = [
        ("PAYOUT_APPROVALS", "*=0:1"),
        ("PAYOUT_DUPLICATE_DAYS", "3"),
        ("PAYOUT_LIMITS", "EUR=100/200"),
    ];
    for (setting, value) in rules {
        let strict = lax.clone().set(setting, value);
        let app = strict.serve().await;
        for arguments in [
            &["import", "friday.csv"][..],
            &["batch", "retry", "01a22b51-8e24-7feb-8b8f-f1b09e1e9cdd"],
        ] {
            let mut refused = lax.finish(arguments).await;
            assert!(!refused.ended().unwrap().success(), "{arguments:?}");
            let line = refused.log();
            assert!(line.contains("has other rules for payouts"), "{line}");
            assert!(line.contains(setting), "{line}");
        }
        assert_eq!(app.payout(PAYOUTS).await["count"], 0);
        let mut listed = lax.finish(&["batch", "list"]).await;
        assert!(listed.ended().unwrap().success(), "{}", listed.log());
    }
    let app = lax.serve().await;
    let mut imported = lax.finish(&["import", "friday.csv"]).await;
    assert!(imported.ended().unwrap().success(), "{}", imported.log());
    assert_eq!(app.payout(PAYOUTS).await["count"], 2);
    assert!(app.log().contains("the rules for payouts are others than before"));
}

async fn what_becomes_a_likely_duplicate_awaits_approval(backend: Backend) {
    let app = launch(backend)
        .await
        .set("PAYOUT_DUPLICATE_DAYS", "3")
        .serve()
        .await;
    let one = payout_with("amount", "20.00");
    let other = with(one.clone(), "amount", "20.05");
    let one = app.create(&one).await;
    let other = app.create(&other).await;
    let (path, allowed) = (
        path_of(&other),
        json!({"amount": "20.05", "description": "Another."}),
    );
    let described = app.patch(&path).json(&allowed).await.expect(200).json();
    assert_eq!(described["status"], "pending");
    let edited = app
        .patch(&path)
        .json(json!({"amount": "20.00"}))
        .await
        .expect(200)
        .json();
    assert_eq!(edited["status"], "awaiting_approval");
    assert_eq!(edited["approval"]["duplicate_of"], one["id"], "{edited}");
    let found = app.payout(&path).await;
    assert_eq!(found["status"], "awaiting_approval");
}
