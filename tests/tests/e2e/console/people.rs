//! The work of people in the console, without JavaScript.

use payout_tests::body;
use payout_tests::person::Person;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};

use crate::support::{launch, on_each_backend, paying, serving};

on_each_backend!(
    rows_with_mistakes_are_mended_stored_and_approved_by_another,
    a_payout_that_failed_is_retried,
);

/// Makes a file of this many rows, of which three are wrong.
fn file(rows: usize) -> String {
    let mut file = String::from("amount,currency,recipient_account,recipient_name,external_id\n");
    for row in 1..=rows {
        let (amount, currency, name) = match row {
            7 => ("-3", "EUR", "Ada"),
            100 => ("10.00", "EURO", "Ada"),
            450 => ("10.00", "EUR", ""),
            _ => ("10.00", "EUR", "Ada"),
        };
        file.push_str(&format!(
            "{amount},{currency},account-{row},{name},salary-{row}\n"
        ));
    }
    file
}

async fn rows_with_mistakes_are_mended_stored_and_approved_by_another(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_APPROVALS", "*=0:1");
    launch.migrate().await;
    let ada = launch.make_person("ada", "read,write,operate,approve").await;
    let grace = launch.make_person("grace", "read,approve,reveal").await;
    let app = launch.run().await;

    let maker = Person::at(app.port());
    maker.sign_in(&ada).await.expect(200).shows("Nothing needs you.");
    let page = maker.open("/console/upload/").await.expect(200);
    let checked = maker
        .upload(
            &page,
            "/console/upload/",
            &file(500),
            &[("description", "Salaries")],
        )
        .await;
    checked
        .shows("3 rows are wrong")
        .shows("Row 8")
        .shows("Row 101")
        .shows("Row 451");
    assert_eq!(checked.status, 400);
    // The first row of the file is the header.
    let mended = [("cell-8-0", "3.00"), ("cell-101-1", "EUR"), ("cell-451-3", "Ada")];
    let checked = maker
        .submit(&checked, "/console/upload/", &mended)
        .await
        .expect(200);
    checked
        .shows("Every row is right: 500 payouts")
        .shows("4,993.00 EUR");
    let batch = maker.submit(&checked, "/console/upload/", &[]).await.expect(200);
    batch
        .shows("The batch is stored")
        .shows("Salaries")
        .shows("0 of 500 finished")
        .shows("Awaiting approval");

    let approver = Person::at(app.port());
    let needs = approver.sign_in(&grace).await.expect(200);
    needs.shows("Awaiting your approval").shows("500");
    let list = approver
        .open("/console/payouts/?status=awaiting_approval&approvable=true")
        .await
        .expect(200);
    let id = first_id(&list.html);
    let path = format!("/console/payouts/{id}/");
    let payout = approver.open(&path).await.expect(200);
    payout.shows("Nothing is sent until one more person approved it");
    let approve = format!("{path}approve/");
    approver
        .submit(&payout, &approve, &[])
        .await
        .expect(200)
        .shows("You approved this payout.");
    eventually("it is paid", SOON, async || {
        approver
            .open(&path)
            .await
            .html
            .contains("Paid by the provider")
            .then_some(())
    })
    .await;
    // The maker cannot approve what she made: she is shown no button, and is refused without one.
    let list = maker
        .open("/console/payouts/?status=awaiting_approval")
        .await
        .expect(200);
    let path = format!("/console/payouts/{}/", first_id(&list.html));
    let own = maker.open(&path).await.expect(200);
    assert!(!own.html.contains(&format!("{path}approve/")), "{}", own.html);
    let hidden = own.hidden(&format!("{path}cancel/"));
    let fields: Vec<(&str, &str)> = hidden
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let refused = maker.post(&format!("{path}approve/"), &fields).await.expect(403);
    refused.shows("another person must approve it");
}

fn first_id(html: &str) -> String {
    let (_, rest) = html.split_once("data-payout=\"").expect("a row");
    rest.split('"').next().unwrap().to_owned()
}

async fn a_payout_that_failed_is_retried(backend: Backend) {
    let app = crate::support::declining(backend).await;
    let payout = app.create(body::payout()).await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    app.until(&payout_tests::app::path_of(&payout), "failed").await;
    // Without keys the console is open to this host, as the API is.
    let person = Person::at(app.port());
    let page = person.open(&path).await.expect(200);
    page.shows("The provider declined it for good")
        .shows("Declined by the provider");
    let retry = format!("{path}retry/");
    let stale = page.clone();
    let retried = person
        .submit(&page, &retry, &[("reason", "Once more, please.")])
        .await
        .expect(200);
    retried.shows("A new attempt begins").shows("Once more, please.");
    // A form from before the change acts on nothing.
    let refused = person.submit(&stale, &retry, &[]).await.expect(412);
    refused.shows("the payout changed since you looked at it");
}

