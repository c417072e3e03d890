//! The worker's verdict on the processor's answer: the outcome table of the protocol, row by row.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::Policy;
use payout_core::attempt::{Claim, SettlementOutcome, Verdict};
use payout_core::contract::build;
use payout_core::payout::Failure;
use payout_core::ports::MockRandomness;
use payout_core::provider::{ProcessorError, ProviderAnswer};

const LEASE: Duration = Duration::from_secs(15);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
}

fn policy() -> Policy {
    Policy {
        max_attempts: 3,
        key_window: Duration::from_secs(1_000),
        ..Policy::default()
    }
}

/// Returns the last of several claims, made at these times; each earlier claim ended with `between`.
fn claimed_at(times: &[i64], between: &Verdict) -> Claim {
    let mut payout = build::new_payout().stored_at(at(0));
    let (last, earlier) = times.split_last().unwrap();
    for time in earlier {
        let claim = payout.claim(at(*time), LEASE, LEASE).unwrap();
        payout = match claim
            .payout()
            .clone()
            .settle(&claim.settle(between.clone()), at(*time))
        {
            SettlementOutcome::Written(payout) => payout,
            SettlementOutcome::Repeated | SettlementOutcome::Late => panic!("a fresh claim settles"),
        };
    }
    payout.claim(at(*last), LEASE, LEASE).unwrap()
}

fn first_claim() -> Claim {
    claimed_at(&[1], &unanswered())
}

/// Returns a verdict of unknown outcome, due again at once.
fn unanswered() -> Verdict {
    build::postponed(Duration::ZERO)
}

fn conclude(claim: &Claim, said: Result<ProviderAnswer, ProcessorError>) -> Verdict {
    let mut randomness = MockRandomness::new();
    randomness.expect_next_u64().return_const(0_u64);
    claim.conclude(said, &policy(), &randomness)
}

fn unknown(retry_after: Option<Duration>) -> Result<ProviderAnswer, ProcessorError> {
    Err(ProcessorError::Unknown {
        why: "a reset".into(),
        retry_after,
    })
}

fn never_sent() -> Result<ProviderAnswer, ProcessorError> {
    Err(ProcessorError::NeverSent {
        why: "refused".into(),
    })
}

#[test]
fn paid_completes_and_declined_fails() {
    let paid = conclude(
        &first_claim(),
        Ok(ProviderAnswer::Paid {
            reference: build::reference("r"),
        }),
    );
    assert_eq!(paid, build::completed("r"));
    let failure = Failure::new("no_account", "There is no such account.");
    assert_eq!(
        conclude(&first_claim(), Ok(ProviderAnswer::Declined(failure.clone()))),
        Verdict::Failed(failure)
    );
}

#[test]
fn no_answer_never_fails_a_payout() {
    let silences: [fn() -> Result<ProviderAnswer, ProcessorError>; 3] = [
        || unknown(None),
        never_sent,
        || {
            Err(ProcessorError::Refused {
                why: "429".into(),
                retry_after: None,
            })
        },
    ];
    for said in silences {
        for claim in [
            first_claim(),
            claimed_at(&[1, 2], &unanswered()),
            claimed_at(&[1, 2, 3], &unanswered()),
        ] {
            assert!(!matches!(
                conclude(&claim, said()),
                Verdict::Failed(_) | Verdict::Completed { .. }
            ));
        }
    }
}

#[test]
fn never_sent_releases_only_while_no_earlier_claim_may_have_sent() {
    assert!(matches!(
        conclude(&first_claim(), never_sent()),
        Verdict::Released { .. }
    ));
    let after_unknown = claimed_at(&[1, 2], &unanswered());
    assert!(matches!(
        conclude(&after_unknown, never_sent()),
        Verdict::Postponed { .. }
    ));
    let after_release = claimed_at(&[1, 2], &build::released(Duration::ZERO));
    assert!(matches!(
        conclude(&after_release, never_sent()),
        Verdict::Released { .. }
    ));
    assert!(after_release.looks_up_first());
    let after_crash = {
        let payout = first_claim().payout().clone();
        payout.claim(at(100), LEASE, LEASE).unwrap()
    };
    assert!(matches!(
        conclude(&after_crash, never_sent()),
        Verdict::Postponed { .. }
    ));
}

