//! Cases for the wait of a consumer.

use std::time::Duration;

use super::{SHORT_WAIT, WAIT, drain, fresh_hints, ids};
use crate::contract::{Pair, drive};
use crate::ports::{Clock, JobQueue, System};

type Queue = Pair<dyn JobQueue>;

/// An idle consumer returns empty after about its wait: not at once, which would be a busy loop, and not much later,
/// which would delay a shutdown.
pub async fn an_idle_consumer_waits_about_as_long_as_it_says(Pair { port, .. }: Queue) {
    let clock = System::default();
    assert_eq!(port.receive(10, SHORT_WAIT).await.unwrap(), []);
    let waited = clock.monotonic();
    assert!(waited >= SHORT_WAIT * 3 / 4, "came back after {waited:?}");
    assert!(
        waited < SHORT_WAIT + Duration::from_secs(3),
        "came back after {waited:?}"
    );
}

/// A wait of zero, or of almost zero, ends at once: it does not mean to wait forever.
pub async fn no_wait_is_not_an_endless_one(Pair { port, .. }: Queue) {
    for wait in [Duration::ZERO, Duration::from_micros(300)] {
        let received = tokio::time::timeout(WAIT, port.receive(10, wait)).await;
        assert_eq!(received.expect("it comes back").unwrap(), []);
    }
    let hints = fresh_hints(1);
    port.enqueue(&hints).await.unwrap();
    let received = drive::eventually("the hint comes without a wait", async || {
        port.receive(10, Duration::ZERO).await.unwrap().pop()
    });
    assert_eq!(received.await.hint, hints[0]);
}

/// A hint wakes a consumer that is waiting.
pub async fn a_hint_wakes_a_waiting_consumer(Pair { port, peer }: Queue) {
    let waiting = tokio::spawn(async move { port.receive(10, WAIT * 6).await.unwrap() });
    tokio::time::sleep(SHORT_WAIT).await;
    let hints = fresh_hints(1);
    peer.enqueue(&hints).await.unwrap();
    let received = tokio::time::timeout(WAIT, waiting)
        .await
        .expect("it is woken")
        .expect("it does not panic");
    assert_eq!(ids(&received), [hints[0].payout_id]);
}

/// A consumer that stops waiting at any time, as at a shutdown, does not block the queue: later hints are received.
pub async fn a_consumer_that_stops_waiting_jams_nobody(Pair { port, .. }: Queue) {
    // The first calls stop while they connect.
    for milliseconds in (1..60).step_by(4) {
        let soon = Duration::from_millis(milliseconds);
        let stopped = tokio::time::timeout(soon, port.receive(10, WAIT)).await;
        assert!(stopped.is_err(), "there was nothing to receive");
    }
    // A hint may still go to a call that has stopped, and be lost with it.
    drive::eventually("a hint comes", async || {
        port.enqueue(&fresh_hints(1)).await.unwrap();
        (!port.receive(10, SHORT_WAIT).await.unwrap().is_empty()).then_some(())
    })
    .await;
    let hints = fresh_hints(1);
    port.enqueue(&hints).await.unwrap();
    assert_eq!(drain(&*port, 1).await, [hints[0].payout_id]);
}
