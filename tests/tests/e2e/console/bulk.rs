//! Bulk actions through the real binary, whose workers are killed.

use std::time::Duration;

use payout_core::ports::{Clock, System};
use payout_tests::app::App;
use payout_tests::client::PAYOUTS;
use payout_tests::person::{Person, Seen};
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend, serving};

on_each_backend!(
    a_worker_that_is_killed_midway_retries_nothing_twice,
    an_action_is_stopped,
);

/// Stores this many payouts as one batch, due at once or tomorrow.
async fn stored(app: &App, many: usize, is_scheduled: bool) {
    let tomorrow = System::default().now() + Duration::from_secs(24 * 60 * 60);
    let payouts: Vec<Value> = (0..many)
        .map(|number| {
            let mut payout = json!({
                "amount": "10.00", "currency": "EUR",
                "recipient_account": format!("account-{number}"), "recipient_name": "Ada",
            });
            if is_scheduled {
                payout["scheduled_at"] = json!(tomorrow.to_rfc3339());
            }
            payout
        })
        .collect();
    let body = json!({ "payouts": payouts });
    let _ = app.post("/api/batches/").json(body).await.expect(201);
}

/// Returns the number of payouts with this status.
async fn count(app: &App, status: &str) -> u64 {
    let list = app
        .payout(&format!("{PAYOUTS}?status={status}&page_size=1"))
        .await;
    list["count"].as_u64().unwrap()
}

/// Counts what matches on the list with this query, confirms, and returns the path of the action's page.
async fn started(person: &Person, query: &str, step: &str) -> String {
    let list = person
        .open(&format!("/console/payouts/?{query}"))
        .await
        .expect(200);
    list.shows("With everything that matches");
    let confirm = person
        .open(&format!("/console/bulk/new/?{query}&step={step}"))
        .await
        .expect(200);
    let page = person
        .submit(
            &confirm,
            "/console/bulk/",
            &[("reason", "The provider had an outage.")],
        )
        .await
        .expect(200);
    page.shows("The bulk action is started");
    let stop = page.html.split("hx-get=\"").nth(1).expect("it is running");
    stop.split('"').next().unwrap().to_owned()
}

/// Returns the number that a page shows behind this term.
fn number(page: &Seen, term: &str) -> u64 {
    let (_, rest) = page.html.split_once(&format!("<dt>{term}</dt><dd>")).unwrap();
    let digits = rest.split('<').next().unwrap().replace(',', "");
    digits.parse().unwrap()
}

async fn a_worker_that_is_killed_midway_retries_nothing_twice(backend: Backend) {
    const MANY: usize = 1_500;
    let app = serving(backend).await;
    stored(&app, MANY, false).await;
    let provider = Provider::deciding(|_, _| Deed::Decline).await;
    let workers = app
        .launch()
        .clone()
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url());
    let mut worker = workers.worker();
    eventually("all have failed", SOON * 3, async || {
        (count(&app, "failed").await == MANY as u64).then_some(())
    })
    .await;
    worker.kill();
    let person = Person::at(app.port());
    let confirm = person
        .open("/console/bulk/new/?status=failed&step=retry")
        .await
        .expect(200);
    confirm.shows("1,500 payouts match").shows("15,000.00 EUR");
    let path = started(&person, "status=failed", "retry").await;
    person
        .open(&path)
        .await
        .expect(200)
        .shows("It waits for a worker");
    person
        .open("/console/")
        .await
        .expect(200)
        .shows("A bulk action is running: Retry 1,500 payouts");
    // Each worker is killed as soon as it has done something, wherever it is then.
    let mut before = 0;
    for _ in 0..3 {
        let mut worker = workers.worker();
        before = eventually("some are retried", SOON * 2, async || {
            let page = person.open(&path).await.expect(200);
            Some(number(&page, "Retried")).filter(|changed| *changed > before)
        })
        .await;
        worker.kill();
    }
    assert!(before < MANY as u64, "the last worker was killed midway");
    let _worker = workers.worker();
    let page = eventually("it finishes", SOON * 4, async || {
        let page = person.open(&path).await.expect(200);
        page.html.contains(">Finished<").then_some(page)
    })
    .await;
    assert_eq!(
        (number(&page, "Retried"), number(&page, "Not changed")),
        (MANY as u64, 0)
    );
    // The provider declines each again, and nothing is retried a second time.
    eventually("all have failed again", SOON * 3, async || {
        let ledger = provider.ledger();
        let retried = ledger.keys().filter(|key| key.ends_with(":1")).count();
        (retried == MANY && count(&app, "failed").await == MANY as u64).then_some(())
    })
    .await;
    let ledger = provider.ledger();
    assert_eq!(ledger.len(), 2 * MANY, "two generations of each, and no third");
    let listed = app.payout(&format!("{PAYOUTS}?page_size=3")).await;
    for payout in listed["results"].as_array().unwrap() {
        let path = payout_tests::app::path_of(payout);
        let events = app.payout(&format!("{path}events/")).await;
        let events = events["results"].as_array().unwrap().clone();
        let retried: Vec<&Value> = events
            .iter()
            .filter(|event| event["event"] == "retried")
            .collect();
        assert_eq!(retried.len(), 1, "{events:?}");
        let request = retried[0]["request_id"].as_str().unwrap();
        assert!(request.starts_with("bulk-"), "{request}");
    }
}

