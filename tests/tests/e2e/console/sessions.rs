//! Sessions: how they begin, and everything that ends them.

use payout_tests::person::Person;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    a_session_begins_with_a_key_and_ends_by_signing_out,
    a_session_ends_when_its_key_is_revoked,
);

const COOKIE: &str = "payout_console";

async fn a_session_begins_with_a_key_and_ends_by_signing_out(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let key = launch.make_person("ada", "read").await;
    let app = launch.serve().await;
    let person = Person::at(app.port());
    let led = person.open("/console/payouts/?status=failed").await.expect(303);
    assert_eq!(
        led.header("location"),
        "/console/sign-in/?next=%2Fconsole%2Fpayouts%2F%3Fstatus%3Dfailed"
    );
    let page = person.open(led.header("location")).await.expect(200);
    // A token that somebody planted before is not taken over.
    let planted = "ab".repeat(32);
    person.plant(COOKIE, &planted);
    let list = person
        .submit(&page, "/console/sign-in/", &[("key", &key)])
        .await
        .expect(200);
    list.shows("ada").shows("No payout is here.");
    let token = person.cookie(COOKIE).expect("a session");
    assert_ne!(token, planted);
    assert_ne!(token, key);
    assert!(
        !app.log().contains(&token) && !app.log().contains(&key),
        "secrets stay out of the log"
    );
    assert!(
        app.log().contains("a person signed in to the console"),
        "{}",
        app.log()
    );

    // The API takes no cookie: other sites cannot use a session there.
    person.open("/api/payouts/").await.expect(401);
    let page = person.open("/console/").await.expect(200);
    person
        .submit(&page, "/console/sign-out/", &[])
        .await
        .expect(200)
        .shows("Your API key");
    person.plant(COOKIE, &token);
    person.open("/console/").await.expect(303);
}

async fn a_session_ends_when_its_key_is_revoked(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let key = launch.make_person("ada", "read").await;
    launch.make_key("other", "admin").await;
    let app = launch.serve().await;
    let person = Person::at(app.port());
    person.sign_in(&key).await.expect(200);
    launch.finish(&["keys", "revoke", "ada"]).await;
    eventually("the session ends", SOON, async || {
        (person.open("/console/").await.status == 303).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_and_a_programs_key_begin_nothing() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let program = launch.make_key("shop", "admin").await;
    let app = launch.serve().await;
    let person = Person::at(app.port());
    for (key, words) in [
        ("", "This is not a valid key"),
        (&*format!("payout_{}", "ab".repeat(32)), "This is not a valid key"),
        (&*program, "This key belongs to a program"),
    ] {
        person.sign_in(key).await.expect(401).shows(words);
        assert_eq!(person.cookie(COOKIE), None);
    }
}

#[tokio::test]
async fn sign_ins_from_one_address_are_limited() {
    let launch = launch(Backend::Sqlite).await;
    launch.migrate().await;
    let key = launch.make_person("ada", "read").await;
    let app = launch.serve().await;
    let person = Person::at(app.port());
    let mut refused = 0;
    for _ in 0..15 {
        let answer = person.sign_in("payout_wrong").await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 4, "{refused}");
    person.sign_in(&key).await.expect(429).shows("Wait a minute");
}

#[tokio::test]
async fn off_removes_the_console() {
    let app = launch(Backend::Sqlite)
        .await
        .set("PAYOUT_CONSOLE", "off")
        .serve()
        .await;
    let person = Person::at(app.port());
    for path in ["/console/", "/console/sign-in/", "/favicon.ico"] {
        let answer = person.open(path).await.expect(404);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    person.open("/").await.expect(200).shows("/api/docs/");
}
