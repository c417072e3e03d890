//! Deterministic simulation of the whole protocol: the real core over the in-memory adapters, in paused time, with
//! faults at every port call, workers that die, and frozen workers that wake as zombies. A seed always gives the same
//! run.
//!
//! - `chance`: the seeded source of every random decision.
//! - `process`: a process that can be killed or frozen; every port call of its components passes through it.
//! - `faults`: repository, queue and processor with errors before and after the work, delays, losses, repeats.
//! - `rails`: the ports of providers, with faults: rechecks, the states of providers, and the calls.
//! - `outage`: an hour without the provider, and the writes that it causes.
//! - `limits`: the throughput beside a provider that hangs, and calls per second.
//! - `clients`: clients that create payouts, operators who change them, and notifications.
//! - `provider`: a payment provider; there are two, each of a kind that the seed chooses.
//! - `ledger`: the ledger of the providers, the only evidence of a payment.
//! - `scenario`: starts a run, and stops its faults.
//! - `judge`: compares the store with the ledger.
//! - `report`: the counts of a run.
//!
//! `SIMULATION_SEEDS=5000` runs more seeds; `SIMULATION_SEED=17` replays one seed twice and compares the two runs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of a test")]

mod chance;
mod clients;
mod faults;
mod judge;
mod ledger;
mod limits;
mod outage;
mod process;
mod provider;
mod rails;
mod report;
mod scenario;

use report::Report;
use scenario::simulate;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

/// Runs a seed. The panic of a broken invariant shows the command that replays it.
fn run(seed: u64) -> Report {
    match std::panic::catch_unwind(|| simulate(seed)) {
        Ok(Ok(report)) => report,
        Ok(Err(violations)) => panic!(
            "seed {seed}: {violations:#?}\nreplay: SIMULATION_SEED={seed} cargo test -p payout-adapters --test simulation"
        ),
        Err(_) => panic!(
            "seed {seed} panicked\nreplay: SIMULATION_SEED={seed} cargo test -p payout-adapters --test simulation"
        ),
    }
}

#[test]
fn no_seed_pays_a_payout_twice_or_loses_one() {
    if let Some(seed) = number_from("SIMULATION_SEED") {
        let first = run(seed);
        assert_eq!(first, run(seed), "a seed must replay the same run");
        eprintln!("{first:#?}");
        return;
    }
    let mut total = Report::default();
    for seed in 0..number_from("SIMULATION_SEEDS").unwrap_or(200) {
        total.add(&run(seed));
    }
    eprintln!("{total:#?}");
    // A simulation in which nothing goes wrong proves nothing.
    assert!(
        total.payments > 0 && total.declines > 0 && total.retries > 0 && total.reviews > 0,
        "{total:?}"
    );
    assert_eq!(total.reviews_without_doubt, 0);
    assert!(total.put_off > 0, "{total:?}");
    assert!(
        total.kills > 0 && total.freezes > 0 && total.zombie_calls > 0,
        "{total:?}"
    );
    assert!(total.approvals > 0 && total.rejections > 0, "{total:?}");
    assert!(
        total.duplicates_prevented > 0 && total.late_outcomes > 0 && total.cancellations > 0,
        "{total:?}"
    );
    assert!(
        total.returns > 0 && total.retries_of_returned > 0 && total.failovers > 0,
        "{total:?}"
    );
    assert!(total.keys_spent > 0 && total.cannot_tell > 0, "{total:?}");
}

#[test]
fn a_seed_replays_the_same_run() {
    for seed in [3, 141, 59_265] {
        assert_eq!(run(seed), run(seed));
    }
}
