//! An exhaustive model: two workers, an operator, two providers and a clock, in every possible order.
//!
//! The steps are those of the domain itself (`Payout::claim`, `Claim::conclude`, `Payout::settle`, `Claim::renew`,
//! `Payout::recheck`, …). The model adds what happens between them: workers that pause for any time at any point,
//! requests that arrive late, answers that are lost, workers that crash, payments that come back. The checker visits
//! every reachable state.
//!
//! Each guard is shown to be needed by a model without it, in which the checker must find a double payment or a false
//! final state.
//!
//! - `world`: the state, with the providers' ledgers.
//! - `worker`: the steps of a worker.
//! - `outside`: arrivals, returns, rechecks, and the operator's steps.
//! - `protocol`: the steps that may come next, and the properties.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "the helpers of a test, which changes one rule at a time"
)]

mod outside;
mod protocol;
mod worker;
mod world;

use protocol::{Protocol, Without};
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use world::Bounds;

/// One provider, two crashes and a retry.
fn whole() -> Protocol {
    Protocol {
        without: Without::Nothing,
        prompt: false,
        last_tick: 4,
        most_claims: 4,
        bounds: Bounds {
            crashes: 2,
            retries: 1,
            ..Bounds::default()
        },
        fails_over: false,
        may_not_tell: false,
        repeat_is_safe: false,
        approvals: false,
    }
}

/// Two providers, between which unsent payouts move.
fn failover() -> Protocol {
    Protocol {
        fails_over: true,
        most_claims: 3,
        bounds: Bounds::default(),
        ..whole()
    }
}

/// Refusals for now that spend the key.
fn spending() -> Protocol {
    Protocol {
        most_claims: 3,
        bounds: Bounds {
            spends: 1,
            ..Bounds::default()
        },
        ..whole()
    }
}

/// A payment that comes back and is paid again.
fn returning() -> Protocol {
    Protocol {
        last_tick: 3,
        most_claims: 2,
        bounds: Bounds {
            retries: 1,
            returns: 1,
            rechecks: 1,
            ..Bounds::default()
        },
        ..whole()
    }
}

/// A provider whose look-ups may not tell, and which forgets its keys unless a repeat is safe.
fn blind(repeat_is_safe: bool) -> Protocol {
    Protocol {
        may_not_tell: true,
        repeat_is_safe,
        last_tick: 3,
        most_claims: 3,
        bounds: Bounds {
            forgets: u8::from(!repeat_is_safe),
            ..Bounds::default()
        },
        ..whole()
    }
}

/// A payout that another person must approve, and a row that somebody changes past the service.
fn approving() -> Protocol {
    Protocol {
        approvals: true,
        last_tick: 3,
        most_claims: 2,
        bounds: Bounds {
            crashes: 1,
            retries: 1,
            edits: 1,
            alterations: 1,
            ..Bounds::default()
        },
        ..whole()
    }
}

/// A payout that another person must approve, and that moves between two providers.
fn approving_failover() -> Protocol {
    Protocol {
        fails_over: true,
        bounds: Bounds {
            edits: 1,
            ..Bounds::default()
        },
        ..approving()
    }
}

/// Workers that wake in time.
fn prompt(without: Without) -> Protocol {
    Protocol {
        without,
        prompt: true,
        last_tick: 6,
        bounds: Bounds {
            retries: 1,
            ..Bounds::default()
        },
        ..whole()
    }
}

fn prompt_spending(without: Without) -> Protocol {
    Protocol {
        last_tick: 4,
        most_claims: 3,
        bounds: Bounds {
            spends: 1,
            ..Bounds::default()
        },
        ..prompt(without)
    }
}

fn holds(protocol: Protocol) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{} states, {} of them unique",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker.assert_properties();
}

fn is_refuted(protocol: Protocol) -> bool {
    let checker = protocol
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    checker.model().properties().iter().any(|property| {
        property.expectation == Expectation::Always && checker.discovery(property.name).is_some()
    })
}

fn is_needed(without: Without, protocol: Protocol) {
    assert!(
        is_refuted(Protocol { without, ..protocol }),
        "{without:?} is not needed"
    );
}

#[test]
fn the_protocol_holds_in_every_order_of_two_workers_a_person_and_two_crashes() {
    holds(whole());
}

#[test]
fn two_providers_never_pay_one_payout_both() {
    holds(failover());
}

#[test]
fn a_spent_key_leads_to_one_payment_under_another_key() {
    holds(spending());
}

#[test]
fn a_payment_that_came_back_is_paid_once_more_and_no_recheck_undoes_that() {
    holds(returning());
}

#[test]
fn a_provider_that_cannot_tell_pays_no_key_twice() {
    holds(blind(false));
    holds(blind(true));
}

#[test]
fn nothing_is_sent_that_nobody_else_has_approved_whatever_crashes_races_or_is_edited() {
    holds(approving());
    holds(approving_failover());
}

#[test]
fn without_any_guard_of_approvals_something_is_sent_that_nobody_else_has_approved() {
    for without in [
        Without::Hold,
        Without::ApprovedDigest,
        Without::VoidedByEdit,
        Without::VoidedByRetry,
        Without::FourEyes,
    ] {
        is_needed(without, approving());
    }
    is_needed(Without::FollowedRoute, approving_failover());
}

#[test]
fn with_workers_that_wake_in_time_nothing_of_an_old_generation_is_sent_after_a_new_one_has_begun() {
    assert!(!is_refuted(prompt(Without::Nothing)));
    // With one more claim and tick, the same takes minutes.
    assert!(!is_refuted(Protocol {
        last_tick: 7,
        most_claims: 3,
        ..prompt_spending(Without::Nothing)
    }));
}

#[test]
fn without_any_one_guard_the_checker_finds_how_money_is_lost() {
    for without in [
        Without::Fence,
        Without::OneKey,
        Without::Doubt,
        Without::EarlierClaims,
        Without::PassedOn,
    ] {
        is_needed(without, whole());
    }
}

#[test]
fn a_payout_is_paid_by_two_providers_if_it_moves_after_it_may_have_been_sent() {
    for without in [
        Without::DoubtBeforeFailover,
        Without::UnsentOnly,
        Without::EarlierClaims,
    ] {
        is_needed(without, failover());
    }
}

#[test]
fn a_worker_without_its_claim_undoes_a_payment_if_its_new_generation_is_written() {
    is_needed(Without::Version, spending());
}

#[test]
fn a_key_that_was_forgotten_is_paid_again_if_cannot_tell_counts_as_absent() {
    is_needed(Without::CannotTell, blind(false));
}

#[test]
fn a_payment_counts_as_returned_if_a_recheck_of_an_old_generation_is_written() {
    is_needed(Without::RecheckGeneration, returning());
}

#[test]
fn without_the_wait_or_the_deadline_a_sleeper_sends_the_old_generation_after_a_new_one_has_begun() {
    for without in [Without::Wait, Without::Deadline] {
        assert!(is_refuted(prompt(without)), "{without:?} is not needed");
    }
    assert!(
        is_refuted(prompt_spending(Without::SpentWait)),
        "the wait is not needed"
    );
}
