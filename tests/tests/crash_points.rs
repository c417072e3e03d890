//! Crashes at every crash point of the protocol, with real processes on each backend, judged by the provider's ledger.
//!
//! A point is armed in a process that serves and works. A client creates one payout under an idempotency key, and
//! repeats each request that is not answered. The process dies at the point, and another takes its place. In the end
//! there is one payout, it is completed, the provider has paid it once, and the client has waited no longer than a
//! lease and a sweep.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use payout_core::crash::Point;
use payout_tests::app::{App, Launch, path_of};
use payout_tests::body;
use payout_tests::client::PAYOUTS;
use payout_tests::provider::{Deed, Provider};
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, now};
use serde_json::{Value, json};

#[path = "crash_points/batches.rs"]
mod batches;

const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");
const CALL_TIMEOUT_MS: u64 = 500;
const LEASE: Duration = Duration::from_millis(3 * CALL_TIMEOUT_MS);
/// The interval that [`Launch`] sets, plus the quarter by which sweeps are spread.
const SWEEP: Duration = Duration::from_millis(250);
/// The time that a call to the provider, a busy machine and the test's own polling add.
const MARGIN: Duration = Duration::from_secs(3);
const SIGABRT: i32 = 6;
const EDITED: &str = "Invoice 8";

/// Makes a case for each point: its name, where the process dies, and the provider's action on the first submission.
macro_rules! cases {
    ($($name:ident: $point:ident, $deed:expr;)+) => {
        /// The points at which the cases die.
        const POINTS: &[Point] = &[$(Point::$point),+];

        mod on_sqlite {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                lives_through(Backend::Sqlite, Point::$point, $deed).await;
            })+
        }

        mod on_postgres_and_redis {
            use super::*;

            $(#[tokio::test]
            async fn $name() {
                lives_through(Backend::Postgres, Point::$point, $deed).await;
            })+
        }
    };
}

cases! {
    before_insert: BeforeInsert, Deed::Pay;
    after_insert: AfterInsert, Deed::Pay;
    before_store_batch: BeforeStoreBatch, Deed::Pay;
    after_store_batch: AfterStoreBatch, Deed::Pay;
    before_approve_batch: BeforeApproveBatch, Deed::Pay;
    after_approve_batch: AfterApproveBatch, Deed::Pay;
    before_retry_batch: BeforeRetryBatch, Deed::Pay;
    after_retry_batch: AfterRetryBatch, Deed::Pay;
    before_enqueue: BeforeEnqueue, Deed::Pay;
    after_enqueue: AfterEnqueue, Deed::Pay;
    before_apply: BeforeApply, Deed::Pay;
    after_apply: AfterApply, Deed::Pay;
    before_claim: BeforeClaim, Deed::Pay;
    after_claim: AfterClaim, Deed::Pay;
    before_acknowledge: BeforeAcknowledge, Deed::Pay;
    after_acknowledge: AfterAcknowledge, Deed::Pay;
    before_look_up_of_what_was_not_paid: BeforeLookUp, Deed::Refuse(500);
    before_look_up_of_what_was_paid: BeforeLookUp, Deed::PayAndRefuse(500);
    after_look_up_of_what_was_not_paid: AfterLookUp, Deed::Refuse(500);
    after_look_up_of_what_was_paid: AfterLookUp, Deed::PayAndRefuse(500);
    before_submit: BeforeSubmit, Deed::Pay;
    after_submit: AfterSubmit, Deed::Pay;
    after_submit_whose_answer_was_lost: AfterSubmit, Deed::PayAndVanish;
    before_settle: BeforeSettle, Deed::Pay;
    after_settle: AfterSettle, Deed::Pay;
}

#[test]
fn every_point_has_its_case() {
    let mut points = POINTS.to_vec();
    points.dedup();
    assert_eq!(points, Point::ALL);
}

#[tokio::test]
async fn a_point_that_does_not_exist_stops_the_start() {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let mut process = Launch::new(BINARY, store)
        .set("PAYOUT_CRASH_AT", "Nowhere")
        .finish(&["run"])
        .await;
    assert_eq!(process.ended().and_then(|status| status.code()), Some(2));
    assert!(process.log().contains("PAYOUT_CRASH_AT"), "{}", process.log());
}

/// A client, and the settings of the process that it talks to.
struct Story {
    launch: Launch,
    body: Value,
    key: String,
}

