//! Encrypted account numbers and names: keys that fit, keys that do not, and rotation while everything runs.

use payout_tests::app::{Launch, path_of};
use payout_tests::body::{ACCOUNT, NAME, payout, payout_with, unique};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use payout_tests::wait::{SOON, eventually};
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::support::{launch, on_each_backend};

pub(crate) const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "new:8PHy8/T19vf4+fr7/P3+/wABAgMEBQYHCAkKCwwNDg8=";

on_each_backend!(
    an_encrypted_service_does_all_that_an_open_one_does,
    a_process_without_the_key_does_nothing_and_says_why,
    one_row_that_cannot_be_opened_harms_no_other,
    a_worker_that_lacks_a_new_key_leaves_what_it_seals_to_others,
    keys_are_rotated_while_everything_runs,
    a_command_without_the_key_writes_nothing,
);

async fn count(app: &payout_tests::app::App, search: &str) -> i64 {
    let page = app
        .get(&format!("{PAYOUTS}?search={search}"))
        .await
        .expect(200)
        .json();
    page["count"].as_i64().unwrap()
}

fn encrypted(launch: Launch, keys: &str) -> Launch {
    launch.set("PAYOUT_ENCRYPTION_KEYS", keys)
}

async fn an_encrypted_service_does_all_that_an_open_one_does(backend: Backend) {
    let app = encrypted(launch(backend).await, OLD).run().await;
    let body = payout();
    let created = app
        .post(PAYOUTS)
        .header("idempotency-key", "k")
        .json(&body)
        .await
        .expect(201);
    let again = app
        .post(PAYOUTS)
        .header("idempotency-key", "k")
        .json(&body)
        .await
        .expect(201);
    assert_eq!(
        (again.json(), again.header("idempotent-replayed")),
        (created.json(), Some("true"))
    );
    let other = payout_with("amount", "11.00");
    app.post(PAYOUTS)
        .header("idempotency-key", "k")
        .json(&other)
        .await
        .problem(422);

    let path = path_of(&created.json());
    let paid = app.until(&path, "completed").await;
    assert_eq!(paid["recipient_account"], body["recipient_account"]);
    assert_eq!(paid["recipient_name"], NAME);
    for (search, found) in [
        (body["recipient_account"].as_str().unwrap(), 1),
        ("ada%20qLOVELACE", 1),
        ("ada", 0),
        (ACCOUNT, 0),
    ] {
        assert_eq!(count(&app, search).await, found, "{search}");
    }
    let columns = "recipient_account || recipient_name || recipient_name_folded";
    let plain = format!(
        "SELECT count(*) FROM payouts WHERE {columns} LIKE '%{ACCOUNT}%' OR {columns} LIKE '%ovelace%'"
    );
    assert_eq!(app.store().number(plain).await, 0);
    let plain = format!("SELECT count(*) FROM idempotency_keys WHERE snapshot LIKE '%{ACCOUNT}%'");
    assert_eq!(app.store().number(plain).await, 0);
}

async fn a_process_without_the_key_does_nothing_and_says_why(backend: Backend) {
    let with_key = encrypted(launch(backend).await, OLD);
    let path = {
        let app = with_key.serve().await;
        path_of(&app.create(payout()).await)
    };
    let false_old = NEW.replace("new:", "old:");
    for (keys, why) in [
        ("", "sealed with the key \\\"old\\\", which is not configured"),
        (NEW, "sealed with the key \\\"old\\\", which is not configured"),
        (
            &*false_old,
            "\\\"old\\\" is not the one that the database is sealed with",
        ),
    ] {
        let app = encrypted(with_key.clone(), keys).start(&["run"]);
        let problem = eventually("it says what it lacks", SOON, async || {
            let ready = app.get("/health/ready").send().await.ok()?;
            let text = ready.text();
            text.contains("PAYOUT_ENCRYPTION_KEYS").then_some(ready.status)
        })
        .await;
        assert_eq!(problem, 503);
        app.get(&path).await.problem(503);
        assert!(app.log().contains(why), "{why}: {}", app.log());
    }
    let app = with_key.run().await;
    app.until(&path, "completed").await;
}

