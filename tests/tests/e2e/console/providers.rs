//! The operators' view of a provider: the calls of all workers, and its balances.

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body;
use payout_tests::person::Person;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{launch, on_each_backend};

on_each_backend!(
    a_server_shows_the_calls_of_another_process_and_the_balances,
    the_balances_stand_beside_the_totals_of_a_dry_run,
);

const FILE: &str =
    "amount,currency,recipient_account,recipient_name\n20.00,USD,account-1,Ada\n10.00,GBP,account-2,Bob\n";

/// Starts a server that pays by this provider, without a worker.
async fn served(backend: Backend, provider: &Provider) -> (Launch, App) {
    let launch = launch(backend)
        .await
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    launch.migrate().await;
    let app = launch.serve().await;
    (launch, app)
}

async fn a_server_shows_the_calls_of_another_process_and_the_balances(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let (launch, app) = served(backend, &provider).await;
    let person = Person::at(app.port());
    let before = person.open("/console/providers/").await.expect(200);
    before
        .shows("<dt>Calls of the last hour</dt><dd>0</dd>")
        .shows("48,250.00")
        .shows("12.50");
    let mut worker = launch.worker();
    let created = app.create(body::payout()).await;
    app.until(&path_of(&created), "completed").await;
    // At the latest, a worker reports its calls when it ends.
    assert!(worker.terminate().await.success());
    let after = person.open("/console/providers/").await.expect(200);
    after
        .shows("<dt>Calls of the last hour</dt><dd>1</dd><dt>Without an answer</dt><dd>0</dd>")
        .shows("Working");
}

async fn the_balances_stand_beside_the_totals_of_a_dry_run(backend: Backend) {
    let provider = Provider::that(Deed::Pay).await;
    let (_, app) = served(backend, &provider).await;
    let row = json!({"amount": "20.00", "currency": "USD", "recipient_account": "account-1", "recipient_name": "Ada"});
    let asked = app
        .post("/api/batches/?dry_run=true")
        .json(json!({"payouts": [row]}));
    let report = asked.await.expect(200).json();
    let told = json!([{"provider": null, "balances": [
        {"currency": "EUR", "available": "48250.00"}, {"currency": "USD", "available": "12.50"},
    ]}]);
    assert_eq!(report["report"]["balances"], told);
    let person = Person::at(app.port());
    let page = person.open("/console/upload/").await.expect(200);
    let checked = person
        .upload(&page, "/console/upload/", FILE, &[])
        .await
        .expect(200);
    checked
        .shows("12.50")
        .shows("Less than the sum")
        .shows("not told");
}
