//! The state machine: which steps exist, what each writes, and that no sequence of them breaks an invariant.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::{Claim, NotDue, Settlement, SettlementOutcome, Verdict};
use payout_core::contract::build;
use payout_core::payout::{
    Caller, Change, Description, Due, EventKind, ExternalId, Failure, IllegalStep, Metadata, PaymentDetails,
    Payout, RecipientAccount, RecipientName, Resolution, Status, StepError,
};
use payout_core::provider::{Instruction, WaitReason};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_secs(15);
const QUIET: Duration = Duration::from_secs(20);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
}

fn someone() -> Caller {
    Caller::named("operator").because("as agreed by phone")
}

fn pending() -> Payout {
    build::new_payout().stored_at(at(0))
}

fn claimed() -> Claim {
    pending().claim(at(1), LEASE, QUIET).unwrap()
}

fn settled(verdict: Verdict) -> Payout {
    let claim = claimed();
    let payout = claim.payout().clone();
    match payout.settle(&claim.settle(verdict), at(2)) {
        SettlementOutcome::Written(payout) => payout,
        SettlementOutcome::Repeated | SettlementOutcome::Late => panic!("a fresh claim settles"),
    }
}

fn in_every_state() -> Vec<(&'static str, Payout)> {
    vec![
        ("pending", pending()),
        ("processing", claimed().payout().clone()),
        ("review", settled(build::review())),
        ("completed", settled(build::completed("ref"))),
        ("failed", settled(build::failed())),
        ("cancelled", pending().cancel(someone()).unwrap().made_at(at(1))),
    ]
}

/// Returns the states in which a step is legal.
fn legal_from<E>(step: impl Fn(Payout) -> Result<Change, E>) -> Vec<&'static str> {
    in_every_state()
        .into_iter()
        .filter_map(|(name, payout)| step(payout).is_ok().then_some(name))
        .collect()
}

#[test]
fn metadata_may_change_in_every_state_and_change_nothing_else() {
    let metadata = Metadata::new([("team", "blue")]).unwrap();
    for (name, payout) in in_every_state() {
        let change = payout.clone().annotate(metadata.clone(), someone());
        assert_eq!(
            (change.due, change.event),
            (Due::Keep, EventKind::Edited),
            "{name}"
        );
        assert_eq!(change.expected_version, payout.version());
        let mut expected = payout.parts().clone();
        expected.details.metadata = metadata.clone();
        expected.version += 1;
        assert_eq!(*change.after.parts(), expected, "{name}");
        assert_eq!(change.after.details().as_sent(), payout.details().as_sent());
    }
}

#[test]
fn an_instruction_has_only_what_is_sent() {
    let kept = PaymentDetails {
        external_id: ExternalId::new("a").ok(),
        metadata: Metadata::new([("team", "blue")]).unwrap(),
        scheduled_at: Some(at(0)),
        ..build::details()
    };
    let claim = build::of_details(kept.clone())
        .stored_at(at(0))
        .claim(at(1), LEASE, QUIET)
        .unwrap();
    assert_eq!(Instruction::from(&claim).details, kept.as_sent());
}

#[test]
fn an_edit_neither_changes_nor_removes_an_external_id() {
    let named = |text: Option<&str>| PaymentDetails {
        external_id: text.map(|text| ExternalId::new(text).unwrap()),
        ..pending().details().clone()
    };
    let with_id = pending().edit(named(Some("a")), someone()).unwrap().after;
    for other in [Some("b"), None] {
        let refused = with_id.clone().edit(named(other), someone());
        assert_eq!(refused, Err(StepError::ExternalIdSet));
    }
    assert!(with_id.edit(named(Some("a")), someone()).is_ok());
}

