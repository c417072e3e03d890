//! The event feed of several processes: eight writers, of which some processes are killed, long transactions, and readers
//! that follow meanwhile through every process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use payout_tests::app::App;
use payout_tests::body::payout;
use payout_tests::client::{Api, PAYOUTS};
use payout_tests::store::Backend;
use payout_tests::wait::eventually;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend};

on_each_backend!(
    readers_of_several_processes_miss_nothing_while_writers_are_killed,
    a_payout_that_waits_tells_for_what,
    a_completed_batch_is_told,
);

/// The number of writers, and of payouts that each makes.
const WRITERS: usize = 8;
const PAYOUTS_EACH: usize = 15;

/// Makes payouts through these processes in turn, and edits or cancels some. A process that does not answer is left out.
async fn write(ports: Vec<u16>, writer: usize) -> Vec<String> {
    let apis: Vec<Api> = ports.into_iter().map(Api::on_port).collect();
    let mut made = Vec::new();
    for number in 0..PAYOUTS_EACH {
        let api = &apis[(writer + number) % apis.len()];
        let Ok(created) = api.post(PAYOUTS).json(payout()).send().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if created.status != 201 {
            continue;
        }
        let path = format!("{PAYOUTS}{}/", created.json()["id"].as_str().unwrap());
        made.push(created.json()["id"].as_str().unwrap().to_owned());
        let changed = match number % 3 {
            0 => {
                api.patch(&path)
                    .json(json!({"description": "edited"}))
                    .send()
                    .await
            }
            1 => api.post(&format!("{path}cancel/")).send().await,
            _ => continue,
        };
        drop(changed);
    }
    made
}

/// Follows the feed through these processes in turn until `over`, and then to its end.
async fn follow(ports: Vec<u16>, limit: u32, over: Arc<AtomicBool>) -> Vec<Value> {
    let apis: Vec<Api> = ports.into_iter().map(Api::on_port).collect();
    let (mut events, mut after, mut turn) = (Vec::new(), String::new(), 0);
    loop {
        let is_over = over.load(Ordering::Acquire);
        let query = format!("/api/events/?limit={limit}&wait={}{after}", u8::from(!is_over));
        let api = &apis[turn % apis.len()];
        turn += 1;
        let Ok(page) = api.get(&query).send().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        if page.status != 200 {
            continue;
        }
        let page = page.json();
        let next = format!("&after={}", page["next"].as_str().unwrap());
        let some = page["results"].as_array().unwrap().clone();
        if is_over && some.is_empty() && next == after {
            return events;
        }
        events.extend(some);
        after = next;
    }
}

async fn readers_of_several_processes_miss_nothing_while_writers_are_killed(backend: Backend) {
    let first = launch(backend).await.run().await;
    let mut second = first.launch().start(&["run"]).ready().await;
    let third = first.launch().start(&["serve"]).ready().await;
    let ports = vec![first.port(), second.port(), third.port()];
    let over = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> = [1, 7, 1000]
        .map(|limit| tokio::spawn(follow(vec![first.port(), third.port()], limit, over.clone())))
        .into();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(ports.clone(), writer)))
        .collect();
    let disturb = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        second.process().kill();
        if backend == Backend::Postgres {
            // A transaction that has a number, lasts, and is rolled back: nothing after it is shown meanwhile.
            let long = "BEGIN; SELECT pg_current_xact_id(); SELECT pg_sleep(0.7); ROLLBACK";
            first.store().execute(long).await;
        }
        first.launch().start(&["run"]).ready().await
    };
    let _restarted: App = disturb.await;
    let mut made = BTreeSet::new();
    for writer in writers {
        made.extend(writer.await.unwrap());
    }
    assert!(made.len() > WRITERS * PAYOUTS_EACH / 2, "{}", made.len());
    eventually(
        "every payout is at its end",
        Duration::from_secs(60),
        async || {
            let open = "SELECT count(*) FROM payouts WHERE status IN ('pending', 'processing')";
            (first.store().number(open).await == 0).then_some(())
        },
    )
    .await;
    over.store(true, Ordering::Release);
    let whole = follow(vec![first.port()], 1000, over).await;
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = whole.iter().map(|event| text(event, "id")).collect();
    assert_eq!(ids.len(), whole.len(), "no event comes twice");
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in &whole {
        let own = versions.entry(text(event, "payout_id")).or_default();
        own.push(event["version"].as_u64().unwrap());
    }
    for (payout, own) in &versions {
        assert!(own.is_sorted_by(|one, next| one < next), "{payout}: {own:?}");
    }
    // The last event of each payout has its last version.
    let last: u64 = versions.values().filter_map(|own| own.last()).sum();
    let stored = async |what: &str| {
        let number = first.store().number(format!("SELECT {what} FROM payouts")).await;
        u64::try_from(number).unwrap()
    };
    assert_eq!(stored("count(*)").await, versions.len() as u64);
    assert_eq!(stored("CAST(sum(version) AS BIGINT)").await, last);
    assert!(made.iter().all(|id| versions.contains_key(id)));
    for follower in followers {
        let followed = follower.await.unwrap();
        assert_eq!(followed.len(), whole.len());
        assert!(
            followed == whole,
            "a follower reads what a reader from the beginning reads"
        );
    }
}

