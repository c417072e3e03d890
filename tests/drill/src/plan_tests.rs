//! A plan depends on the seed alone, and has the requested numbers of faults.

use clap::Parser;

use super::*;
use crate::settings::Arguments;

fn settings(arguments: &[&str], seed: u64) -> Settings {
    let arguments = Arguments::parse_from([&["payout-drill"], arguments].concat());
    Settings::new(&arguments, seed)
}

fn count(plan: &[Planned], is: impl Fn(&Fault) -> bool) -> usize {
    plan.iter().filter(|planned| is(&planned.fault)).count()
}

#[test]
fn a_seed_replays_the_same_plan() {
    assert_eq!(plan(&settings(&[], 1)), plan(&settings(&[], 1)));
    assert_ne!(plan(&settings(&[], 1)), plan(&settings(&[], 2)));
}

#[test]
fn the_long_run_has_what_is_asked_of_it() {
    for seed in 0..5 {
        let settings = settings(&["--long"], seed);
        let plan = plan(&settings);
        assert!(settings.payouts >= 10_000, "{}", settings.payouts);
        assert!(count(&plan, |fault| matches!(fault, Fault::Kill(..))) >= 300);
        assert!(count(&plan, |fault| matches!(fault, Fault::Freeze(Role::Worker, ..))) >= 50);
        assert!(count(&plan, |fault| matches!(fault, Fault::Freeze(..))) >= 60);
        let queue = |fault: &Fault| {
            matches!(
                fault,
                Fault::QueueFlush | Fault::QueueRestart(_) | Fault::QueueGone(_)
            )
        };
        assert!(count(&plan, queue) >= 20);
        assert!(count(&plan, |fault| matches!(fault, Fault::PostgresCrash(_))) >= 10);
    }
}

#[test]
fn a_queue_in_the_database_is_emptied_and_never_killed_by_itself() {
    let plan = plan(&settings(&["--queue", "postgres"], 1));
    assert!(count(&plan, |fault| *fault == Fault::QueueFlush) >= 1);
    let own = |fault: &Fault| {
        matches!(
            fault,
            Fault::QueueRestart(_) | Fault::QueueGone(_) | Fault::Weather(Line::Queue, ..)
        )
    };
    assert_eq!(count(&plan, own), 0);
}

#[test]
fn a_frozen_process_is_left_alone_and_frozen_beyond_its_lease() {
    let settings = settings(&[], 3);
    let plan = plan(&settings);
    let mut misfits = 0;
    for planned in &plan {
        let others: Vec<Planned> = plan.iter().filter(|other| *other != planned).copied().collect();
        if matches!(planned.fault, Fault::Kill(..)) && !fits(&others, planned.at, &planned.fault, &settings) {
            misfits += 1;
        }
        if let Fault::Freeze(Role::Worker, _, length) = planned.fault {
            assert!(length > settings.timing.lease);
        }
    }
    assert_eq!(misfits, 0);
}

#[test]
fn the_default_is_about_two_minutes_with_fifteen_hundred_payouts() {
    let settings = settings(&[], 1);
    assert!(settings.payouts >= 1_500, "{}", settings.payouts);
    assert!(settings.faults_for + settings.timing.settling() < Duration::from_secs(115));
}

#[test]
fn somebody_is_always_left_to_take_over() {
    for (arguments, seed) in [(&[][..], 3), (&["--long"][..], 11)] {
        let settings = settings(arguments, seed);
        let freezes: Vec<Planned> = plan(&settings)
            .into_iter()
            .filter(|planned| matches!(planned.fault, Fault::Freeze(Role::Worker, ..)))
            .collect();
        for planned in &freezes {
            let others = freezes
                .iter()
                .filter(|other| other.at <= planned.at && planned.at <= other.at + length(&other.fault));
            assert!(others.count() < settings.workers, "{:?}", planned.at);
        }
    }
}