#[test]
fn a_new_schedule_makes_a_payout_due_at_its_time_and_none_at_once() {
    let edited = |payout: Payout, at| {
        let details = PaymentDetails {
            scheduled_at: at,
            ..payout.details().clone()
        };
        payout.edit(details, someone()).unwrap()
    };
    let change = edited(pending(), Some(at(900)));
    assert_eq!(change.due, Due::At(at(900)));
    assert_eq!(change.made_at(at(50)).parts().due_at, Some(at(900)));
    assert_eq!(
        change.made_at(at(950)).parts().due_at,
        Some(at(950)),
        "in the past is now"
    );
    assert_eq!(edited(change.after.clone(), Some(at(900))).due, Due::Keep);
    assert_eq!(edited(change.after, None).due, Due::Now);
}

#[test]
fn each_step_exists_from_its_own_states_and_no_other() {
    let edit = |payout: Payout| {
        let edit = pending().details().clone();
        payout.edit(edit, someone())
    };
    assert_eq!(legal_from(edit), ["pending"]);
    assert_eq!(legal_from(|payout| payout.cancel(someone())), ["pending"]);
    assert_eq!(legal_from(|payout| payout.retry(at(9), someone())), ["failed"]);
    assert_eq!(
        legal_from(|payout| payout.resolve(Resolution::Completed, someone())),
        ["review"]
    );
    assert_eq!(
        legal_from(|payout| payout.resolve(Resolution::Failed, someone())),
        ["review"]
    );
    assert_eq!(
        legal_from(|payout| payout.delete(someone())),
        ["pending", "cancelled"]
    );
}

#[test]
fn what_was_ever_sent_or_may_have_been_is_never_hidden() {
    let now = at(1_000);
    // Released: provably nothing was sent, but a worker had claimed it.
    let released = settled(build::released(LEASE));
    let kept = released.clone().delete(someone()).unwrap_err();
    assert_eq!(
        kept,
        StepError::Kept {
            status: Status::Pending
        }
    );
    assert_eq!(
        kept.to_string(),
        "A payout that is pending and was with a worker cannot be deleted, but it can be cancelled: what was sent, or may \
         have been, is kept."
    );
    let cancelled = released.cancel(someone()).unwrap().made_at(now);
    assert!(
        cancelled.delete(someone()).unwrap().deleted,
        "nothing was ever sent"
    );
    // Declined means that it was sent. It cannot be deleted after a retry either: neither before it is claimed, nor
    // once it is cancelled.
    let retried = settled(build::failed())
        .retry(now, someone())
        .unwrap()
        .made_at(now);
    assert!(retried.clone().delete(someone()).is_err());
    let cancelled = retried.cancel(someone()).unwrap().made_at(now);
    assert!(cancelled.delete(someone()).is_err());
    for verdict in [build::completed("ref"), build::failed(), build::review()] {
        assert!(settled(verdict).delete(someone()).is_err());
    }
    assert!(claimed().payout().clone().delete(someone()).is_err());
}

#[test]
fn a_cancelled_payout_waits_for_nothing() {
    let waiting = settled(build::released(Duration::from_secs(1)));
    assert_eq!(waiting.parts().waiting_for, Some(WaitReason::Provider));
    let cancelled = waiting.cancel(someone()).unwrap().after;
    assert_eq!(
        (cancelled.parts().waiting_for, cancelled.parts().waiting_since),
        (None, None)
    );
}

#[test]
fn an_illegal_step_names_the_state_and_the_step() {
    let refused = settled(build::review()).cancel(someone()).unwrap_err();
    assert_eq!(
        refused,
        IllegalStep {
            status: Status::Processing,
            needs_review: true,
            step: "cancelled"
        }
    );
    assert_eq!(
        refused.to_string(),
        "A payout that is processing (under review) cannot be cancelled."
    );
}