async fn a_payout_that_waits_tells_for_what(backend: Backend) {
    let app = launch(backend)
        .await
        .set("PAYOUT_APPROVALS", "EUR=1:1")
        .serve()
        .await;
    let body = payout_tests::body::payout_with("scheduled_at", "2199-01-01T00:00:00Z");
    // Further ahead than a schedule may be: refused, and not told.
    app.post(PAYOUTS).json(body).await.problem(400);
    let at = first_of_next_month();
    let mut body = payout_tests::body::payout_with("currency", "USD");
    body["scheduled_at"] = json!(at);
    app.create(body).await;
    let feed = app.get("/api/events/").await.expect(200).json();
    let events = feed["results"].as_array().unwrap();
    let told: Vec<(&str, &Value, &Value)> = events
        .iter()
        .map(|event| {
            (
                event["type"].as_str().unwrap(),
                &event["version"],
                &event["data"]["scheduled_at"],
            )
        })
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].0, told[1].0), ("payout.created", "payout.scheduled"));
    assert_eq!((told[0].1, told[1].1), (&json!(1), &json!(1)));
    assert!(told[0].2.is_null() && told[1].2.is_string(), "{told:?}");
    // The cursor of the first leads to the second.
    let after = events[0]["sequence"].as_str().unwrap();
    let rest = app
        .get(&format!("/api/events/?after={after}"))
        .await
        .expect(200)
        .json();
    assert_eq!(rest["results"].as_array().unwrap()[..], events[1..]);
    assert_eq!(rest["next"], events[1]["sequence"]);
}

async fn a_completed_batch_is_told(backend: Backend) {
    let app = launch(backend).await.run().await;
    let payouts: Vec<Value> = (0..3).map(|_| payout()).collect();
    let body = json!({"external_id": payout_tests::body::unique("batch-"), "payouts": payouts});
    let made = app.post("/api/batches/").json(body).await.expect(201).json();
    let told = async || {
        let page = app
            .get("/api/events/?types=batch.completed")
            .await
            .expect(200)
            .json();
        let events = page["results"].as_array().unwrap().clone();
        (!events.is_empty()).then_some(events)
    };
    let events = eventually("the batch is told to be completed", Duration::from_secs(30), told).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["batch_id"], made["batch"]["id"]);
    let data = &events[0]["data"];
    let finished = json!({"completed": 3, "returned": 0, "failed": 0, "cancelled": 0});
    assert_eq!((&data["finished"], &data["payouts"]), (&finished, &json!(3)));
    // A further look tells nothing.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(told().await.map(|events| events.len()), Some(1));
}

/// Returns a time about a month ahead.
fn first_of_next_month() -> String {
    use payout_core::ports::{Clock as _, System};

    let now = System::default().now();
    (now + Duration::from_secs(30 * 24 * 60 * 60)).to_rfc3339()
}