fn refused(retry_after: Option<Duration>) -> Result<ProviderAnswer, ProcessorError> {
    Err(ProcessorError::Refused {
        why: "429".into(),
        retry_after,
    })
}

fn overloaded(retry_after: Duration) -> Result<ProviderAnswer, ProcessorError> {
    Err(ProcessorError::Overloaded {
        why: "503".into(),
        retry_after,
    })
}

/// Claims, concludes and settles this many times, each claim after the wait that the previous verdict asked for.
fn rounds(times: u32, says: impl Fn() -> Result<ProviderAnswer, ProcessorError>) -> (Claim, Verdict) {
    let (mut payout, mut now) = (build::new_payout().stored_at(at(0)), at(1));
    for round in 1.. {
        let claim = payout.claim(now, LEASE, LEASE).unwrap();
        let verdict = conclude(&claim, says());
        if round == times {
            return (claim, verdict);
        }
        let settlement = claim.clone().settle(verdict);
        let SettlementOutcome::Written(after) = claim.payout().clone().settle(&settlement, now) else {
            panic!("a fresh claim settles")
        };
        assert!(!after.needs_review(), "round {round}");
        now = now.max(after.parts().due_at.unwrap());
        payout = after;
    }
    unreachable!()
}

#[test]
fn not_now_is_never_a_review_and_uses_up_no_attempt_however_often_it_is_said() {
    for says in [
        never_sent,
        || refused(None),
        || refused(Some(Duration::from_secs(90_000))),
    ] {
        let (claim, verdict) = rounds(50, says);
        assert!(matches!(verdict, Verdict::Released { .. }), "{verdict:?}");
        assert_eq!(claim.settle(verdict).claims, 0);
    }
    let (claim, verdict) = rounds(50, || overloaded(Duration::from_secs(30)));
    assert!(matches!(
        verdict,
        Verdict::Postponed {
            uses_attempt: false,
            ..
        }
    ));
    assert_eq!(claim.settle(verdict).claims, 1, "the first call may have arrived");
}

#[test]
fn not_now_ends_neither_the_attempts_nor_the_window_of_what_may_have_been_sent() {
    let last = claimed_at(&[1, 2, 3], &unanswered());
    let beyond_the_window = claimed_at(&[1, 5_000], &unanswered());
    let accepted_long_ago = claimed_at(&[1, 5_000], &build::accepted("r", Duration::ZERO));
    for claim in [last, beyond_the_window, accepted_long_ago] {
        for said in [never_sent(), refused(None), overloaded(Duration::ZERO)] {
            let verdict = conclude(&claim, said);
            assert!(
                matches!(
                    verdict,
                    Verdict::Postponed {
                        uses_attempt: false,
                        ..
                    }
                ),
                "{verdict:?}"
            );
            let claims = claim.payout().parts().claims;
            assert_eq!(claim.clone().settle(verdict).claims, claims - 1);
        }
    }
}

#[test]
fn what_an_overloaded_gateway_may_have_passed_on_is_not_released() {
    let verdict = conclude(&first_claim(), overloaded(Duration::from_secs(7)));
    assert!(
        matches!(verdict, Verdict::Postponed { after, uses_attempt: false, .. } if after.as_secs() == 7),
        "{verdict:?}"
    );
}

#[test]
fn a_long_wait_of_what_was_never_sent_does_not_use_up_the_key_window() {
    let refused = conclude(&first_claim(), refused(Some(Duration::from_secs(86_400))));
    assert!(matches!(&refused, Verdict::Released { after, .. } if after.as_secs() == 86_400));
    let next = claimed_at(&[1, 86_402], &refused);
    assert!(next.may_send(&policy()).is_ok());
}

