//! Cases for the completion of batches, which is reported once each time that the last open payout is finished.

use super::others::stored_batch;
use super::{Fed, all};
use crate::attempt::{Claim, Verdict};
use crate::batch::{Batch, FinishedPayouts};
use crate::contract::{Pair, build, drive};
use crate::feed::{BatchFacts, EventType, PublicEvent, Subject};
use crate::payout::{Actor, PayoutId, Status};
use crate::ports::{ListedMember, MembersQuery};

type Repository = Pair<dyn Fed>;

const AT_ONCE: u32 = 100;

async fn complete(port: &dyn Fed) -> u64 {
    port.complete_batches(&Actor::new("worker-7"), AT_ONCE)
        .await
        .unwrap()
}

/// Claims every payout that is due.
async fn claim_all(port: &dyn Fed) -> Vec<Claim> {
    port.claim(&build::sweep(1_000, build::LONG_LEASE))
        .await
        .unwrap()
        .won
}

async fn settle(port: &dyn Fed, claim: Claim, verdict: Verdict) {
    drive::settled(port, claim, verdict).await;
}

async fn members(port: &dyn Fed, batch: &Batch) -> Vec<PayoutId> {
    let query = MembersQuery {
        statuses: Vec::new(),
        approvable_by: None,
        after: None,
        limit: 100,
    };
    let members = port.batch_members(batch, &query).await.unwrap();
    members.iter().map(ListedMember::id).collect()
}

async fn retry(port: &dyn Fed, id: PayoutId) {
    let failed = drive::found(port, id).await;
    let now = port.now().await.unwrap();
    drive::apply(port, &failed.retry(now, build::client()).unwrap()).await;
}

fn completions(events: &[PublicEvent]) -> Vec<&PublicEvent> {
    let told = |event: &&PublicEvent| event.event_type == EventType::BatchCompleted;
    events.iter().filter(told).collect()
}

fn finished(event: &PublicEvent) -> FinishedPayouts {
    match &event.subject {
        Subject::Batch(batch) => batch.finished.expect("a completion has the payouts by status"),
        other @ (Subject::Payout(_) | Subject::Provider(_) | Subject::Webhook(_)) => {
            panic!("{other:?} is no batch")
        }
    }
}

/// A batch is reported as completed once its last open payout is finished, after all events of its payouts, with the
/// numbers of its payouts by status. Payouts without a batch have no part in it.
pub async fn a_batch_is_told_to_be_completed_once(Pair { port, peer }: Repository) {
    let single = drive::stored(&*port).await;
    let batch = stored_batch(&*port, 4).await;
    let ids = members(&*port, &batch).await;
    assert_eq!(complete(&*port).await, 0, "all are pending");
    let payout = drive::found(&*port, ids[0]).await;
    drive::apply(&*port, &payout.cancel(build::client()).unwrap()).await;
    let payout = drive::found(&*port, ids[1]).await;
    drive::apply(&*port, &payout.delete(build::client()).unwrap()).await;
    let mut claims = claim_all(&*port).await;
    claims.retain(|claim| claim.payout().id() != single.id());
    assert_eq!(claims.len(), 2);
    assert_eq!(complete(&*port).await, 0, "two are processing");
    settle(&*port, claims.remove(0), build::completed("ref-1")).await;
    let last = claims.remove(0);
    let id = last.payout().id();
    settle(&*port, last, build::review()).await;
    assert_eq!(complete(&*port).await, 0, "one is under review");
    let review = drive::found(&*port, id).await;
    let failed = review.resolve(crate::payout::Resolution::Failed, build::client());
    drive::apply(&*port, &failed.unwrap()).await;
    assert_eq!(complete(&*peer).await, 1);
    for port in [&port, &peer] {
        assert_eq!(complete(&**port).await, 0, "it was told");
    }

    let events = all(&*port).await;
    let told = completions(&events);
    assert_eq!(told.len(), 1);
    let facts = BatchFacts {
        finished: Some(FinishedPayouts {
            completed: 1,
            failed: 1,
            cancelled: 1,
            returned: 0,
        }),
        ..(&batch).into()
    };
    assert_eq!(told[0].subject, Subject::Batch(facts));
    assert_eq!(
        (told[0].actor.as_str(), told[0].reason.as_deref()),
        ("worker-7", None)
    );
    let of_batch: Vec<&PublicEvent> = events
        .iter()
        .filter(|event| event.batch_id() == Some(batch.id))
        .collect();
    assert_eq!(of_batch.last().map(|event| event.id), Some(told[0].id));
}

