//! `docs/security.md` names tests, and each of them must exist.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn document() -> String {
    std::fs::read_to_string(format!("{ROOT}/docs/security.md")).unwrap()
}

/// Finds the texts in backticks of the form `path/to/file.rs::name`.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once(".rs::")).collect()
}

/// Returns whether the file has a function of this name.
fn exists(file: &str, name: &str) -> bool {
    let source = std::fs::read_to_string(format!("{ROOT}/{file}.rs")).unwrap_or_default();
    // A function with type parameters counts too: it is instantiated as a test for several types.
    ["(", "<"]
        .iter()
        .any(|next| source.contains(&format!("fn {name}{next}")))
}

#[test]
fn every_test_that_the_document_names_is_there() {
    let text = document();
    let named = named(&text);
    assert!(named.len() > 40, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|(file, name)| !exists(file, name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!exists("tests/tests/security", "no_such_test") && !exists("tests/tests/nothing", "x"));
}

#[test]
fn each_item_of_the_top_ten_has_a_control_and_a_test() {
    let text = document();
    for number in 1..=10 {
        let start = format!("| API{number} ");
        let row = text.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row for API{number}"));
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells[1].len() > 40, "API{number} has no control");
        assert!(!named(cells[2]).is_empty(), "API{number} has no test");
    }
}
