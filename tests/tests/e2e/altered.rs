//! Payouts that were altered in the database: they are not paid, and need review at once.

use payout_tests::app::path_of;
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::json;

use crate::encryption::OLD;
use crate::support::{launch, on_each_backend};

on_each_backend!(what_was_altered_in_the_database_is_reviewed_and_not_paid);

async fn what_was_altered_in_the_database_is_reviewed_and_not_paid(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let launch = launch(backend)
        .await
        .set("PAYOUT_ENCRYPTION_KEYS", OLD)
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    let changes = [
        "amount = '11.50'",
        "currency = 'EUR'",
        "description = 'other'",
        "sealed = NULL, recipient_account = 'ATTACKER', recipient_name = 'M', recipient_name_folded = 'm'",
        "sealed = NULL, recipient_account = 'ATTACKER', recipient_name = 'M', recipient_name_folded = 'm', mac = NULL",
        "generation = generation + 1",
        "mac = NULL",
    ];
    let mut altered = Vec::new();
    let sound = {
        let app = launch.serve().await;
        for change in changes {
            let created = app.create(payout()).await;
            let id = created["id"].as_str().unwrap().to_owned();
            let literal = match backend {
                Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
                Backend::Postgres => format!("'{id}'"),
            };
            let table = if change.starts_with("generation") {
                "payout_states"
            } else {
                "payout_details"
            };
            app.store()
                .execute(format!("UPDATE {table} SET {change} WHERE id = {literal}"))
                .await;
            altered.push(id);
        }
        path_of(&app.create(payout()).await)
    };
    let app = launch.run().await;
    app.until(&sound, "completed").await;
    let waits = "SELECT count(*) FROM payouts WHERE status = 'processing' AND due_at IS NULL";
    let all = i64::try_from(altered.len()).unwrap();
    eventually("a person is asked", SOON, async || {
        (app.store().number(waits).await == all).then_some(())
    })
    .await;
    assert_eq!(provider.ledger().len(), 1, "nothing but the sound one was sent");
    for id in &altered {
        let path = format!("{PAYOUTS}{id}/");
        assert_eq!(
            app.events(&path).await,
            ["created", "claimed", "review_requested"]
        );
    }
    let page = app.get(PAYOUTS).await.expect(200).json();
    let mut unreadable: Vec<String> = serde_json::from_value(page["unreadable"].clone()).unwrap();
    unreadable.sort();
    altered.sort();
    assert_eq!(json!(unreadable), json!(altered));
    let said = app.log();
    assert!(said.contains("a payout cannot be read") && said.contains("row was altered past this service"));
}
