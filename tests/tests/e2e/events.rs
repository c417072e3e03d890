//! `GET /api/payouts/{id}/events/`

use payout_tests::app::path_of;
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{on_each_backend, serving};

on_each_backend!(
    the_trail_tells_what_happened_and_who_did_it,
    the_trail_tells_which_request_it_was,
    a_long_trail_is_read_part_by_part
);

/// A page is never the whole trail: 200,000 events would be a hundred megabytes.
async fn a_long_trail_is_read_part_by_part(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let other = path_of(&app.create(payout()).await);
    let numbers = match backend {
        Backend::Sqlite => {
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5449) SELECT i FROM n)"
        }
        Backend::Postgres => "generate_series(1, 5449)",
    };
    let events = format!(
        "INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor)
        SELECT id, 0, 0, created_at, 'edited', 'pending', 'test' FROM payouts, {numbers} AS numbers"
    );
    app.store().execute(events).await;
    let trail = app.get(&format!("{path}events/")).await.expect(200).json();
    assert_eq!(trail["results"].as_array().unwrap().len(), 200);
    assert_eq!(
        (&trail["count"], &trail["count_exact"]),
        (&json!(5450), &json!(true))
    );
    let mut next = Some(format!("{path}events/?page_size=1000"));
    let (mut kinds, mut parts) = (Vec::new(), 0);
    while let Some(link) = next.take() {
        let part = app
            .get(&link[link.find("/api/").unwrap()..])
            .await
            .expect(200)
            .json();
        kinds.extend(
            part["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["event"].clone()),
        );
        next = part["next"].as_str().map(str::to_owned);
        parts += 1;
    }
    assert_eq!((kinds.len(), parts), (5450, 6));
    assert_eq!(kinds[0], "created");
    assert!(kinds[1..].iter().all(|kind| kind == "edited"));
    // The cursor of one trail is not valid for another.
    let cursor = trail["next"].as_str().unwrap().rsplit_once("cursor=").unwrap().1;
    for refused in [
        format!("{other}events/?cursor={cursor}"),
        format!("{path}events/?page_size=1001"),
    ] {
        app.get(&refused).await.problem(400);
    }
    let nobody = "/api/payouts/019ac4a5-0000-7000-8000-000000000001/events/";
    app.get(nobody).await.problem(404);
}

async fn the_trail_tells_what_happened_and_who_did_it(backend: Backend) {
    let app = serving(backend).await;
    let path = path_of(&app.create(payout()).await);
    let _ = app
        .patch(&path)
        .json(json!({"description": "x", "reason": "a slip"}))
        .await
        .expect(200);
    let _worker = app.launch().worker();
    let paid = app.until(&path, "completed").await;
    let trail = app.get(&format!("{path}events/")).await.expect(200).json();
    let events = trail["results"].as_array().unwrap();
    assert_eq!(trail["count"], events.len());
    let column = |name: &str| -> Vec<Value> { events.iter().map(|event| event[name].clone()).collect() };
    assert_eq!(column("event"), ["created", "edited", "claimed", "completed"]);
    assert_eq!(
        column("status"),
        ["pending", "pending", "processing", "completed"]
    );
    assert_eq!(column("generation"), [0, 0, 0, 0]);
    assert_eq!(column("claim"), [0, 0, 1, 1]);
    assert_eq!(events[1]["detail"], "a slip");
    assert_eq!(events[3]["detail"], paid["provider_reference"]);
    let actors = column("actor");
    assert_eq!(actors[..2], [json!("api"), json!("api")]);
    assert!(
        actors[2]
            .as_str()
            .is_some_and(|name| !name.is_empty() && name != "api"),
        "a worker: {}",
        actors[2]
    );
    assert_eq!(actors[2], actors[3]);
    let times: Vec<String> = column("at")
        .iter()
        .map(|at| at.as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(
        (&times[0], &times[3]),
        (&text(&paid, "created_at"), &text(&paid, "updated_at"))
    );
}

fn text(payout: &Value, name: &str) -> String {
    payout[name].as_str().unwrap().to_owned()
}

async fn the_trail_tells_which_request_it_was(backend: Backend) {
    let app = serving(backend).await;
    let created = app
        .post(PAYOUTS)
        .json(payout())
        .header("x-request-id", "from-the-gateway-7")
        .await
        .expect(201);
    let path = path_of(&created.json());
    let cancelled = app.post(&format!("{path}cancel/")).await.expect(200);
    let trail = app.payout(&format!("{path}events/")).await;
    assert_eq!(trail["results"][0]["request_id"], "from-the-gateway-7");
    assert_eq!(
        trail["results"][1]["request_id"],
        cancelled.header("x-request-id").unwrap()
    );
}
