//! Cases for settlements: the columns that each verdict writes, under the guard of id, fence, generation and
//! processing.

use std::time::Duration;

use crate::attempt::{Settlement, Verdict};
use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{EventKind, Failure, PayoutParts, Status};
use crate::ports::{PayoutRepository, RepositoryError, Settled};
use crate::provider::{DeclineCode, ProviderName, WaitReason};

type Repository = Pair<dyn PayoutRepository>;

const AFTER: Duration = Duration::from_secs(30);

/// Returns verdicts of every kind: without the columns that a verdict may write, and with them.
fn verdicts() -> [Verdict; 12] {
    [
        build::completed("ref-1"),
        Verdict::Failed(Failure::new(
            "insufficient_funds",
            "“Nicht genug Geld”, said the bank's \\ 'system'",
        )),
        build::accepted("ref-1", AFTER),
        build::postponed(AFTER),
        build::put_off(AFTER),
        build::released(AFTER),
        build::review(),
        Verdict::Completed {
            reference: build::reference("ref-1"),
            recheck_in: Some(AFTER),
        },
        Verdict::Failed(Failure::new("closed", "Closed.").because(DeclineCode::AccountClosed)),
        Verdict::Postponed {
            why: "the balance is too low".to_owned(),
            after: AFTER,
            uses_attempt: false,
            waiting_for: Some(WaitReason::Funds),
        },
        Verdict::Released {
            why: "nothing was sent: connection refused".to_owned(),
            after: AFTER,
            waiting_for: None,
            provider: Some(ProviderName::new("another").unwrap()),
        },
        Verdict::KeySpent {
            why: "the refusal is kept under the key".to_owned(),
            after: AFTER,
            waiting_for: WaitReason::ProviderLimit,
        },
    ]
}

/// Each verdict writes its columns and no others, and an event with the outcome.
pub async fn each_verdict_writes_its_columns_and_its_event(Pair { port, .. }: Repository) {
    for verdict in verdicts() {
        let claim = drive::claimed(&*port).await;
        let before = claim.payout().clone();
        let row = verdict.row();
        let earliest = port.now().await.unwrap();
        let after = drive::settled(&*port, claim, verdict.clone()).await;
        let latest = port.now().await.unwrap();

        let parts = after.parts();
        assert!(
            earliest <= parts.updated_at && parts.updated_at <= latest,
            "{verdict:?}"
        );
        let due_at = row.due_in.map(|due_in| parts.updated_at + due_in);
        let expected = PayoutParts {
            status: row.status,
            needs_review: row.needs_review,
            failure: row.failure.cloned(),
            provider_reference: row.reference.cloned(),
            due_at,
            first_submitted_at: before.parts().first_submitted_at.filter(|_| !row.never_sent),
            claims: u32::from(!row.never_sent),
            waiting_for: row.waiting_for,
            waiting_since: row.waiting_for.map(|_| parts.updated_at),
            provider: row.provider.cloned().or(before.parts().provider.clone()),
            completed_at: (row.status == Status::Completed).then_some(parts.updated_at),
            recheck_at: row.recheck_in.map(|recheck_in| parts.updated_at + recheck_in),
            version: before.version() + 1,
            updated_at: parts.updated_at,
            ..before.parts().clone()
        };
        assert_eq!(*parts, expected, "{verdict:?}");

        let event = drive::trail(&*port, after.id()).await.pop().unwrap();
        assert_eq!(
            (event.kind, event.status, event.fence, event.generation),
            (row.event, row.status, 1, 0)
        );
        assert_eq!(event.detail.as_deref(), row.detail);
        assert!(
            earliest <= event.at && event.at <= latest,
            "an event has the repository's time"
        );
    }
}

