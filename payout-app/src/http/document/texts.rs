//! The texts of a payout, of a query and of a header, as patterns: made from what the code refuses.

use std::sync::LazyLock;

use payout_core::text::is_invisible;
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Type};

/// An account: the plain space is its only white space.
pub(super) fn account() -> ObjectBuilder {
    static PATTERN: LazyLock<String> = LazyLock::new(|| {
        let refused = class(|c| c.is_control() || is_invisible(c) || (c != ' ' && c.is_whitespace()));
        format!("^(?=.*\\S)[^{refused}]*$")
    });
    required(&PATTERN).examples([json!("DE89370400440532013000")])
}

/// A name.
pub(super) fn name() -> ObjectBuilder {
    static PATTERN: LazyLock<String> = LazyLock::new(|| {
        let refused = class(|c| c.is_control() || is_invisible(c));
        format!("^(?=.*\\S)[^{refused}]*$")
    });
    required(&PATTERN).examples([json!("Ada Lovelace")])
}

/// A description: may have line breaks, and may be empty.
pub(super) fn description() -> ObjectBuilder {
    static PATTERN: LazyLock<String> = LazyLock::new(|| {
        let refused = class(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || is_invisible(c));
        format!("^[^{refused}]*$")
    });
    text(&PATTERN)
        .max_length(Some(255))
        .examples([json!("Invoice 2026-117")])
}

fn required(pattern: &str) -> ObjectBuilder {
    text(pattern).min_length(Some(1)).max_length(Some(128))
}

fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

/// The characters that are refused, as ranges of a regular expression's class.
fn class(refused: impl Fn(char) -> bool) -> String {
    let mut ranges: Vec<(char, char)> = Vec::new();
    for c in ('\0'..=char::MAX).filter(|c| refused(*c)) {
        match ranges.last_mut() {
            Some((_, last)) if (*last..=char::MAX).nth(1) == Some(c) => *last = c,
            Some(_) | None => ranges.push((c, c)),
        }
    }
    let ranges = ranges.into_iter().map(|(first, last)| match first == last {
        true => written(first),
        false => format!("{}-{}", written(first), written(last)),
    });
    ranges.collect()
}

/// Escaped where every dialect of regular expressions knows how.
fn written(c: char) -> String {
    match u32::from(c) {
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        _ => c.to_string(),
    }
}
