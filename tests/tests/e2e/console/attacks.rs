//! An attacker's tries.

use payout_tests::body;
use payout_tests::person::Person;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{launch, serving};

/// Ends an attribute, a tag and a text, and would run.
const SCRIPT: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>";

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let key = launch.make_person("ada", "read,write,operate").await;
    let app = launch.serve().await;
    app.always_with_key(&key);
    let payout = app.create(body::payout()).await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    let cancel = format!("{path}cancel/");
    let person = Person::at(app.port());
    person.sign_in(&key).await.expect(200);
    let page = person.open(&path).await.expect(200);
    let hidden = page.hidden(&cancel);
    let fields: Vec<(&str, &str)> = hidden
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let without: Vec<(&str, &str)> = fields
        .iter()
        .copied()
        .filter(|(name, _)| *name != "token")
        .collect();
    // The cookie and even the token are there; the form is not from here.
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("origin", app.base()), ("sec-fetch-site", "cross-site")],
        &[("origin", app.base()), ("sec-fetch-site", "same-site")],
    ] {
        let refused = person.post_with(&cancel, headers, &fields).await.expect(403);
        refused.shows("was not sent by a page of this console");
    }
    // It is from here, and has not the token of this session.
    for token in ["", "ab", &"ab".repeat(32)] {
        let mut with = without.clone();
        with.push(("token", token));
        person
            .post(&cancel, &with)
            .await
            .expect(403)
            .shows("session that has ended");
    }
    // A link changes nothing.
    person.open(&cancel).await.expect(405);
    assert_eq!(
        app.payout(&payout_tests::app::path_of(&payout)).await["status"],
        "pending"
    );
    person
        .submit(&page, &cancel, &[])
        .await
        .expect(200)
        .shows("The payout is cancelled.");
}

#[tokio::test]
async fn what_others_write_is_never_run() {
    let app = serving(Backend::Sqlite).await;
    let payout = json!({
        "amount": "1.00", "currency": "EUR",
        "recipient_account": SCRIPT, "recipient_name": SCRIPT, "description": SCRIPT,
        "metadata": {"note": SCRIPT},
    });
    let payout = app.create(payout).await;
    let id = payout["id"].as_str().unwrap();
    let path = format!("/console/payouts/{id}/");
    let person = Person::at(app.port());
    let page = person.open(&path).await.expect(200);
    let cancel = format!("{path}cancel/");
    person
        .submit(&page, &cancel, &[("reason", SCRIPT)])
        .await
        .expect(200);
    let encoded = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let page = person.open(&path).await.expect(200);
    let pages = [
        page.clone(),
        person.open("/console/payouts/").await,
        person
            .open(&format!(
                "/console/payouts/?external_id={encoded}&currency={encoded}&column={encoded}"
            ))
            .await,
        person.open(&format!("/console/payouts/?q={encoded}")).await,
        person
            .open(&format!("/console/payouts/rows/?id={id}&column=description"))
            .await,
        person
            .open(&format!(
                "/console/bulk/new/?step=cancel&created_by={encoded}&metadata%5B{encoded}%5D={encoded}"
            ))
            .await,
        person.open(&format!("/console/bulk/new/?step={encoded}")).await,
        person.open(&format!("/console/{encoded}")).await,
        person.open(&format!("/console/sign-in/?next={encoded}")).await,
        person.open(&format!("/console/overview/?days={encoded}")).await,
        person.submit(&page, &format!("{path}reveal/"), &[]).await,
    ];
    for page in pages {
        assert!(!page.html.contains("<script>"), "{}", page.html);
        assert!(!page.html.contains("<img src=x"), "{}", page.html);
    }
    // Cells of a file, and the names of its columns, come back in a form.
    let form = person.open("/console/upload/").await.expect(200);
    let quoted = SCRIPT.replace('"', "\"\"");
    let file = format!(
        "amount,currency,recipient_account,recipient_name\n\"{quoted}\",EUR,a,\"</textarea>{quoted}\"\n"
    );
    let fields = [("description", SCRIPT)];
    let page = person.upload(&form, "/console/upload/", &file, &fields).await;
    page.shows("1 row is wrong");
    assert!(
        !page.html.contains("<script>") && !page.html.contains("<img src=x"),
        "{}",
        page.html
    );
    let file = format!("amount,\"{quoted}\"\n1,2\n");
    let page = person.upload(&form, "/console/upload/", &file, &[]).await;
    assert!(
        !page.html.contains("<script>") && !page.html.contains("<img src=x"),
        "{}",
        page.html
    );
}

#[tokio::test]
async fn a_page_is_not_framed_cached_or_given_anything_from_elsewhere() {
    let app = serving(Backend::Sqlite).await;
    let person = Person::at(app.port());
    for path in [
        "/console/",
        "/console/payouts/",
        "/console/new/",
        "/console/nowhere/",
    ] {
        let page = person.open(path).await;
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(page.header(name), value, "{path}");
        }
        for part in page
            .html
            .split(['"', '\''])
            .filter(|part| part.starts_with("http") || part.starts_with("//"))
        {
            assert!(part.starts_with(app.base()), "{path} names {part}");
        }
    }
}