#[tokio::test]
async fn a_new_payout_is_stored_once_however_often_its_form_is_sent() {
    let app = paying(Backend::Sqlite).await;
    let person = Person::at(app.port());
    let form = person.open("/console/new/").await.expect(200);
    let fields = [
        ("amount", "12.50"),
        ("currency", "eur"),
        ("type", "iban"),
        ("iban-iban", "DE89 3704 0044 0532 0130 00"),
        ("name", "Grace Hopper"),
        ("description", "Invoice 7"),
    ];
    let first = person.submit(&form, "/console/new/", &fields).await.expect(200);
    first
        .shows("The payout is stored.")
        .shows("12.50 EUR")
        .shows("••••3000")
        .shows("Invoice 7");
    assert!(
        !first.html.contains("Grace Hopper"),
        "it is masked: {}",
        first.html
    );
    let again = person.submit(&form, "/console/new/", &fields).await.expect(200);
    again.shows("Nothing was stored twice.");
    assert_eq!(app.payout("/api/payouts/").await["count"], 1);
    let wrong = [
        ("amount", "0"),
        ("currency", "EUR"),
        ("type", "iban"),
        ("iban-iban", "DE00"),
        ("name", "Grace"),
    ];
    let refused = person.submit(&form, "/console/new/", &wrong).await.expect(400);
    refused.shows("class=\"mistake\"").shows("value=\"DE00\"");
}

#[tokio::test]
async fn a_recipient_is_revealed_by_a_click_that_the_trail_keeps() {
    let app = serving(Backend::Sqlite).await;
    let payout = app
        .create(body::payout_with("recipient_name", "Grace Hopper"))
        .await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    let person = Person::at(app.port());
    let page = person.open(&path).await.expect(200);
    assert!(!page.html.contains("Grace Hopper"), "{}", page.html);
    let reveal = format!("{path}reveal/");
    person
        .submit(&page, &reveal, &[])
        .await
        .expect(200)
        .shows("Grace Hopper")
        .shows("The recipient was revealed");
    let page = person.open(&path).await.expect(200);
    assert!(!page.html.contains("Grace Hopper"), "{}", page.html);
    page.shows("The recipient was revealed");
}

#[tokio::test]
async fn a_list_is_filtered_by_its_address_and_any_id_is_found() {
    let app = serving(Backend::Sqlite).await;
    let payout = app.create(body::payout_with("external_id", "order-77")).await;
    app.create(body::payout()).await;
    let person = Person::at(app.port());
    let id = payout["id"].as_str().unwrap();
    for sought in [id, "order-77"] {
        let found = person
            .open(&format!("/console/payouts/?q={sought}"))
            .await
            .expect(303);
        assert_eq!(found.header("location"), format!("/console/payouts/{id}/"));
    }
    let one = person
        .open("/console/payouts/?external_id=order-77")
        .await
        .expect(200);
    assert_eq!(one.html.matches("data-payout=").count(), 1, "{}", one.html);
    person
        .open("/console/payouts/?status=failed")
        .await
        .expect(200)
        .shows("No payout is here.");
    person
        .open("/console/payouts/?created_after=yesterday")
        .await
        .expect(400)
        .shows("These filters cannot be used");
    let rows = person
        .open(&format!("/console/payouts/rows/?id={id}&column=created_by"))
        .await
        .expect(200);
    rows.shows(&format!("id=\"payout-{id}\""));
    let export = person
        .open("/console/payouts/export/?external_id=order-77&format=csv")
        .await
        .expect(200);
    assert!(export.header("content-disposition").contains("payouts.csv"));
    export.shows("order-77");
}

#[tokio::test]
async fn a_step_is_taken_with_every_chosen_payout_at_the_version_that_was_seen() {
    let app = serving(Backend::Sqlite).await;
    let (one, other) = (app.create(body::payout()).await, app.create(body::payout()).await);
    let person = Person::at(app.port());
    let list = person.open("/console/payouts/").await.expect(200);
    let id = |payout: &serde_json::Value| payout["id"].as_str().unwrap().to_owned();
    let (first, stale) = (format!("{}:1", id(&one)), format!("{}:7", id(&other)));
    list.shows(&format!("value=\"{first}\""));
    let fields = [
        ("step", "cancel"),
        ("reason", "Both are wrong."),
        ("chosen", &*first),
        ("chosen", &*stale),
    ];
    let done = person
        .submit(&list, "/console/payouts/selected/", &fields)
        .await
        .expect(200);
    done.shows("1 of 2 cancelled").shows("no longer at the version");
    assert_eq!(
        app.payout(&payout_tests::app::path_of(&one)).await["status"],
        "cancelled"
    );
    assert_eq!(
        app.payout(&payout_tests::app::path_of(&other)).await["status"],
        "pending"
    );
}