#[test]
fn an_edit_of_any_one_field_is_an_edit() {
    let payout = pending();
    let same = payout.details().clone();
    assert_eq!(*payout.details(), same);
    let edits: [fn(&mut PaymentDetails); 4] = [
        |edit| edit.money = build::money("1", "JPY"),
        |edit| {
            edit.recipient = edit
                .recipient
                .clone()
                .with_account(RecipientAccount::new("another").unwrap())
        },
        |edit| {
            edit.recipient = edit
                .recipient
                .clone()
                .with_name(RecipientName::new("Another").unwrap())
        },
        |edit| edit.description = Description::new("another").unwrap(),
    ];
    for change in edits {
        let mut edit = same.clone();
        change(&mut edit);
        assert_ne!(*payout.details(), edit);
        let edited = payout.clone().edit(edit.clone(), someone()).unwrap();
        assert_eq!(*edited.after.details(), edit);
    }
}

#[test]
fn only_what_is_due_can_be_claimed() {
    let claimable: Vec<_> = in_every_state()
        .into_iter()
        .filter_map(|(name, payout)| payout.claim(at(1_000), LEASE, QUIET).is_ok().then_some(name))
        .collect();
    assert_eq!(claimable, ["pending", "processing"]);
    assert!(
        claimed().payout().clone().claim(at(15), LEASE, QUIET).is_err(),
        "the lease still holds"
    );
    assert!(
        claimed().payout().clone().claim(at(16), LEASE, QUIET).is_ok(),
        "the lease has ended"
    );
}

#[test]
fn a_second_claim_keeps_the_time_of_the_first_submission() {
    let again = claimed().payout().clone().claim(at(60), LEASE, QUIET).unwrap();
    let parts = again.payout().parts();
    assert_eq!((parts.fence, parts.claims), (2, 2));
    assert_eq!(parts.first_submitted_at, Some(at(1)));
    assert_eq!(parts.claimed_at, Some(at(60)));
    assert!(again.looks_up_first() && again.is_takeover());
    assert!(!claimed().looks_up_first() && !claimed().is_takeover());
}

#[test]
fn the_first_claim_of_a_retry_looks_its_key_up_for_the_store_may_have_forgotten_another() {
    let failed = settled(build::failed());
    let retried = failed
        .retry(at(60), Caller::named("operator"))
        .unwrap()
        .made_at(at(60));
    let first = retried.claim(at(61), LEASE, QUIET).unwrap();
    assert!(first.looks_up_first() && !first.is_takeover());
}

#[test]
fn a_presumed_claim_may_have_been_sent_since_the_payout_was_last_written() {
    let presumed = pending().presume_claimed(at(100)).unwrap();
    let parts = presumed.parts();
    assert_eq!(
        (parts.status, parts.fence, parts.claims),
        (Status::Processing, 1, 1)
    );
    assert_eq!(parts.first_submitted_at, Some(pending().parts().updated_at));
    assert_eq!(
        (parts.claimed_at, parts.due_at),
        (parts.first_submitted_at, Some(at(100)))
    );
    assert!(Payout::restore(parts.clone()).is_ok());
    let next = presumed.clone().claim(at(100), LEASE, QUIET).unwrap();
    assert!(next.looks_up_first() && next.is_takeover());
    assert_eq!(presumed.presume_claimed(at(101)), Err(NotDue));
    assert_eq!(claimed().payout().clone().presume_claimed(at(100)), Err(NotDue));
    assert_eq!(settled(build::failed()).presume_claimed(at(100)), Err(NotDue));
}

