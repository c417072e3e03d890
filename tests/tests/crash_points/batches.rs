//! Crashes while a batch is stored, approved and retried. A client stores a batch whose payouts need approval, another
//! person approves it, and each repeats the request that is not answered. In the end the batch is there once, and every
//! payout of it was approved once and paid once. Where the retry dies, all payouts are declined before it; then they are
//! approved again and paid, and the event feed tells the retry once, with their number.

use std::sync::Arc;

use payout_core::crash::Point;
use payout_tests::app::{App, Launch};
use payout_tests::body;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

use super::{BINARY, CALL_TIMEOUT_MS, assert_aborts};

const BATCHES: &str = "/api/batches/";
const PAYOUTS: usize = 3;

/// Returns whether only batches pass the point.
pub(crate) fn has(point: Point) -> bool {
    is_of_storing(point)
        || is_of_retrying(point)
        || matches!(point, Point::BeforeApproveBatch | Point::AfterApproveBatch)
}

fn is_of_retrying(point: Point) -> bool {
    matches!(point, Point::BeforeRetryBatch | Point::AfterRetryBatch)
}

fn is_of_storing(point: Point) -> bool {
    matches!(point, Point::BeforeStoreBatch | Point::AfterStoreBatch)
}

/// The people, and the batch.
struct Story {
    grace: String,
    ada: String,
    body: Value,
}

impl Story {
    /// Stores the batch; returns the status and its path, or nothing when the server died before it answered.
    async fn store(&self, app: &App) -> Option<(u16, String)> {
        let call = app.post(BATCHES).key(&self.grace).json(&self.body);
        let reply = call.send().await.ok()?;
        let id = reply.json()["batch"]["id"].as_str().map(str::to_owned);
        Some((
            reply.status,
            format!("{BATCHES}{}/", id.expect("a batch is answered")),
        ))
    }

    /// Retries the batch; returns nothing when the server died before it answered.
    async fn retry(&self, app: &App, path: &str) -> Option<Value> {
        let call = app.post(&format!("{path}retry/")).key(&self.grace);
        Some(call.send().await.ok()?.expect(202).json())
    }

    /// Waits until every payout of the batch is finished.
    async fn until_finished(&self, app: &App, path: &str) {
        eventually("the batch is finished", SOON, async || {
            let batch = app.get(path).key(&self.grace).await.expect(200).json();
            (batch["percent"] == 100).then_some(())
        })
        .await;
    }

    /// Returns the data of all events of a type.
    async fn told(&self, app: &App, event_type: &str) -> Vec<Value> {
        let path = format!("/api/events/?types={event_type}");
        let page = app.get(&path).key(&self.grace).await.expect(200).json();
        let events = page["results"].as_array().expect("a page has events").clone();
        events.into_iter().map(|event| event["data"].clone()).collect()
    }

    /// Waits until this number of completions is in the feed, and returns the data of them.
    async fn until_completions(&self, app: &App, count: usize) -> Vec<Value> {
        eventually("the completions are in the feed", SOON, async || {
            let told = self.told(app, "batch.completed").await;
            (told.len() == count).then_some(told)
        })
        .await
    }

    /// Approves the batch; returns nothing when the server died before it answered.
    async fn approve(&self, app: &App, path: &str) -> Option<Value> {
        let call = app.post(&format!("{path}approve/")).key(&self.ada);
        Some(call.send().await.ok()?.expect(200).json())
    }
}