async fn an_action_is_stopped(backend: Backend) {
    const MANY: usize = 3_000;
    let app = serving(backend).await;
    stored(&app, MANY, true).await;
    let person = Person::at(app.port());
    let path = started(&person, "status=pending&currency=EUR", "cancel").await;
    let mut worker = app.launch().worker();
    eventually("some are cancelled", SOON * 2, async || {
        let page = person.open(&path).await.expect(200);
        (number(&page, "Cancelled") > 0).then_some(())
    })
    .await;
    let page = person.open(&path).await.expect(200);
    let stopped = person
        .submit(&page, &format!("{path}stop/"), &[("reason", "Enough.")])
        .await
        .expect(200);
    stopped.shows("api stopped it: Enough.").shows(">Stopped<");
    // What is planned at this moment is still done; then nothing more is.
    let done = eventually("the last page is done", SOON, async || {
        let first = person.open(&path).await.expect(200);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let second = person.open(&path).await.expect(200);
        let (first, second) = (number(&first, "Cancelled"), number(&second, "Cancelled"));
        (first == second).then_some(second)
    })
    .await;
    assert!(done < MANY as u64, "it was stopped midway");
    assert_eq!(count(&app, "cancelled").await, done);
    assert_eq!(count(&app, "pending").await, MANY as u64 - done);
    person
        .open("/console/bulk/")
        .await
        .expect(200)
        .shows("Cancel 3,000 payouts")
        .shows("Stopped");
    assert!(worker.terminate().await.success());
}

#[tokio::test]
async fn who_lacks_the_scope_starts_and_stops_nothing() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let reader = launch.make_person("rita", "read").await;
    let approver = launch.make_person("anna", "read,approve").await;
    let operator = launch.make_person("olga", "read,write,operate").await;
    let app = launch.serve().await;
    app.always_with_key(&operator);
    stored(&app, 3, false).await;
    let olga = Person::at(app.port());
    olga.sign_in(&operator).await.expect(200);
    let confirm = olga
        .open("/console/bulk/new/?status=pending&step=cancel")
        .await
        .expect(200);
    let hidden = confirm.hidden("/console/bulk/");
    let mut fields: Vec<(&str, &str)> = hidden
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    fields.push(("reason", "x"));
    // A form of another site, and one without the session's token.
    let refused = olga
        .post_with("/console/bulk/", &[("origin", "https://evil.example")], &fields)
        .await;
    refused
        .expect(403)
        .shows("was not sent by a page of this console");
    let without: Vec<(&str, &str)> = fields
        .iter()
        .copied()
        .filter(|(name, _)| *name != "token")
        .collect();
    olga.post("/console/bulk/", &without).await.expect(403);
    // Others have no control, and are refused without one.
    for (key, step) in [(&reader, "cancel"), (&approver, "cancel"), (&operator, "approve")] {
        let person = Person::at(app.port());
        person.sign_in(key).await.expect(200);
        let list = person.open("/console/payouts/").await.expect(200);
        let option = format!("<option value=\"{step}\">");
        assert!(!list.html.contains(&option), "{}", list.html);
        let token = list.hidden("/console/sign-out/").remove(0).1;
        person
            .open(&format!("/console/bulk/new/?step={step}"))
            .await
            .expect(403)
            .shows("This key lacks the scope");
        let mut own = without.clone();
        own.retain(|(name, _)| *name != "step");
        own.extend([("step", step), ("token", &token)]);
        person.post("/console/bulk/", &own).await.expect(403);
    }
    let page = olga
        .submit(&confirm, "/console/bulk/", &[("reason", "x")])
        .await
        .expect(200);
    let path = page
        .html
        .split("hx-get=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let anna = Person::at(app.port());
    anna.sign_in(&approver).await.expect(200);
    let seen = anna.open(path).await.expect(200);
    assert!(!seen.html.contains("Stop it"), "{}", seen.html);
    let token = seen.hidden("/console/sign-out/").remove(0).1;
    let stop = format!("{path}stop/");
    anna.post(&stop, &[("token", &token)]).await.expect(403);
    // The same confirmation again leads to the same action.
    let again = olga
        .submit(&confirm, "/console/bulk/", &[("reason", "x")])
        .await
        .expect(200);
    assert!(again.html.contains(path));
    assert_eq!(count(&app, "pending").await, 3);
}

#[tokio::test]
async fn a_key_that_is_revoked_meanwhile_stops_its_actions() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let operator = launch.make_person("olga", "read,write,operate").await;
    let reader = launch.make_person("rita", "read").await;
    let app = launch.serve().await;
    app.always_with_key(&operator);
    stored(&app, 3, true).await;
    let olga = Person::at(app.port());
    olga.sign_in(&operator).await.expect(200);
    let path = started(&olga, "status=pending", "cancel").await;
    let mut revoked = launch.spawn(&["keys", "revoke", "olga"]);
    assert!(revoked.end_within(SOON).await.success());
    let _worker = launch.worker();
    let rita = Person::at(app.port());
    rita.sign_in(&reader).await.expect(200);
    eventually("it is stopped", SOON, async || {
        let page = rita.open(&path).await.expect(200);
        page.html.contains("was revoked or has expired").then_some(())
    })
    .await;
    let page = rita.open("/console/payouts/?status=pending").await.expect(200);
    page.shows("3 in this list");
}