#[test]
fn a_time_that_a_clock_wrote_which_was_ahead_is_brought_back_and_no_other() {
    let ahead = 10_000;
    let claim = pending().claim(at(ahead), LEASE, QUIET).unwrap();
    let leased = claim.payout().clone();
    let waits = |payout: Payout, now: i64| {
        payout
            .brought_back(at(now))
            .map(|back| (back.parts().due_at.unwrap() - at(now)).num_seconds())
    };
    assert_eq!(waits(leased.clone(), 50), Some(15), "its holder may be at work");
    assert_eq!(waits(leased.clone(), ahead), None, "the clock was right");
    assert_eq!(
        waits(leased.clone(), ahead - 1),
        None,
        "clocks differ by as much as that"
    );
    let back = leased.brought_back(at(50)).unwrap();
    assert_eq!(back.parts().updated_at, at(50));
    assert!(back.brought_back(at(51)).is_none(), "once");
    let long = build::postponed(Duration::from_secs(7_200));
    let settled = claim.payout().clone().settle(&claim.settle(long), at(ahead + 1));
    let SettlementOutcome::Written(postponed) = settled else {
        panic!("a fresh claim settles")
    };
    assert_eq!(waits(postponed.clone(), 50), Some(7_200));
    assert_eq!(waits(postponed, ahead + 60), None);

    let fresh = build::new_payout().stored_at(at(ahead));
    assert_eq!(waits(fresh, 50), Some(0), "due since it was stored");
    let scheduled = build::scheduled(at(ahead + 500));
    assert_eq!(
        waits(scheduled.stored_at(at(ahead)), 50),
        None,
        "a date is a date"
    );
}

#[test]
fn a_wait_that_nothing_can_have_asked_for_is_over() {
    let first = claimed();
    let altered = |payout: &Payout, due_at| {
        let mut parts = payout.parts().clone();
        parts.due_at = Some(due_at);
        Payout::restore(parts).unwrap()
    };
    let due = |payout: &Payout| payout.brought_back(at(5)).map(|back| back.parts().due_at);
    assert_eq!(due(&altered(first.payout(), at(1_000))), Some(Some(at(5))));
    assert_eq!(due(first.payout()), None);
    let postponed = settled(build::postponed(Duration::from_secs(90_000_000)));
    assert_eq!(due(&postponed), None, "a day is the longest wait of all");
    assert_eq!(due(&altered(&postponed, at(100_000))), Some(Some(at(5))));
}

#[test]
fn two_claims_at_one_moment_are_told_apart() {
    let first = claimed();
    let payout = first.payout().clone();
    let SettlementOutcome::Written(due) =
        payout.settle(&first.settle(build::postponed(Duration::ZERO)), at(1))
    else {
        panic!("a fresh claim settles")
    };
    let second = due.claim(at(1), LEASE, QUIET).unwrap();
    assert!(second.payout().parts().claimed_at > second.payout().parts().first_submitted_at);
}

#[test]
fn every_conjunct_of_the_settlement_guard_is_needed() {
    let claim = claimed();
    let right = claim.clone().settle(build::completed("ref"));
    let stale_fence = Settlement {
        fence: right.fence - 1,
        ..right.clone()
    };
    let stale_generation = Settlement {
        generation: right.generation + 1,
        ..right.clone()
    };
    let payout = claim.payout().clone();
    assert_eq!(
        payout.clone().settle(&stale_fence, at(2)),
        SettlementOutcome::Late
    );
    assert_eq!(
        payout.clone().settle(&stale_generation, at(2)),
        SettlementOutcome::Late
    );
    assert!(matches!(
        payout.settle(&right, at(2)),
        SettlementOutcome::Written(_)
    ));

    let failed = settled(build::failed());
    let contradicting = Settlement {
        id: failed.id(),
        ..right
    };
    assert_eq!(failed.settle(&contradicting, at(3)), SettlementOutcome::Late);
}

#[test]
fn a_settlement_whose_acknowledgement_was_lost_is_recognised() {
    let claim = claimed();
    let payout = claim.payout().clone();
    let settlement = claim.settle(build::completed("ref"));
    let SettlementOutcome::Written(after) = payout.settle(&settlement, at(2)) else {
        panic!("a fresh claim settles")
    };
    assert_eq!(after.settle(&settlement, at(3)), SettlementOutcome::Repeated);
}

