//! Rechecks: when a completed payment is looked at again, and when no more.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::{Policy, RecheckFinding, SettlementOutcome};
use payout_core::contract::build;
use payout_core::payout::{Payout, Resolution, Status};
use payout_core::provider::{LookUpAnswer, ProcessorError, ProviderAnswer, ReturnWindow};

const LEASE: Duration = Duration::from_secs(15);
const WINDOW: Duration = Duration::from_secs(400);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
}

fn policy() -> Policy {
    Policy {
        returns: ReturnWindow::Within(WINDOW),
        poll_interval: Duration::ZERO,
        ..Policy::default()
    }
}

/// Returns a payout that was completed at 0 s.
fn completed() -> Payout {
    let claim = build::new_payout()
        .stored_at(at(0))
        .claim(at(0), LEASE, LEASE)
        .unwrap();
    let payout = claim.payout().clone();
    match payout.settle(&claim.settle(build::completed("r")), at(0)) {
        SettlementOutcome::Written(payout) => payout,
        SettlementOutcome::Repeated | SettlementOutcome::Late => panic!("a fresh claim settles"),
    }
}

fn paid() -> Result<LookUpAnswer, ProcessorError> {
    Ok(LookUpAnswer::Found(ProviderAnswer::Paid {
        reference: build::reference("r"),
    }))
}

fn no_answer() -> Result<LookUpAnswer, ProcessorError> {
    Err(ProcessorError::NeverSent {
        why: "refused".into(),
    })
}

fn next(said: Result<LookUpAnswer, ProcessorError>, age: i64) -> Option<Duration> {
    match completed().conclude_recheck(said, &policy(), at(age)).finding {
        RecheckFinding::Again { after } => Some(after),
        RecheckFinding::Over => None,
        RecheckFinding::Returned(returned) => panic!("{returned:?}"),
    }
}

#[test]
fn a_payment_that_stands_is_looked_at_until_its_window_has_closed() {
    assert_eq!(next(paid(), 60), Some(Duration::from_secs(60)));
    assert_eq!(next(paid(), 200), Some(Duration::from_secs(200)));
    // The last recheck comes right after the window has closed.
    assert_eq!(next(paid(), 390), Some(Duration::from_secs(70)));
    assert_eq!(next(paid(), 401), None);
}

#[test]
fn a_last_recheck_without_an_answer_is_repeated_within_bounds() {
    assert_eq!(next(no_answer(), 401), Some(Duration::from_secs(60)));
    assert_eq!(next(no_answer(), 600), Some(Duration::from_secs(200)));
    assert_eq!(next(no_answer(), 800), Some(Duration::from_secs(400)));
    assert_eq!(next(no_answer(), 86_400), None);
}

#[test]
fn a_payment_that_a_person_resolved_as_completed_is_rechecked() {
    let claim = build::new_payout()
        .stored_at(at(0))
        .claim(at(0), LEASE, LEASE)
        .unwrap();
    let payout = claim.payout().clone();
    let SettlementOutcome::Written(payout) = payout.settle(&claim.settle(build::review()), at(1)) else {
        panic!("a fresh claim settles")
    };
    let resolve = |resolution| {
        let change = payout.clone().resolve(resolution, build::client()).unwrap();
        (change.after.status(), change.after.parts().recheck_at)
    };
    assert_eq!(resolve(Resolution::Completed), (Status::Completed, Some(at(1))));
    assert_eq!(resolve(Resolution::Failed), (Status::Failed, None));
}