/// A payout that waits for the same reason again keeps the time since which it waits; another reason starts it again.
pub async fn the_time_of_waiting_goes_on_until_the_reason_changes(Pair { port, .. }: Repository) {
    let wait = |reason| Verdict::Postponed {
        why: "refused for now".to_owned(),
        after: Duration::ZERO,
        uses_attempt: false,
        waiting_for: Some(reason),
    };
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let first = drive::settled(&*port, claim, wait(WaitReason::Funds)).await;
    let since = first.parts().waiting_since;
    assert_eq!(since, Some(first.parts().updated_at));
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    assert_eq!(claim.payout().parts().waiting_since, since);
    let same = drive::settled(&*port, claim, wait(WaitReason::Funds)).await;
    assert_eq!(same.parts().waiting_since, since);
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let other = drive::settled(&*port, claim, wait(WaitReason::Provider)).await;
    assert_eq!(other.parts().waiting_since, Some(other.parts().updated_at));
    let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let paid = drive::settled(&*port, claim, build::completed("ref-1")).await;
    assert_eq!(
        (paid.parts().waiting_for, paid.parts().waiting_since),
        (None, None)
    );
}

/// A batch has its results in order, matches and misses mixed, and a miss does not affect a match.
pub async fn hits_and_misses_in_one_batch_are_answered_in_their_order(Pair { port, .. }: Repository) {
    let mut batch = Vec::new();
    for n in 0..30 {
        let claim = drive::claimed(&*port).await;
        let mut settlement = claim.settle(build::completed(&format!("ref-{n}")));
        settlement.fence += u64::from(n % 3 == 0);
        batch.push(settlement);
    }
    let answers = port.settle(&batch).await.unwrap();
    assert_eq!(answers.len(), batch.len());
    for (n, (settlement, answer)) in batch.iter().zip(answers).enumerate() {
        let payout = drive::found(&*port, settlement.id).await;
        if n % 3 == 0 {
            assert_eq!(
                answer,
                Settled::Late {
                    status: Status::Processing,
                    generation: 0,
                    deleted: false
                }
            );
            assert_eq!(payout.status(), Status::Processing);
        } else {
            assert_eq!(answer, Settled::Applied);
            assert_eq!(
                payout.parts().provider_reference,
                Some(build::reference(&format!("ref-{n}")))
            );
        }
    }
    assert_eq!(port.settle(&[]).await.unwrap(), []);
}

/// A worker that lost its lease and the one that took over may report in one batch.
pub async fn a_stale_and_a_current_fence_in_one_batch_are_told_apart(Pair { port, .. }: Repository) {
    let id = drive::stored(&*port).await.id();
    let stale = drive::claim_when_due(&*port, id, build::SHORT_LEASE).await;
    let current = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let batch = [
        stale.settle(build::failed()),
        current.settle(build::completed("ref-1")),
    ];
    let answers = port.settle(&batch).await.unwrap();
    assert!(
        matches!(answers[..], [Settled::Late { .. }, Settled::Applied]),
        "{answers:?}"
    );
    let payout = drive::found(&*port, id).await;
    assert_eq!(
        (payout.status(), payout.parts().failure.clone()),
        (Status::Completed, None)
    );
}

/// A settlement that is repeated because its acknowledgement was lost returns applied, and changes nothing.
pub async fn a_repeated_settlement_is_applied_once(Pair { port, .. }: Repository) {
    for verdict in verdicts() {
        let settlement = drive::claimed(&*port).await.settle(verdict.clone());
        let batch = std::slice::from_ref(&settlement);
        assert_eq!(port.settle(batch).await.unwrap(), [Settled::Applied]);
        let witness = drive::Witness::of(&*port, settlement.id).await;
        let before = drive::found(&*port, settlement.id).await;
        assert_eq!(
            port.settle(batch).await.unwrap(),
            [Settled::Applied],
            "{verdict:?}, repeated"
        );
        if before.status() == Status::Processing {
            // The guard still matches, so the row may be written again with the later time.
            let parts = drive::found(&*port, settlement.id).await.parts().clone();
            let PayoutParts {
                version,
                due_at,
                updated_at,
                ..
            } = parts;
            assert_eq!(
                parts,
                PayoutParts {
                    version,
                    due_at,
                    updated_at,
                    ..before.parts().clone()
                }
            );
        } else {
            witness.assert_untouched(&*port).await;
        }
    }
}