/// A batch whose last open payout is deleted is completed.
pub async fn a_batch_without_payouts_is_completed(Pair { port, .. }: Repository) {
    let batch = stored_batch(&*port, 1).await;
    let payout = drive::found(&*port, members(&*port, &batch).await[0]).await;
    drive::apply(&*port, &payout.delete(build::client()).unwrap()).await;
    assert_eq!(complete(&*port).await, 1);
    let events = all(&*port).await;
    assert_eq!(finished(completions(&events)[0]), FinishedPayouts::default());
}

/// A retry opens a batch again: its completion is reported again, with what became of the payout.
pub async fn after_a_retry_a_batch_is_completed_again(Pair { port, peer }: Repository) {
    let batch = stored_batch(&*port, 2).await;
    for claim in claim_all(&*port).await {
        settle(&*port, claim, build::failed()).await;
    }
    assert_eq!(complete(&*port).await, 1);
    let id = members(&*port, &batch).await[0];
    retry(&*peer, id).await;
    assert_eq!(complete(&*port).await, 0, "a payout is open");
    let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
    settle(&*port, claim, build::completed("ref-1")).await;
    assert_eq!(complete(&*port).await, 1);
    assert_eq!(complete(&*peer).await, 0);
    let events = all(&*port).await;
    let told: Vec<(u64, u64)> = completions(&events)
        .iter()
        .map(|event| (finished(event).completed, finished(event).failed))
        .collect();
    assert_eq!(told, [(0, 2), (1, 1)]);
}

/// No more batches are reported at once than asked for; the others follow.
pub async fn completed_batches_are_told_in_parts(Pair { port, .. }: Repository) {
    for _ in 0..3 {
        let batch = stored_batch(&*port, 1).await;
        port.cancel_members(&batch, &build::client(), 10).await.unwrap();
    }
    let worker = Actor::new("worker-7");
    assert_eq!(port.complete_batches(&worker, 2).await.unwrap(), 2);
    assert_eq!(port.complete_batches(&worker, 2).await.unwrap(), 1);
    assert_eq!(port.complete_batches(&worker, 2).await.unwrap(), 0);
    assert_eq!(completions(&all(&*port).await).len(), 3);
}

/// Two workers settle the last two payouts of a batch at once while both look for completed batches: each batch is
/// reported once.
pub async fn of_workers_at_once_one_tells_a_completed_batch(Pair { port, peer }: Repository) {
    const ROUNDS: usize = 30;
    for _ in 0..ROUNDS {
        let batch = stored_batch(&*port, 2).await;
        let mut claims = claim_all(&*port).await;
        assert_eq!(claims.len(), 2, "{batch:?}");
        let (one, other) = (claims.remove(0), claims.remove(0));
        tokio::join!(
            settle(&*port, one, build::completed("ref-1")),
            settle(&*peer, other, build::failed()),
            complete(&*port),
            complete(&*peer),
        );
        tokio::join!(complete(&*port), complete(&*peer));
        // Each may have skipped the batch that the other held when it gave up.
        complete(&*port).await;
    }
    let events = all(&*port).await;
    let told = completions(&events);
    assert_eq!(told.len(), ROUNDS);
    for event in told {
        assert_eq!((finished(event).completed, finished(event).failed), (1, 1));
    }
}

/// A payout is retried while workers look for completed batches: whichever comes first, the end of the retried payout is
/// reported once more, and nothing is reported while it is open.
pub async fn a_retry_and_a_completion_at_once_lose_nothing(Pair { port, peer }: Repository) {
    for _ in 0..30 {
        let batch = stored_batch(&*port, 1).await;
        let id = members(&*port, &batch).await[0];
        for claim in claim_all(&*port).await {
            settle(&*port, claim, build::failed()).await;
        }
        tokio::join!(retry(&*peer, id), complete(&*port), complete(&*peer));
        assert_eq!(drive::found(&*port, id).await.status(), Status::Pending);
        assert_eq!(complete(&*port).await, 0, "a payout is open");
        let claim = drive::claim_when_due(&*port, id, build::LONG_LEASE).await;
        settle(&*port, claim, build::completed("ref-1")).await;
        assert_eq!(complete(&*port).await, 1);
        let events = all(&*port).await;
        let of_batch: Vec<&PublicEvent> = events
            .iter()
            .filter(|event| event.batch_id() == Some(batch.id))
            .collect();
        let last = of_batch.last().expect("it has events");
        assert_eq!(last.event_type, EventType::BatchCompleted);
        assert_eq!(finished(last).completed, 1);
    }
}
