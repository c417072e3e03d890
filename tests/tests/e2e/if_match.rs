//! `ETag`, `If-Match` and `If-None-Match`.

use payout_tests::app::{App, path_of};
use payout_tests::body::payout;
use payout_tests::client::{Call, PAYOUTS};
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{State, declining, on_each_backend, serving};

on_each_backend!(
    the_tag_grows_with_every_write,
    a_write_at_the_current_version_is_made,
    a_write_at_another_version_is_refused,
    a_header_that_is_no_list_of_tags_is_refused,
    a_retry_is_guarded_too,
    of_many_racing_edits_of_one_version_one_is_made,
    what_the_client_has_is_not_sent_again,
    a_write_of_what_must_not_be_there_is_refused,
);

fn version(etag: &str) -> u64 {
    etag.trim_matches('"').parse().expect("a version")
}

async fn the_tag_grows_with_every_write(backend: Backend) {
    let app = declining(backend).await;
    let path = State::Failed.payout(&app).await;
    let failed = app.get(&path).await.etag();
    let retried = app.post(&format!("{path}retry/")).await.expect(202).etag();
    app.until(&path, "failed").await;
    let again = app.get(&path).await.etag();
    assert!(
        version(&failed) < version(&retried) && version(&retried) < version(&again),
        "{failed} {retried} {again}"
    );
    let head = app.call("HEAD", &path).await.expect(200);
    assert_eq!(head.etag(), again, "reading changes nothing");
}

/// Returns one of each write that a pending payout accepts.
fn writes<'a>(app: &'a App, path: &str) -> Vec<(&'static str, Call<'a>)> {
    vec![
        ("PATCH", app.patch(path).json(json!({"description": "new"}))),
        ("a step", app.patch(path).json(json!({"status": "cancelled"}))),
        ("PUT", app.put(path).json(payout())),
        ("DELETE", app.delete(path)),
        ("cancel", app.post(&format!("{path}cancel/"))),
    ]
}

async fn a_write_at_the_current_version_is_made(backend: Backend) {
    let app = serving(backend).await;
    for number in 0..5 {
        for tags in ["CURRENT", "*", "\"99\", CURRENT", "W/\"99\",CURRENT , \"other\""] {
            let path = path_of(&app.create(payout()).await);
            let current = app.get(&path).await.etag();
            let (name, call) = writes(&app, &path).remove(number);
            let reply = call.header("if-match", &tags.replace("CURRENT", &current)).await;
            assert!(matches!(reply.status, 200 | 204), "{name} {tags}: {reply}");
        }
    }
}

async fn a_write_at_another_version_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let stale = app.get(&path).await.etag();
    let _ = app
        .patch(&path)
        .json(json!({"description": "second"}))
        .await
        .expect(200);
    let current = app.get(&path).await;
    let weak = format!("W/{}", current.etag());
    for tags in [
        stale.as_str(),
        weak.as_str(),
        "\"x\"",
        "\"\"",
        "\"98\", \"99\"",
        "\"99999999999999999999999\"",
    ] {
        for (name, call) in writes(&app, &path) {
            let reply = call.header("if-match", tags).await;
            assert_eq!(reply.status, 412, "{name} {tags}: {reply}");
        }
        // Not even an edit that would change nothing.
        app.patch(&path)
            .json(json!({}))
            .header("if-match", tags)
            .await
            .problem(412);
    }
    let after = app.get(&path).await;
    assert_eq!((after.json(), after.etag()), (current.json(), current.etag()));
    let unknown = "/api/payouts/0192f0c1-2345-7890-abcd-ef0123456789/";
    app.delete(unknown).header("if-match", "\"1\"").await.problem(404);
}

async fn a_header_that_is_no_list_of_tags_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    for odd in ["1", "\"1", "\"1\" \"2\"", "'1'", "W/1", "*, \"1\"", "{}"] {
        for (name, call) in writes(&app, &path) {
            let reply = call.header("if-match", odd).await;
            assert_eq!(reply.problem(400).fields(), ["If-Match"], "{name} {odd}");
        }
    }
    assert_eq!(app.payout(&path).await["status"], "pending");
}