/// One of three payouts, the second, has the sealed recipient of the third.
async fn one_row_that_cannot_be_opened_harms_no_other(backend: Backend) {
    let launch = encrypted(launch(backend).await, OLD)
        .set("PAYOUT_MAX_ATTEMPTS", 2)
        .set("PAYOUT_BACKOFF_BASE_MS", 20);
    let mut paths = Vec::new();
    {
        let app = launch.serve().await;
        for _ in 0..3 {
            paths.push(path_of(&app.create(payout()).await));
        }
    }
    let ids: Vec<&str> = paths
        .iter()
        .map(|path| path.trim_start_matches(PAYOUTS).trim_end_matches('/'))
        .collect();
    let literal = |id: &str| match backend {
        Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
        Backend::Postgres => format!("'{id}'"),
    };
    let (broken, other) = (literal(ids[1]), literal(ids[2]));
    launch
        .store()
        .execute(format!(
            "UPDATE payout_details SET sealed = (SELECT sealed FROM payouts WHERE id = {other}) WHERE id = {broken}"
        ))
        .await;

    let app = launch.run().await;
    for path in [&paths[0], &paths[2]] {
        app.until(path, "completed").await;
    }
    // Sent as a raw request: the client treats every 500 as a failure of the test.
    let reply = payout_tests::raw::request(app.port(), "GET", &paths[1]).await;
    assert_eq!(
        (reply.status, &*reply.problem(&paths[1]).kind),
        (500, "urn:payout:problem:internal")
    );
    let waits = format!(
        "SELECT count(*) FROM payouts WHERE id = {broken} AND status = 'processing' AND due_at IS NULL"
    );
    eventually("a person is asked", SOON, async || {
        (app.store().number(&*waits).await == 1).then_some(())
    })
    .await;
    assert_eq!(
        app.events(&paths[1]).await,
        ["created", "claimed", "review_requested"]
    );
    let said = app.log();
    assert!(
        said.contains("a payout cannot be read") && said.contains(ids[1]),
        "{said}"
    );
    assert!(!said.contains(ACCOUNT), "{said}");

    // Page by page, newest first: the second page has only the broken payout.
    let mut page = format!("{PAYOUTS}?page_size=1");
    for (id, place) in ids.iter().rev().zip(0..) {
        let answer = app.get(&page).await.expect(200).json();
        assert_eq!(answer["count"], 3);
        if place == 1 {
            assert_eq!(
                (&answer["results"], &answer["unreadable"]),
                (&json!([]), &json!([id]))
            );
        } else {
            assert_eq!(answer["results"][0]["id"], *id);
            assert_eq!(answer.get("unreadable"), None);
        }
        let next = answer["next"].as_str();
        assert_eq!(next.is_none(), place == 2, "{answer}");
        if let Some(next) = next {
            page = next
                .split_once("/api/")
                .map(|(_, rest)| format!("/api/{rest}"))
                .unwrap();
        }
    }
    let page = app
        .get(&format!("{PAYOUTS}?page_size=1&page=2"))
        .await
        .expect(200)
        .json();
    assert_eq!(page["unreadable"], json!([ids[1]]));
}

/// As in a rolling restart in the wrong order.
async fn a_worker_that_lacks_a_new_key_leaves_what_it_seals_to_others(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let old = encrypted(launch.clone(), OLD).worker();
    eventually("the old key is known", SOON, async || {
        let known = launch.store().number("SELECT count(*) FROM sealing_keys").await;
        (known == 1).then_some(())
    })
    .await;
    let with_both = encrypted(launch, &format!("{NEW},{OLD}"));
    let app = with_both.serve().await;
    let path = path_of(&app.create(payout()).await);
    eventually("the worker says what it lacks", SOON, async || {
        old.log()
            .contains("are left to others: see PAYOUT_ENCRYPTION_KEYS")
            .then_some(())
    })
    .await;
    assert_eq!(app.payout(&path).await["status"], "pending");
    assert_eq!(app.events(&path).await, ["created"], "no attempt was used up");
    let _worker = with_both.worker();
    app.until(&path, "completed").await;
    assert_eq!(app.payout(&path).await["attempts"], 1);
}

async fn keys_are_rotated_while_everything_runs(backend: Backend) {
    let launch = launch(backend).await;
    let mut paths = Vec::new();
    let mut accounts = Vec::new();
    for keys in ["", OLD] {
        let app = encrypted(launch.clone(), keys).serve().await;
        for _ in 0..20 {
            let account = unique(ACCOUNT);
            let body = payout_with("recipient_account", account.as_str());
            let key = format!("key-{account}");
            let created = app
                .post(PAYOUTS)
                .header("idempotency-key", &key)
                .json(&body)
                .await
                .expect(201);
            paths.push(path_of(&created.json()));
            accounts.push((account, body));
        }
        app.get(&paths[0]).await.expect(200).json();
    }
    let rotating = encrypted(launch.clone(), &format!("{NEW},{OLD}"));
    let app = rotating.run().await;
    let mut rotation = rotating.spawn(&["encryption", "rotate"]);
    let status = rotation.end_within(SOON).await;
    assert!(status.success(), "{} {}", rotation.printed(), rotation.log());
    assert!(
        rotation
            .printed()
            .contains("Everything is sealed with the current key.")
    );
    assert!(rotation.printed().contains("No longer needed: old."));
    for path in &paths {
        app.until(path, "completed").await;
    }
    drop(app);

    let app = encrypted(launch.clone(), NEW).run().await;
    for (account, body) in &accounts {
        let key = format!("key-{account}");
        let again = app
            .post(PAYOUTS)
            .header("idempotency-key", &key)
            .json(body)
            .await
            .expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.json()["recipient_account"], account.as_str());
        assert_eq!(count(&app, account).await, 1);
    }
    let unsealed = "SELECT count(*) FROM payouts WHERE sealed IS NULL";
    assert_eq!(app.store().number(unsealed).await, 0);
    let old = encrypted(launch, OLD).finish(&["encryption", "rotate"]).await;
    assert!(
        old.log()
            .contains("sealed with the key \"new\", which is not configured"),
        "{}",
        old.log()
    );
}

