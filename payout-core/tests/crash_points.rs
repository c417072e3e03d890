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
        (".enqueue(", 1),
        (".apply(", 1),
        (".claim(&ClaimRequest", 1),
        (".acknowledge(", 1),
        // The second call is a probe, after which nothing is written.
        (".look_up(&", 2),
        (".submit(&", 1),
        (".settle(batch)", 1),
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