#[tokio::test]
async fn an_operator_without_a_scope_has_no_button_and_is_refused_without_one() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let reader = launch.make_person("rita", "read").await;
    let writer = launch.make_person("wanda", "read,write").await;
    let app = launch.serve().await;
    app.always_with_key(&writer);
    let payout = app.create(body::payout()).await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    let person = Person::at(app.port());
    person.sign_in(&reader).await.expect(200);
    let page = person.open(&path).await.expect(200);
    let token = page.hidden("/console/sign-out/").remove(0).1;
    for step in [
        "reveal", "approve", "reject", "cancel", "retry", "resolve", "return",
    ] {
        let action = format!("{path}{step}/");
        assert!(!page.html.contains(&action), "{step}: {}", page.html);
        let fields = [
            ("token", &*token),
            ("version", "1"),
            ("reason", "x"),
            ("choice", "failed"),
        ];
        person
            .post(&action, &fields)
            .await
            .expect(403)
            .shows("This key lacks the scope");
    }
    for path in ["/console/new/", "/console/upload/"] {
        person
            .open(path)
            .await
            .expect(403)
            .shows("This key lacks the scope write.");
        assert!(!page.html.contains(&format!("href=\"{path}\"")), "{}", page.html);
    }
    assert_eq!(
        app.payout(&payout_tests::app::path_of(&payout)).await["version"],
        payout["version"]
    );
}

#[tokio::test]
async fn a_person_who_may_not_read_is_shown_no_payout_by_any_answer() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let (clerk, operator) = (
        launch.make_person("wanda", "write").await,
        launch.make_person("oscar", "operate").await,
    );
    let app = launch.serve().await;
    app.always_with_key(&clerk);
    let created = app.create(body::payout_with("description", "quite secret")).await;
    let path = format!("/console/payouts/{}/", created["id"].as_str().unwrap());
    let person = Person::at(app.port());
    person.sign_in(&operator).await;
    let token = person.open("/console/shortcuts/").await.expect(200);
    let token = token.hidden("/console/sign-out/").remove(0).1;
    let fields = [
        ("token", &*token),
        ("version", "99"),
        ("reason", "x"),
        ("choice", "failed"),
    ];
    for step in ["cancel", "retry", "resolve", "return"] {
        let refused = person.post(&format!("{path}{step}/"), &fields).await;
        assert!(!refused.html.contains("quite secret"), "{step}: {}", refused.html);
        assert!([409, 412].contains(&refused.status), "{step}: {}", refused.status);
    }
    let chosen = format!("{}:1", created["id"].as_str().unwrap());
    let fields = [
        ("token", &*token),
        ("step", "cancel"),
        ("reason", "x"),
        ("chosen", &*chosen),
    ];
    person
        .post("/console/payouts/selected/", &fields)
        .await
        .expect(403);
    person.open("/console/bulk/new/?step=cancel").await.expect(403);
}

#[tokio::test]
async fn a_file_of_very_many_columns_is_refused_at_once_and_shortly() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let app = launch.serve().await;
    let header = "amount,currency,recipient_account,recipient_name";
    let unnamed = format!("{header}{}\n{}", ",".repeat(20_000), "x,EUR,a,b\n".repeat(100));
    let names: String = (0..20_000).map(|number| format!(",q{number}")).collect();
    let unknown = format!("{header}{names}\nx,EUR,a,b\n");
    let metadata: String = (0..190).map(|number| format!(",metadata.q{number}")).collect();
    let wide = format!("{header}{metadata}\n{}", "x,EUR,a,b\n".repeat(100));
    let person = Person::at(app.port());
    let page = person.open("/console/upload/").await.expect(200);
    let token = page.hidden("/console/upload/").remove(0).1;
    for file in [unnamed, unknown, wide] {
        let fields = [("token", &*token), ("step", "check"), ("text", &*file)];
        let answer = person.post("/console/upload/", &fields).await.expect(400);
        assert!(
            answer.html.len() < 1024 * 1024 + file.len(),
            "{} bytes",
            answer.html.len()
        );
    }
}

#[tokio::test]
async fn a_stolen_change_token_is_nothing_without_its_session() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let (ada, bob) = (
        launch.make_person("ada", "read,write,operate").await,
        launch.make_person("bob", "read,write,operate").await,
    );
    let app = launch.serve().await;
    app.always_with_key(&ada);
    let payout = app.create(body::payout()).await;
    let path = format!("/console/payouts/{}/", payout["id"].as_str().unwrap());
    let (first, second, nobody) = (
        Person::at(app.port()),
        Person::at(app.port()),
        Person::at(app.port()),
    );
    first.sign_in(&ada).await.expect(200);
    second.sign_in(&bob).await.expect(200);
    let hidden = first
        .open(&path)
        .await
        .expect(200)
        .hidden(&format!("{path}cancel/"));
    let fields: Vec<(&str, &str)> = hidden
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    second.post(&format!("{path}cancel/"), &fields).await.expect(403);
    nobody.post(&format!("{path}cancel/"), &fields).await.expect(303);
    assert_eq!(
        app.payout(&payout_tests::app::path_of(&payout)).await["status"],
        "pending"
    );
}