#[test]
fn a_look_up_without_an_answer_makes_nothing_unknown_that_was_not() {
    let policy = policy();
    let mut randomness = MockRandomness::new();
    randomness.expect_next_u64().return_const(0_u64);
    let silence = ProcessorError::Unknown {
        why: "a timeout".into(),
        retry_after: None,
    };
    let overloaded = ProcessorError::Overloaded {
        why: "503".into(),
        retry_after: Duration::ZERO,
    };
    let released = claimed_at(&[1, 2], &build::released(Duration::ZERO));
    for error in [&silence, &overloaded] {
        let verdict = released.conclude_look_up(error, &policy, &randomness);
        assert!(matches!(verdict, Verdict::Released { .. }), "{verdict:?}");
    }
    let unknown = claimed_at(&[1, 2], &unanswered());
    let verdict = unknown.conclude_look_up(&silence, &policy, &randomness);
    assert!(matches!(
        verdict,
        Verdict::Postponed {
            uses_attempt: true,
            ..
        }
    ));
    let verdict = unknown.conclude_look_up(&overloaded, &policy, &randomness);
    assert!(matches!(
        verdict,
        Verdict::Postponed {
            uses_attempt: false,
            ..
        }
    ));
}

#[test]
fn a_provider_that_asks_for_patience_gets_it() {
    let patience = Duration::from_secs(300);
    let Verdict::Postponed { after, .. } = conclude(&first_claim(), unknown(Some(patience))) else {
        panic!()
    };
    assert_eq!(after, patience);
}

#[test]
fn the_last_attempt_without_an_answer_asks_for_a_person() {
    assert!(matches!(
        conclude(&claimed_at(&[1, 2], &unanswered()), unknown(None)),
        Verdict::Postponed { .. }
    ));
    assert!(matches!(
        conclude(&claimed_at(&[1, 2, 3], &unanswered()), unknown(None)),
        Verdict::Review { .. }
    ));
    assert_eq!(
        conclude(
            &claimed_at(&[1, 2, 3], &unanswered()),
            Ok(ProviderAnswer::Paid {
                reference: build::reference("r")
            })
        ),
        build::completed("r"),
        "an answer is an answer, however late"
    );
}

#[test]
fn polls_of_an_accepted_payment_are_no_attempts_and_the_key_window_bounds_them() {
    let pending = || {
        Ok(ProviderAnswer::Accepted {
            reference: build::reference("r"),
            look_again: None,
        })
    };
    let accepted = build::accepted("r", Duration::ZERO);
    let polled_often = claimed_at(&[1, 2, 3, 4, 5], &accepted);
    assert!(polled_often.looks_up_first());
    assert!(matches!(
        conclude(&polled_often, pending()),
        Verdict::Accepted { .. }
    ));
    assert!(matches!(
        conclude(&polled_often, unknown(None)),
        Verdict::Postponed { .. }
    ));
    let polled_too_long = claimed_at(&[1, 1_002], &accepted);
    assert!(matches!(
        conclude(&polled_too_long, pending()),
        Verdict::Review { .. }
    ));
    assert!(matches!(
        conclude(&polled_too_long, unknown(None)),
        Verdict::Review { .. }
    ));
}

#[test]
fn at_the_very_end_of_the_key_window_an_accepted_payment_is_still_polled() {
    let claim = claimed_at(&[1, 1_001], &build::accepted("r", Duration::ZERO));
    let accepted = ProviderAnswer::Accepted {
        reference: build::reference("r"),
        look_again: None,
    };
    assert!(matches!(conclude(&claim, Ok(accepted)), Verdict::Accepted { .. }));
    assert!(matches!(
        conclude(&claim, unknown(None)),
        Verdict::Postponed { .. }
    ));
}