/// The provider's reference stays when a later settlement has none.
pub async fn a_provider_reference_is_kept_until_another_comes(Pair { port, .. }: Repository) {
    let soon = Duration::from_millis(20);
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    drive::settled(&*port, claim, build::accepted("ref-1", soon)).await;
    for verdict in [
        build::postponed(soon),
        build::accepted("ref-2", soon),
        build::failed(),
    ] {
        let expected = if matches!(verdict, Verdict::Postponed { .. }) {
            "ref-1"
        } else {
            "ref-2"
        };
        let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
        let after = drive::settled(&*port, claim, verdict).await;
        assert_eq!(after.parts().provider_reference, Some(build::reference(expected)));
    }
}

/// After a release nothing of this generation was sent: the next claim is the first that may send.
pub async fn a_release_forgets_the_first_submission(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let released = drive::settled(&*port, claim, build::released(Duration::from_millis(20))).await;
    assert_eq!(
        (released.status(), released.parts().first_submitted_at),
        (Status::Pending, None)
    );
    let next = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let parts = next.payout().parts();
    assert_eq!(parts.first_submitted_at, parts.claimed_at);
    assert_eq!(
        (parts.claims, parts.fence),
        (1, 2),
        "a release uses up no attempt"
    );
    assert!(next.looks_up_first());
}

/// An answer of *not now* uses up no attempt, however often it is settled. Earlier calls that may have arrived still
/// count.
pub async fn not_now_uses_up_no_attempt(Pair { port, .. }: Repository) {
    let soon = Duration::from_millis(20);
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let first = claim.payout().parts().first_submitted_at;
    drive::settled(&*port, claim, build::postponed(soon)).await;
    for round in 2..5_u64 {
        let claim = drive::claim_when_due(&*port, id, LONG_LEASE).await;
        assert_eq!(
            (claim.payout().parts().claims, claim.payout().fence()),
            (2, round)
        );
        assert!(claim.looks_up_first());
        let settlement = claim.settle(build::put_off(soon));
        let batch = std::slice::from_ref(&settlement);
        for _ in 0..2 {
            assert_eq!(port.settle(batch).await.unwrap(), [Settled::Applied]);
        }
        let parts = drive::found(&*port, id).await.parts().clone();
        assert_eq!(
            (parts.status, parts.claims, parts.first_submitted_at),
            (Status::Processing, 1, first)
        );
    }
}

/// After a postponement something may have been sent, so the time of the first submission stays.
pub async fn a_postponement_keeps_the_first_submission(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let first = claim.payout().clone();
    drive::settled(&*port, claim, build::postponed(Duration::from_millis(20))).await;
    let next = drive::claim_when_due(&*port, first.id(), LONG_LEASE).await;
    let parts = next.payout().parts();
    assert_eq!(parts.first_submitted_at, first.parts().first_submitted_at);
    assert!(parts.first_submitted_at < parts.claimed_at);
}

/// A settlement of a payout that was never stored is refused, not late.
pub async fn a_settlement_of_an_unknown_payout_is_refused(Pair { port, .. }: Repository) {
    let unknown = Settlement {
        id: build::fresh_id(),
        fence: 1,
        generation: 0,
        claims: 1,
        verdict: build::completed("ref-1"),
        approved: None,
    };
    let refused = port.settle(std::slice::from_ref(&unknown)).await;
    assert!(matches!(refused, Err(RepositoryError::Refused(_))), "{refused:?}");
    assert_eq!(port.find(unknown.id).await.unwrap(), None);
}

/// The outcome's text comes from outside and may contain anything. No text may keep a claim from being settled.
pub async fn no_words_keep_a_claim_from_being_settled(Pair { port, .. }: Repository) {
    for why in [
        "a NUL \0 within".to_owned(),
        "𝔘\r\n\t'\"\\;--%_{}".repeat(300),
        String::new(),
    ] {
        let claim = drive::claimed(&*port).await;
        let id = claim.payout().id();
        drive::settled(&*port, claim, Verdict::Review { why }).await;
        let event = drive::trail(&*port, id).await.pop().unwrap();
        assert_eq!(event.kind, EventKind::ReviewRequested);
    }
}
