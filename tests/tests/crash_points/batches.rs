//! Crashes while a batch is stored and approved. A client stores a batch whose payouts need approval, another person
//! approves it, and each repeats the request that is not answered. In the end the batch is there once, and every payout
//! of it was approved once and paid once.

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
    is_of_storing(point) || matches!(point, Point::BeforeApproveBatch | Point::AfterApproveBatch)
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

    /// Approves the batch; returns nothing when the server died before it answered.
    async fn approve(&self, app: &App, path: &str) -> Option<Value> {
        let call = app.post(&format!("{path}approve/")).key(&self.ada);
        Some(call.send().await.ok()?.expect(200).json())
    }
}

pub(crate) async fn lives_through(backend: Backend, point: Point) {
    let provider = Provider::deciding(|_, _| Deed::Pay).await;
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
        grace: launch.make_key("grace", "read,write").await,
        ada: launch.make_key("ada", "read,approve").await,
        body: json!({"external_id": body::unique("batch-"), "payouts": payouts.collect::<Vec<_>>()}),
    };

    let mut app = launch.clone().set("PAYOUT_CRASH_AT", point).serve().await;
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
    eventually("the batch is paid", SOON, async || {
        let batch = app.get(&path).key(&story.grace).await.expect(200).json();
        (batch["percent"] == 100).then_some(())
    })
    .await;
    let count = app.store().number("SELECT count(*) FROM payouts").await;
    assert_eq!(usize::try_from(count), Ok(PAYOUTS));
    let approvals = app.store().number("SELECT count(*) FROM payout_approvals").await;
    assert_eq!(usize::try_from(approvals), Ok(PAYOUTS));
    let ledger = provider.ledger();
    assert_eq!(ledger.len(), PAYOUTS, "{ledger:?}");
    assert!(ledger.values().all(|entry| entry.payments == 1), "{ledger:?}");
}