/// The first run seals every row but cannot rewrite the file; the second has no row left to seal.
#[tokio::test]
async fn what_a_rotation_could_not_remove_its_repetition_does() {
    let launch = launch(Backend::Sqlite).await;
    {
        let app = launch.serve().await;
        for _ in 0..3 {
            app.create(payout()).await;
        }
    }
    let in_plain = || {
        let files = std::fs::read_dir(launch.store().folder()).unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let all: Vec<u8> = contents.flatten().collect();
        all.windows(ACCOUNT.len())
            .any(|bytes| bytes == ACCOUNT.as_bytes())
    };
    let rotating = encrypted(launch.clone(), OLD);
    let options: SqliteConnectOptions = launch.store().url().parse().unwrap();
    let mut reader = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM payouts")
        .execute(&mut reader)
        .await
        .unwrap();
    let mut first = rotating.finish(&["encryption", "rotate"]).await;
    assert!(first.end_within(SOON).await.success(), "{}", first.log());
    assert!(
        first.printed().contains("could not be rewritten"),
        "{}",
        first.printed()
    );
    assert!(in_plain(), "the search finds what is there");
    reader.close().await.unwrap();
    let second = rotating.finish(&["encryption", "rotate"]).await;
    assert!(
        second.printed().contains("payouts: 3 looked at, 0 re-encrypted"),
        "{}",
        second.printed()
    );
    assert!(!in_plain());
}

/// A client that sees only a mask may send it back; no other mask is accepted as an account.
#[tokio::test]
async fn a_mask_is_no_account_and_no_name() {
    let app = launch(Backend::Sqlite).await.serve().await;
    let path = path_of(&app.create(payout()).await);
    let before = app.payout(&path).await;
    let account = before["recipient_account"].as_str().unwrap();
    let mask = format!("••••{}", &account[account.len() - 3..]);
    let sent_back = json!({"recipient_account": mask, "recipient_name": "A••• Q•••"});
    let after = app.patch(&path).json(&sent_back).await.expect(200).json();
    assert_eq!(after, before, "nothing was changed");
    for (field, value) in [("recipient_account", "••••9999"), ("recipient_name", "B•••")] {
        let problem = app.patch(&path).json(json!({field: value})).await.problem(400);
        assert!(problem.errors.contains_key(field), "{problem:?}");
        let problem = app
            .post(PAYOUTS)
            .json(payout_with(field, value))
            .await
            .problem(400);
        assert!(problem.errors.contains_key(field), "{problem:?}");
    }
}

async fn a_command_without_the_key_writes_nothing(backend: Backend) {
    let plain = launch(backend).await;
    let app = encrypted(plain.clone(), OLD).serve().await;
    let file = "amount,currency,recipient_account,recipient_name\n10.00,EUR,account-1,Ada\n";
    std::fs::write(plain.store().folder().join("friday.csv"), file).unwrap();
    for keyless in [plain.clone(), encrypted(plain.clone(), NEW)] {
        for arguments in [
            &["import", "friday.csv"][..],
            &["webhooks", "create", "https://example.com/hook"],
        ] {
            let mut refused = keyless.finish(arguments).await;
            assert!(!refused.ended().unwrap().success(), "{arguments:?}");
            let line = refused.log();
            assert!(line.contains("PAYOUT_ENCRYPTION_KEYS"), "{line}");
        }
    }
    assert_eq!(app.payout(PAYOUTS).await["count"], 0);
    let mut with_key = encrypted(plain, OLD).finish(&["import", "friday.csv"]).await;
    assert!(with_key.ended().unwrap().success(), "{}", with_key.log());
    assert_eq!(app.payout(PAYOUTS).await["count"], 1);
}
