//! The table of guards matches the code. A row whose text is gone guards nothing, and would go unnoticed until
//! `tests/check-guards` runs.

use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Splits a row of the table into cells; a `|` within a cell is written `\|`.
fn cells(line: &str) -> Vec<String> {
    let row = line.replace("\\|", "\u{0}");
    let cells = row.trim().trim_matches('|').split('|');
    cells.map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

/// Returns the problem of a row; none when the row is right, or when the line is not a row.
fn problem(line: &str) -> Option<String> {
    let cells = cells(line);
    let [_, file, mutation, test] = cells.as_slice() else {
        return None;
    };
    let file = file.trim_matches('`');
    if !file.ends_with(".rs") {
        return None;
    }
    let (place, rest) = mutation.split_once('`').unwrap_or_default();
    let Some((old, _)) = rest.split_once("` → ") else {
        return Some(format!("{file}: no mutation: {mutation}"));
    };
    let text = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default();
    let times = text.matches(old).count();
    let fits = match place.trim().trim_end_matches('.').parse::<usize>() {
        Ok(nth) => nth <= times,
        Err(_) => times == 1,
    };
    if !fits {
        return Some(format!("{file}: `{old}` is there {times} times"));
    }
    let named = test.trim_matches('`').split_once("::").is_some();
    (!named).then(|| format!("{file}: no test: {test}"))
}

#[test]
fn every_row_names_text_that_is_there() {
    let table = std::fs::read_to_string(Path::new(ROOT).join("docs/guards.md")).unwrap_or_default();
    let rows = table.lines().filter(|line| line.contains(".rs` | ")).count();
    assert!(rows > 100, "only {rows} rows");
    let problems: Vec<String> = table.lines().filter_map(problem).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_row_that_no_longer_fits_is_told() {
    let row = |file: &str, mutation: &str| format!("| a guard | `{file}` | {mutation} | `app::a_test` |");
    let here = "tests/tests/guards.rs";
    let told = |mutation: &str| problem(&row(here, mutation)).is_some();
    assert!(!told(concat!("`const ", "ROOT: &str` → `const FOOT: &str`")));
    assert!(!told("2. `row(here,` → nothing"));
    assert!(told(concat!("`nowhere ", "to be seen` → nothing")));
    assert!(told("`fn ` → nothing"), "more than one, and none is named");
    assert!(told("9999. `fn ` → nothing"));
    assert!(told("no mutation at all"));
    assert!(problem(&row("tests/tests/gone.rs", "`x` → nothing")).is_some());
    assert!(problem("| guard | file | mutation | test |").is_none());
}
