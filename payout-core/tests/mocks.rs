//! Each port's mock can be used in another crate wherever the port is required.

use std::sync::Arc;
use std::time::Duration;

use payout_core::Timestamp;
use payout_core::contract::build;
use payout_core::ports::{
    Clock, Hint, JobQueue, MockClock, MockJobQueue, MockObserver, MockPayoutRepository, MockProcessor,
    MockRandomness, MockTracer, Observer, PayoutRepository, Processor, Randomness, Signal, SpanKind, Tracer,
};
use payout_core::provider::{LookUp, LookUpAnswer};

#[tokio::test]
async fn a_repository() {
    let mut mock = MockPayoutRepository::new();
    let stored = build::new_payout().stored_at(Timestamp::UNIX_EPOCH);
    let id = stored.id();
    mock.expect_find()
        .withf(move |asked| *asked == id)
        .once()
        .return_once(|_| Ok(Some(stored)));
    let port: Arc<dyn PayoutRepository> = Arc::new(mock);
    assert_eq!(port.find(id).await.unwrap().unwrap().id(), id);
}

#[tokio::test]
async fn a_queue() {
    let mut mock = MockJobQueue::new();
    mock.expect_enqueue()
        .withf(|hints| hints.len() == 1)
        .once()
        .returning(|_| Ok(()));
    let port: Arc<dyn JobQueue> = Arc::new(mock);
    port.enqueue(&[Hint::at(build::fresh_id())]).await.unwrap();
}

#[tokio::test]
async fn a_processor() {
    let mut mock = MockProcessor::new();
    mock.expect_look_up()
        .once()
        .returning(|_| Ok(LookUpAnswer::Absent));
    let port: Arc<dyn Processor> = Arc::new(mock);
    let instruction = build::instruction();
    let look_up = LookUp::of_key(instruction.key, instruction.payout_id);
    assert_eq!(port.look_up(&look_up).await.unwrap(), LookUpAnswer::Absent);
}

#[test]
fn time_and_chance() {
    let mut clock = MockClock::new();
    clock.expect_monotonic().return_const(Duration::from_secs(7));
    let mut randomness = MockRandomness::new();
    randomness.expect_next_u64().return_const(4_u64);
    let (clock, randomness): (Arc<dyn Clock>, Arc<dyn Randomness>) = (Arc::new(clock), Arc::new(randomness));
    assert_eq!(
        (clock.monotonic(), randomness.next_u64()),
        (Duration::from_secs(7), 4)
    );
}

#[test]
fn an_observer() {
    let mut mock = MockObserver::new();
    mock.expect_observe()
        .withf(|signal| *signal == Signal::Abandoned)
        .once()
        .return_const(());
    let port: Arc<dyn Observer> = Arc::new(mock);
    port.observe(&Signal::Abandoned);
}

#[test]
fn a_tracer() {
    let mut mock = MockTracer::new();
    mock.expect_begin().once().returning(|_, _, _| None);
    let port: Arc<dyn Tracer> = Arc::new(mock);
    assert!(port.begin(SpanKind::Internal, "work", None).is_none());
}

#[test]
#[should_panic(expected = "No matching expectation found")]
fn what_was_not_expected_fails_the_test() {
    MockClock::new().now();
}
