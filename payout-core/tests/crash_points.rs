//! The list of crash points matches the calls in the code.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::fs;
use std::path::Path;

use payout_core::crash::Point;

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_point_is_passed_at_exactly_one_place() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    for point in Point::ALL {
        assert_eq!(
            text.matches(&format!("crash::pass(Point::{point})")).count(),
            1,
            "{point}"
        );
    }
    assert_eq!(
        text.matches("crash::pass(").count(),
        Point::ALL.len(),
        "a point that is not in the list"
    );
}

#[test]
fn every_call_that_leaves_a_trace_outside_stands_between_two_points() {
    let mut text = String::new();
    for folder in ["usecase", "worker"] {
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder),
            &mut text,
        );
    }
    // Each call is made once, except where a comment says otherwise.
    for (call, times) in [
        ("repository.insert(news)", 1),
        // The second call sends the hints of a notification, which the provider repeats if it is not acknowledged.
        (".enqueue(", 2),
        // The second call begins a new generation; until it is written, the next claim receives the same refusal.
        (".apply(", 2),
        // Two calls release payouts of which nothing is sent: of a provider that is away, and of one that is missing.
        (".claim(&", 3),
        (".acknowledge(", 1),
        // Three calls are followed by no write that pays: the probe, the recheck, and the question to another provider.
        (".look_up(&", 4),
        (".submit(&", 1),
        (".settle(batch)", 1),
        (".store_batch(&", 1),
        ("repository.approve_members(", 1),
        ("repository.retry_members(", 1),
    ] {
        assert_eq!(
            text.matches(call).count(),
            times,
            "{call}: a new call needs its crash points"
        );
    }
}

#[test]
fn a_point_is_known_by_its_name() {
    for point in Point::ALL {
        assert_eq!(point.to_string().parse(), Ok(point));
    }
    assert!("Nowhere".parse::<Point>().is_err());
}