pub(crate) async fn lives_through(backend: Backend, point: Point) {
    let provider = Provider::deciding(move |key, _| {
        let is_declined = is_of_retrying(point) && key.ends_with(":0");
        if is_declined { Deed::Decline } else { Deed::Pay }
    })
    .await;
    let launch = Launch::new(BINARY, Arc::new(Store::new(backend).await))
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", provider.url())
        .set("PAYOUT_APPROVALS", "*=0:1")
        .call_timeout_ms(CALL_TIMEOUT_MS);
    launch.migrate().await;
    let payouts = (0..PAYOUTS).map(|_| {
        let mut payout = body::payout();
        payout["recipient_account"] = json!(body::unique("ACC-"));
        payout
    });
    let story = Story {
        grace: launch.make_key("grace", "read,write,operate").await,
        ada: launch.make_key("ada", "read,approve").await,
        body: json!({"external_id": body::unique("batch-"), "payouts": payouts.collect::<Vec<_>>()}),
    };

    let mut app = launch.clone().set("PAYOUT_CRASH_AT", point).serve().await;
    if is_of_retrying(point) {
        return retries_through(&launch, &story, app, point, &provider).await;
    }
    let stored = story.store(&app).await;
    assert_eq!(stored.is_none(), is_of_storing(point), "{stored:?}");
    if let Some((_, path)) = &stored {
        assert_eq!(story.approve(&app, path).await, None, "it died first");
    }
    assert_aborts(&mut app, point).await;

    let app = launch.serve().await;
    let (status, path) = story.store(&app).await.expect("a server that lives answers");
    let was_there = point != Point::BeforeStoreBatch;
    assert_eq!(status, if was_there { 200 } else { 201 }, "whole, or not at all");
    let approved = story
        .approve(&app, &path)
        .await
        .expect("a server that lives answers");
    let given = if point == Point::AfterApproveBatch {
        &approved["already_approved"]
    } else {
        &approved["approved"]
    };
    assert_eq!(*given, json!(PAYOUTS), "{approved}");
    let _worker = launch.worker();
    story.until_finished(&app, &path).await;
    let count = app.store().number("SELECT count(*) FROM payouts").await;
    assert_eq!(usize::try_from(count), Ok(PAYOUTS));
    let approvals = app.store().number("SELECT count(*) FROM payout_approvals").await;
    assert_eq!(usize::try_from(approvals), Ok(PAYOUTS));
    let ledger = provider.ledger();
    assert_eq!(ledger.len(), PAYOUTS, "{ledger:?}");
    assert!(ledger.values().all(|entry| entry.payments == 1), "{ledger:?}");
}

/// The story of a batch whose payouts are declined, and whose retry dies.
async fn retries_through(launch: &Launch, story: &Story, mut app: App, point: Point, provider: &Provider) {
    let (_, path) = story.store(&app).await.expect("the server lives");
    story.approve(&app, &path).await.expect("the server lives");
    let _worker = launch.worker();
    story.until_completions(&app, 1).await;
    assert_eq!(story.retry(&app, &path).await, None, "it died first");
    assert_aborts(&mut app, point).await;

    let app = launch.serve().await;
    let was_made = point == Point::AfterRetryBatch;
    let retried = story
        .retry(&app, &path)
        .await
        .expect("a server that lives answers");
    assert_eq!(
        retried["retried"],
        json!(if was_made { 0 } else { PAYOUTS }),
        "{retried}"
    );
    let approved = story
        .approve(&app, &path)
        .await
        .expect("a server that lives answers");
    assert_eq!(approved["approved"], json!(PAYOUTS), "{approved}");
    story.until_finished(&app, &path).await;
    let ledger = provider.ledger();
    assert!(ledger.values().all(|entry| entry.payments <= 1), "{ledger:?}");
    assert_eq!(ledger.values().map(|entry| entry.payments).sum::<u32>(), 3);

    let retried = story.told(&app, "batch.retried").await;
    assert_eq!(retried.len(), 1, "{retried:?}");
    assert_eq!(retried[0]["changed"], json!(PAYOUTS));
    let approved = story.told(&app, "batch.approved").await;
    assert_eq!(approved.len(), 2, "{approved:?}");
    assert!(approved.iter().all(|data| data["changed"] == json!(PAYOUTS)));
    let completed = story.until_completions(&app, 2).await;
    assert_eq!(completed[0]["finished"]["failed"], json!(PAYOUTS));
    assert_eq!(completed[1]["finished"]["completed"], json!(PAYOUTS));
}