#[test]
fn an_unknown_key_is_sent_again_only_within_half_of_the_key_window() {
    assert!(claimed_at(&[1, 501], &unanswered()).may_send(&policy()).is_ok());
    assert!(matches!(
        claimed_at(&[1, 502], &unanswered()).may_send(&policy()),
        Err(Verdict::Review { .. })
    ));
}

#[test]
fn the_key_window_runs_from_the_next_claim_where_the_clock_was_set_back() {
    let ahead = claimed_at(&[100_000], &unanswered());
    let mut parts = ahead.payout().parts().clone();
    parts.due_at = Some(at(10));
    let payout = payout_core::payout::Payout::restore(parts).unwrap();
    let second = payout.claim(at(10), LEASE, LEASE).unwrap();
    assert!(second.may_send(&policy()).is_ok());
    let parts = second.payout().parts().clone();
    assert!(
        parts.claimed_at > parts.first_submitted_at,
        "an earlier claim may have sent"
    );
    assert!(
        parts.calls_end_at.unwrap() <= at(10) + LEASE,
        "nobody is at work for longer than that"
    );
    let mut parts = second.payout().parts().clone();
    parts.due_at = Some(at(511));
    let payout = payout_core::payout::Payout::restore(parts).unwrap();
    let third = payout.claim(at(511), LEASE, LEASE).unwrap();
    assert!(matches!(third.may_send(&policy()), Err(Verdict::Review { .. })));
}

#[test]
fn a_payout_whose_workers_keep_dying_is_not_sent_for_ever() {
    assert!(
        claimed_at(&[1, 20, 40], &unanswered())
            .may_send(&policy())
            .is_ok()
    );
    assert!(matches!(
        claimed_at(&[1, 20, 40, 60], &unanswered()).may_send(&policy()),
        Err(Verdict::Review { .. })
    ));
}

#[test]
fn every_attempt_of_a_generation_has_one_key_and_the_next_generation_another() {
    let first = first_claim();
    let second = first.payout().clone().claim(at(100), LEASE, LEASE).unwrap();
    assert_eq!(first.key(), second.key());
    assert_eq!(first.key().as_str(), format!("{}:0", first.payout().id()));
    let payout = second.payout().clone();
    let SettlementOutcome::Written(failed) = payout.settle(&second.settle(build::failed()), at(101)) else {
        panic!()
    };
    let retried = failed
        .retry(at(1_000), build::client())
        .unwrap()
        .made_at(at(1_000));
    let third = retried.claim(at(1_000), LEASE, LEASE).unwrap();
    assert_eq!(third.key().as_str(), format!("{}:1", first.payout().id()));
}

/// Holds for every outcome: an outcome of another payment is not an outcome of this one.
#[test]
fn an_outcome_is_adopted_only_where_what_was_paid_agrees() {
    use payout_core::provider::Instruction;
    use payout_core::provider::ReportedPayment;

    let claim = first_claim();
    let digest = Instruction::from(&claim).digest();
    let paid = || ProviderAnswer::Paid {
        reference: build::reference("ref-1"),
    };
    let accepted = || ProviderAnswer::Accepted {
        reference: build::reference("ref-1"),
        look_again: None,
    };
    let declined = || ProviderAnswer::Declined(Failure::new("closed", "Closed."));
    let of = |amount, currency, digest| ReportedPayment::new(amount, currency, digest).unwrap();
    for answer in [paid(), accepted(), declined()] {
        for other in [
            of(Some("10.51"), None, None),
            of(None, Some("EUR"), None),
            of(Some("10.50"), Some("USD"), Some("ab")),
        ] {
            let verdict = conclude(&claim, Ok(answer.clone().of_payment(other)));
            assert!(matches!(verdict, Verdict::Review { .. }), "{verdict:?}");
        }
        let agreeing = of(Some("10.5"), Some("USD"), Some(&digest));
        let verdict = conclude(&claim, Ok(answer.clone().of_payment(agreeing)));
        assert_eq!(verdict, conclude(&claim, Ok(answer)));
    }
}
