//! Rechecks: when a completed payment is looked at again, when no more, and which returns are adopted.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::{Policy, RecheckFinding, SettlementOutcome};
use payout_core::contract::build;
use payout_core::payout::{Failure, Payout, Resolution, Status};
use payout_core::provider::{
    LookUpAnswer, PaymentReturn, ProcessorError, ProviderAnswer, ReportedPayment, ReturnWindow,
};

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

fn came_back() -> PaymentReturn {
    PaymentReturn {
        reference: None,
        reason: Failure::new("R02", "The account is closed."),
        at: None,
        amount: None,
    }
}

/// Concludes a recheck of a payout at 60 s that found this answer.
fn found(payout: &Payout, answer: ProviderAnswer) -> RecheckFinding {
    let said = Ok(LookUpAnswer::Found(answer));
    payout.conclude_recheck(said, &policy(), at(60)).finding
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
fn a_return_of_another_payment_is_not_adopted_and_the_payment_is_looked_at_again() {
    let payout = completed();
    let digest = payout.details().digest();
    for (amount, currency, digest) in [
        (Some("10.51"), None, None),
        (None, Some("EUR"), None),
        (Some("10.50"), Some("USD"), Some("ab")),
    ] {
        let payment = ReportedPayment::new(amount, currency, digest).unwrap();
        let other = ProviderAnswer::Returned(came_back()).of_payment(payment);
        assert!(payout.doubt_about(&other).is_some(), "{other:?}");
        let again = RecheckFinding::Again {
            after: Duration::from_secs(60),
        };
        assert_eq!(found(&payout, other.clone()), again, "{other:?}");
        // Such an answer is none: the last recheck is repeated.
        let last = payout.conclude_recheck(Ok(LookUpAnswer::Found(other)), &policy(), at(401));
        assert_eq!(last.finding, again);
    }
    let payment = ReportedPayment::new(Some("10.5"), Some("USD"), Some(digest.as_str())).unwrap();
    let own = ProviderAnswer::Returned(came_back()).of_payment(payment);
    assert_eq!(payout.doubt_about(&own), None);
    assert_eq!(found(&payout, own), RecheckFinding::Returned(came_back()));
}

#[test]
fn an_amount_that_cannot_come_back_is_not_adopted() {
    let payout = completed();
    let returned = |amount: &str| PaymentReturn {
        amount: Some(amount.parse().unwrap()),
        ..came_back()
    };
    for amount in ["10.51", "9999.99", "5.123", "-1", "0"] {
        let impossible = ProviderAnswer::Returned(returned(amount));
        assert!(payout.doubt_about(&impossible).is_some(), "{amount}");
        let finding = found(&payout, impossible);
        assert!(
            matches!(finding, RecheckFinding::Again { .. }),
            "{amount}: {finding:?}"
        );
    }
    for amount in ["10.50", "10.500", "5.25", "0.01"] {
        let part = returned(amount);
        let finding = found(&payout, ProviderAnswer::Returned(part.clone()));
        assert_eq!(finding, RecheckFinding::Returned(part), "{amount}");
    }
}

#[test]
fn a_time_at_which_nothing_can_have_come_back_is_replaced_by_the_present() {
    const DAY: i64 = 24 * 60 * 60;
    let payout = completed();
    let returned = |time| PaymentReturn {
        at: Some(time),
        ..came_back()
    };
    for time in [
        Timestamp::MIN_UTC,
        at(-DAY - 1),
        at(60 + DAY + 1),
        Timestamp::MAX_UTC,
    ] {
        let finding = found(&payout, ProviderAnswer::Returned(returned(time)));
        assert_eq!(finding, RecheckFinding::Returned(came_back()), "{time}");
    }
    for time in [at(-DAY), at(0), at(60), at(60 + DAY)] {
        let finding = found(&payout, ProviderAnswer::Returned(returned(time)));
        assert_eq!(finding, RecheckFinding::Returned(returned(time)), "{time}");
    }
    let undated = payout.conclude_recheck(
        Ok(LookUpAnswer::Found(ProviderAnswer::Returned(returned(
            Timestamp::MIN_UTC,
        )))),
        &policy(),
        at(60),
    );
    let after = payout.recheck(&undated, at(61)).unwrap();
    assert_eq!(after.parts().returned_at, Some(at(61)));
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