async fn lives_through(backend: Backend, point: Point, first: Deed) {
    if batches::has(point) {
        return batches::lives_through(backend, point).await;
    }
    let provider = Provider::deciding(move |_, number| if number == 1 { first } else { Deed::Pay }).await;
    let story = Story {
        launch: Launch::new(BINARY, Arc::new(Store::new(backend).await))
            .set("PAYOUT_PROCESSOR", "http")
            .set("PAYOUT_PROCESSOR_URL", provider.url())
            .set("PAYOUT_BACKOFF_BASE_MS", 50)
            .call_timeout_ms(CALL_TIMEOUT_MS),
        body: body::payout(),
        key: body::unique("crash-"),
    };
    let answered = story.crash_at(point).await;

    let app = story.launch.serve().await;
    let payout = story.create(&app).await.expect("a server that lives answers");
    if let Some(answered) = answered {
        assert_eq!(payout, answered, "one create, one answer");
    }
    let path = path_of(&payout);
    if is_of_a_person(point) {
        let edited = story
            .edit(&app, &path)
            .await
            .expect("a server that lives answers");
        assert_eq!(edited["description"], EDITED);
    }
    let begun = now();
    let _worker = story.launch.worker();
    app.until(&path, "completed").await;
    let took = now() - begun;
    assert!(took < LEASE + SWEEP + MARGIN, "taken over after {took:?}");

    assert_eq!(app.store().number("SELECT count(*) FROM payouts").await, 1);
    judge(&provider, &payout["id"], point);
    let events = app.events(&path).await;
    let claims = events.iter().filter(|event| *event == "claimed").count();
    assert_eq!(app.payout(&path).await["attempts"], claims, "{events:?}");
    assert_sane(&events, point);
}

/// Returns whether the point is passed by a client's step; every payout passes all other points.
fn is_of_a_person(point: Point) -> bool {
    matches!(point, Point::BeforeApply | Point::AfterApply)
}

impl Story {
    /// Makes a process die at the point, and returns the answer to the create, if there was one.
    async fn crash_at(&self, point: Point) -> Option<Value> {
        let armed = self.launch.clone().set("PAYOUT_CRASH_AT", point);
        if point == Point::BeforeClaim {
            // The process reaches this point in its first sweep, so the payout must already exist.
            let answered = self.create(&self.launch.serve().await).await;
            assert_aborts(&mut armed.start(&["run"]), point).await;
            return answered;
        }
        if is_of_a_person(point) {
            // No worker runs, so that nothing claims the payout before it is edited.
            let mut app = armed.serve().await;
            let answered = self.create(&app).await.expect("nothing dies here yet");
            assert_eq!(self.edit(&app, &path_of(&answered)).await, None, "it died first");
            assert_aborts(&mut app, point).await;
            return Some(answered);
        }
        let mut app = armed.run().await;
        let answered = self.create(&app).await;
        assert_aborts(&mut app, point).await;
        assert!(
            answered.is_none() || !matches!(point, Point::BeforeInsert | Point::AfterInsert),
            "it died before the answer"
        );
        answered
    }

    /// Creates the payout; returns nothing when the server died before it answered.
    async fn create(&self, app: &App) -> Option<Value> {
        let call = app.post(PAYOUTS).header("idempotency-key", &self.key);
        let reply = call.json(&self.body).send().await.ok()?;
        Some(reply.expect(201).json())
    }

    /// Edits the payout; returns nothing when the server died before it answered.
    async fn edit(&self, app: &App, path: &str) -> Option<Value> {
        let edit = json!({"description": EDITED});
        let reply = app.patch(path).json(edit).send().await.ok()?;
        Some(reply.expect(200).json())
    }
}

async fn assert_aborts(app: &mut App, point: Point) {
    let status = app.process().end_within(SOON).await;
    assert_eq!(status.signal(), Some(SIGABRT), "{point}: {status}");
}

/// Checks that there is one payment, of one instruction, and none of the calls that the protocol saves.
fn judge(provider: &Provider, id: &Value, point: Point) {
    let ledger = provider.ledger();
    let [entry] = &ledger.values().collect::<Vec<_>>()[..] else {
        panic!("no other payment: {ledger:?}")
    };
    assert_eq!(entry.bodies[0]["payout_id"], *id);
    assert_eq!(entry.payments, 1);
    assert!(
        entry.bodies.iter().all(|body| *body == entry.bodies[0]),
        "the very same instruction: {:?}",
        entry.bodies
    );
    if is_of_a_person(point) {
        assert_eq!(entry.bodies[0]["description"], EDITED);
    }
    if matches!(point, Point::AfterSubmit | Point::BeforeSettle) {
        assert_eq!(entry.submissions, 1, "found by its key, and not sent again");
        assert!(entry.lookups > 0);
    }
}

/// Checks the audit trail: created, edited where it was, claimed at least as often as necessary, completed once and
/// last.
fn assert_sane(events: &[String], point: Point) {
    let mut left: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(left.remove(0), "created", "{events:?}");
    if is_of_a_person(point) {
        assert_eq!(left.remove(0), "edited", "{events:?}");
    }
    assert_eq!(left.pop(), Some("completed"), "{events:?}");
    assert!(
        left.iter().all(|event| ["claimed", "postponed"].contains(event)),
        "{events:?}"
    );
    let claims = left.iter().filter(|event| **event == "claimed").count();
    let (after_one, after_two) = (
        [
            Point::AfterClaim,
            Point::BeforeSubmit,
            Point::AfterSubmit,
            Point::BeforeSettle,
        ]
        .contains(&point),
        [Point::BeforeLookUp, Point::AfterLookUp].contains(&point),
    );
    assert!(
        claims > usize::from(after_one) + 2 * usize::from(after_two),
        "{events:?}"
    );
    if point == Point::AfterSettle {
        assert_eq!(left, ["claimed"], "what is settled is not taken up again");
    }
}