#[tokio::test]
async fn every_page_of_the_menu_opens_without_a_script_and_is_small() {
    let app = paying(Backend::Sqlite).await;
    for _ in 0..60 {
        app.create(body::payout()).await;
    }
    let person = Person::at(app.port());
    let home = person.open("/console/").await.expect(200);
    let menu = home
        .html
        .split("<nav class=\"menu\"")
        .nth(1)
        .unwrap()
        .split("</nav>")
        .next()
        .unwrap();
    let paths: Vec<&str> = menu
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(paths.len() >= 8, "{paths:?}");
    for path in paths {
        let page = person.open(path).await.expect(200);
        assert!(
            page.html.len() < 60 * 1024,
            "{path} has {} bytes",
            page.html.len()
        );
        assert!(
            !page.html.contains("<style") && !page.html.contains("style=\""),
            "{path}: {}",
            page.html
        );
        let inline = page
            .html
            .split("<script")
            .skip(1)
            .any(|script| !script.starts_with(" src=\"/console/assets/"));
        assert!(!inline, "{path}: {}", page.html);
    }
}

#[tokio::test]
async fn a_payout_that_waits_is_edited_and_deleted() {
    let app = serving(Backend::Sqlite).await;
    let payout = app.create(body::payout()).await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    let person = Person::at(app.port());
    let edit = format!("{path}edit/");
    let form = person.open(&edit).await.expect(200);
    form.shows("As before:");
    let stale = form.clone();
    let fields = [
        ("amount", "77.70"),
        ("currency", "EUR"),
        ("description", "Invoice 8"),
        ("type", "keep"),
        ("scheduled_at", "2027-01-04T09:30"),
        ("reason", "A typo."),
    ];
    let page = person.submit(&form, &edit, &fields).await.expect(200);
    page.shows("Saved.")
        .shows("77.70 EUR")
        .shows("Invoice 8")
        .shows("4 Jan 2027, 09:30 UTC")
        .shows("A typo.");
    let kept = app.payout(&payout_tests::app::path_of(&payout)).await;
    assert_eq!(kept["recipient"], payout["recipient"], "{kept}");
    // A form from before the change changes nothing.
    let refused = person.submit(&stale, &edit, &fields).await.expect(412);
    refused.shows("the payout changed since you looked at it");

    let form = person.open(&edit).await.expect(200);
    let wrong = [
        ("amount", "77.70"),
        ("currency", "EUR"),
        ("type", "iban"),
        ("iban-iban", "DE00"),
        ("name", "Grace"),
    ];
    let refused = person.submit(&form, &edit, &wrong).await.expect(400);
    refused.shows("class=\"mistake\"").shows("value=\"DE00\"");
    let right = [
        ("amount", "77.70"),
        ("currency", "EUR"),
        ("type", "iban"),
        ("iban-iban", "DE89370400440532013000"),
        ("name", "Grace"),
        ("scheduled_at", ""),
    ];
    let page = person.submit(&form, &edit, &right).await.expect(200);
    page.shows("••••3000");
    assert!(
        !page.html.contains("4 Jan 2027, 09:30 UTC</time></dd>"),
        "{}",
        page.html
    );

    let list = person
        .submit(&page, &format!("{path}delete/"), &[])
        .await
        .expect(200);
    list.shows("The payout is deleted.");
    person.open(&path).await.expect(404);
}

#[tokio::test]
async fn a_search_finds_a_payout_by_what_others_call_it() {
    let app = paying(Backend::Sqlite).await;
    let payout = app
        .create(body::payout_with("external_id", "salary-2026-11"))
        .await;
    let id = payout["id"].as_str().unwrap();
    app.until(&payout_tests::app::path_of(&payout), "completed").await;
    let paid = app.payout(&payout_tests::app::path_of(&payout)).await;
    let reference = paid["provider_reference"].as_str().unwrap().to_owned();
    let person = Person::at(app.port());
    let page = person.open(&format!("/console/payouts/{id}/")).await.expect(200);
    let (_, rest) = page.html.split_once("request <code>").expect("a request");
    let request = rest.split('<').next().unwrap().to_owned();
    let key = format!("{id}:0");
    for sought in [id, "salary-2026-11", &reference, &request, &key] {
        let found = person
            .open(&format!("/console/payouts/?q={sought}"))
            .await
            .expect(303);
        assert_eq!(
            found.header("location"),
            format!("/console/payouts/{id}/"),
            "{sought}"
        );
    }
    let nothing = person
        .open("/console/payouts/?q=nothing-is-named-7")
        .await
        .expect(303);
    // It may still be an account or a name.
    assert_eq!(
        nothing.header("location"),
        "/console/payouts/?search=nothing-is-named-7"
    );
}