async fn a_retry_is_guarded_too(backend: Backend) {
    let app = declining(backend).await;
    let path = State::Failed.payout(&app).await;
    let retry = format!("{path}retry/");
    app.post(&retry).header("if-match", "\"1\"").await.problem(412);
    app.post(&retry)
        .header("if-match", "\"1\"")
        .header("idempotency-key", "k")
        .await
        .problem(412);
    let etag = app.get(&path).await.etag();
    let _ = app
        .post(&retry)
        .header("if-match", &etag)
        .header("idempotency-key", "k")
        .await
        .expect(202);
}

async fn of_many_racing_edits_of_one_version_one_is_made(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let etag = app.get(&path).await.etag();
    let edit = |number: usize| {
        let call = app
            .patch(&path)
            .json(json!({"description": format!("edit {number}")}));
        call.header("if-match", &etag).into_future()
    };
    let replies = futures::future::join_all((0..64).map(edit)).await;
    let (made, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(made.len(), 1);
    for reply in refused {
        reply.problem(412);
    }
    assert_eq!(app.payout(&path).await, made[0].json());
    assert_eq!(app.events(&path).await, ["created", "edited"]);
}

async fn what_the_client_has_is_not_sent_again(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let etag = app.get(&path).await.etag();
    for method in ["GET", "HEAD"] {
        for known in [
            "*".to_owned(),
            etag.clone(),
            format!("W/{etag}"),
            format!("\"99\", W/{etag}"),
        ] {
            let reply = app
                .call(method, &path)
                .header("if-none-match", &known)
                .await
                .expect(304);
            assert_eq!(
                (reply.etag(), reply.body.len()),
                (etag.clone(), 0),
                "{method} {known}"
            );
            assert_eq!(
                reply.header("cache-control"),
                Some("no-store"),
                "as the whole answer has it"
            );
        }
        let both = app
            .call(method, &path)
            .header("if-none-match", "\"99\"")
            .header("if-none-match", &etag);
        assert_eq!(both.await.status, 304, "lines are one list");
        for other in ["\"99\"", "W/\"99\"", "\"\""] {
            let _ = app
                .call(method, &path)
                .header("if-none-match", other)
                .await
                .expect(200);
        }
        assert_eq!(
            app.call(method, &path).header("if-match", "\"99\"").await.status,
            412
        );
        assert_eq!(
            app.call(method, &path).header("if-match", &etag).await.status,
            200
        );
        assert_eq!(
            app.call(method, &path).header("if-none-match", "99").await.status,
            400
        );
        let date = "Sat, 28 Nov 2026 09:30:00 GMT";
        assert_eq!(
            app.call(method, &path)
                .header("if-modified-since", date)
                .await
                .status,
            200
        );
    }
    let gone = format!("{PAYOUTS}01a2232e-bdb0-78f9-acff-1b62de6de58e/");
    app.get(&gone).header("if-none-match", "*").await.problem(404);
}

async fn a_write_of_what_must_not_be_there_is_refused(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let etag = app.get(&path).await.etag();
    for refused in ["*".to_owned(), etag.clone(), format!("W/{etag}")] {
        for (name, call) in writes(&app, &path) {
            let reply = call.header("if-none-match", &refused).await;
            assert_eq!(reply.problem(412).fields(), [] as [&str; 0], "{name} {refused}");
        }
    }
    assert_eq!(app.get(&path).await.etag(), etag, "nothing was done");
    let gone = format!("{PAYOUTS}01a2232e-bdb0-78f9-acff-1b62de6de58e/");
    app.delete(&gone).header("if-none-match", "*").await.problem(404);
    let edit = app.patch(&path).json(json!({"description": "new"}));
    assert_eq!(edit.header("if-none-match", "\"99\"").await.status, 200);
    assert_eq!(
        app.delete(&path).header("if-none-match", &etag).await.status,
        204,
        "an old version"
    );
}