#[test]
fn another_outcome_of_the_same_claim_is_no_repetition() {
    let claim = claimed();
    let other_failure = Verdict::Failed(Failure::new("another", "Another."));
    for (first, second) in [
        (build::completed("ref"), build::completed("another")),
        (build::failed(), other_failure),
        (build::completed("ref"), build::failed()),
    ] {
        let payout = settled(first);
        let mut settlement = claim.clone().settle(second);
        settlement.id = payout.id();
        assert_eq!(payout.settle(&settlement, at(3)), SettlementOutcome::Late);
    }
}

#[test]
fn each_verdict_has_its_event_and_keeps_what_the_provider_said() {
    let after = Duration::from_secs(1);
    for (verdict, status, event, reference) in [
        (
            build::completed("r"),
            Status::Completed,
            EventKind::Completed,
            Some("r"),
        ),
        (
            build::accepted("r", after),
            Status::Processing,
            EventKind::Accepted,
            Some("r"),
        ),
        (build::failed(), Status::Failed, EventKind::Failed, None),
        (
            build::postponed(after),
            Status::Processing,
            EventKind::Postponed,
            None,
        ),
        (
            build::put_off(after),
            Status::Processing,
            EventKind::Postponed,
            None,
        ),
        (build::released(after), Status::Pending, EventKind::Released, None),
        (
            build::review(),
            Status::Processing,
            EventKind::ReviewRequested,
            None,
        ),
    ] {
        let row = verdict.row();
        assert_eq!((row.status, row.event), (status, event));
        assert_eq!(row.reference.map(|kept| kept.as_str()), reference);
        assert!(row.detail.is_some_and(|detail| !detail.is_empty()), "{event:?}");
        assert_eq!(row.never_sent, event == EventKind::Released);
        assert_eq!(row.needs_review, event == EventKind::ReviewRequested);
        assert_eq!(row.failure.is_some(), event == EventKind::Failed);
        let again = [EventKind::Accepted, EventKind::Postponed, EventKind::Released].contains(&event);
        assert_eq!(row.due_in, again.then_some(after));
    }
}

#[test]
fn a_retry_is_a_new_generation_with_nothing_left_of_the_old_one() {
    let change = settled(build::failed()).retry(at(3), someone()).unwrap();
    assert_eq!((change.due, change.event), (Due::Now, EventKind::Retried));
    let parts = change.made_at(at(3)).parts().clone();
    assert_eq!(
        (parts.status, parts.generation, parts.claims),
        (Status::Pending, 1, 0)
    );
    assert_eq!(
        (parts.failure, parts.provider_reference, parts.first_submitted_at),
        (None, None, None)
    );
    assert_eq!(
        parts.fence, 1,
        "a worker of the old generation must not find its fence again"
    );
}

#[test]
fn after_several_claims_a_retry_waits_until_every_worker_is_surely_done() {
    let again = claimed().payout().clone().claim(at(60), LEASE, QUIET).unwrap();
    let payout = again.payout().clone();
    let SettlementOutcome::Written(failed) = payout.settle(&again.settle(build::failed()), at(61)) else {
        panic!()
    };
    assert_eq!(
        failed.clone().retry(at(79), someone()).unwrap_err(),
        StepError::AttemptInProgress {
            wait: Duration::from_secs(1)
        }
    );
    assert!(failed.retry(at(80), someone()).is_ok());
}

#[test]
fn after_a_single_settled_claim_a_retry_need_not_wait() {
    assert!(settled(build::failed()).retry(at(2), someone()).is_ok());
}

#[test]
fn a_resolution_keeps_the_persons_words() {
    let change = settled(build::review())
        .resolve(Resolution::Failed, someone())
        .unwrap();
    let payout = change.made_at(at(5));
    assert_eq!(
        payout.parts().failure.as_ref().unwrap().message(),
        "as agreed by phone"
    );
    assert!(!payout.needs_review());
}

#[derive(Debug, Clone, Copy)]
enum Happening {
    Wait(i64),
    Claim,
    Settle { claim: usize, verdict: usize },
    Cancel,
    Retry,
    Resolve(bool),
    Edit,
    Delete,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        (0_i64..40).prop_map(Happening::Wait),
        Just(Happening::Claim),
        (0_usize..4, 0_usize..7).prop_map(|(claim, verdict)| Happening::Settle { claim, verdict }),
        Just(Happening::Cancel),
        Just(Happening::Retry),
        any::<bool>().prop_map(Happening::Resolve),
        Just(Happening::Edit),
        Just(Happening::Delete),
    ];
    proptest::collection::vec(happening, 1..60)
}

fn verdict(index: usize) -> Verdict {
    let soon = Duration::from_secs(3);
    [
        build::completed("ref"),
        build::failed(),
        build::accepted("ref", soon),
        build::postponed(soon),
        build::released(soon),
        build::review(),
        build::put_off(soon),
    ][index]
        .clone()
}

proptest! {
    /// Stale workers settle old claims at any time, and people take any step at any time.
    #[test]
    fn no_sequence_of_events_leaves_a_final_state_or_breaks_an_invariant(events in happenings()) {
        let mut now = 0;
        let mut payout = pending();
        let mut claims: Vec<Claim> = Vec::new();
        for event in events {
            let before = payout.clone();
            let (mut retried, mut claimed_now) = (false, false);
            match event {
                Happening::Wait(seconds) => now += seconds,
                Happening::Claim => if let Ok(claim) = payout.clone().claim(at(now), LEASE, QUIET) {
                    claimed_now = true;
                    payout = claim.payout().clone();
                    claims.push(claim);
                },
                Happening::Settle { claim, verdict: index } => if let Some(claim) = claims.iter().rev().nth(claim) {
                    let current = claim.payout().fence() == payout.fence()
                        && claim.payout().generation() == payout.generation();
                    if let SettlementOutcome::Written(after) = payout.clone().settle(&claim.clone().settle(verdict(index)), at(now)) {
                        prop_assert!(current, "a stale fence changed something");
                        payout = after;
                    }
                },
                Happening::Cancel => if let Ok(change) = payout.clone().cancel(someone()) { payout = change.made_at(at(now)); },
                Happening::Retry => if let Ok(change) = payout.clone().retry(at(now), someone()) {
                    retried = true;
                    payout = change.made_at(at(now));
                },
                Happening::Resolve(paid) => {
                    let resolution = if paid { Resolution::Completed } else { Resolution::Failed };
                    if let Ok(change) = payout.clone().resolve(resolution, someone()) { payout = change.made_at(at(now)); }
                }
                Happening::Edit => if let Ok(change) = payout.clone().edit(pending().details().clone(), someone()) {
                    prop_assert_eq!(before.status(), Status::Pending);
                    payout = change.made_at(at(now));
                },
                Happening::Delete => { let _ = payout.clone().delete(someone()); }
            }
            let restored = Payout::restore(payout.parts().clone());
            prop_assert!(restored.is_ok(), "{restored:?}");
            let changed = payout != before;
            prop_assert_eq!(payout.version(), before.version() + u64::from(changed));
            prop_assert!(payout.fence() == before.fence() + u64::from(claimed_now));
            prop_assert_eq!(payout.generation(), before.generation() + u32::from(retried));
            if matches!(before.status(), Status::Completed | Status::Cancelled) {
                prop_assert!(!changed, "a final state was left");
            }
            if before.status() == Status::Failed && changed {
                prop_assert!(retried, "failed was left without a retry");
            }
            if before.status() != Status::Processing && payout.status() == Status::Processing {
                prop_assert!(claimed_now, "only a claim enters processing");
            }
            if before.status() == Status::Processing && before.details() != payout.details() {
                prop_assert!(false, "the instruction changed under way");
            }
        }
    }
}
