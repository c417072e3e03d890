//! The texts of a payout as patterns: made from what the code refuses, and kept, since looking at every character there is
//! would take longer than the rest of a start.

use payout_core::payout::{Description, RecipientAccount, RecipientName};
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, Type};

const ACCOUNT: &str = include_str!("patterns/account.txt");
const NAME: &str = include_str!("patterns/name.txt");
const DESCRIPTION: &str = include_str!("patterns/description.txt");

/// An account: the plain space is its only white space.
pub(crate) fn account() -> ObjectBuilder {
    text(ACCOUNT, RecipientAccount::MAX_CHARS)
        .min_length(Some(1))
        .description(Some(
            "Where the money goes. Kept in Unicode's Form C, without the white space around it; without invisible characters, and \
             without white space but the plain space.",
        ))
        .examples([json!("DE89370400440532013000")])
}

/// A name.
pub(crate) fn name() -> ObjectBuilder {
    text(NAME, RecipientName::MAX_CHARS)
        .min_length(Some(1))
        .description(Some(
            "Who gets it. Kept in Unicode's Form C, without the white space around it; without invisible characters.",
        ))
        .examples([json!("Ada Lovelace")])
}

/// A description: may have line breaks, and may be empty.
pub(crate) fn description() -> ObjectBuilder {
    text(DESCRIPTION, Description::MAX_CHARS)
        .description(Some(
            "What for. May have line breaks, and no invisible characters. Kept in Unicode's Form C.",
        ))
        .examples([json!("Invoice 2026-117")])
}

fn text(pattern: &str, max_chars: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .max_length(Some(max_chars))
}

#[cfg(test)]
mod tests {
    use payout_core::text::is_invisible;

    use super::*;

    /// UPDATE=1 writes them again.
    #[test]
    fn the_patterns_are_what_the_code_refuses() {
        let control = |c: char| c.is_control() || is_invisible(c);
        let account = class(|c| control(c) || (c != ' ' && c.is_whitespace()));
        let name = class(control);
        let description = class(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || is_invisible(c));
        for (file, kept, now) in [
            ("account", ACCOUNT, format!("^(?=.*\\S)[^{account}]*$")),
            ("name", NAME, format!("^(?=.*\\S)[^{name}]*$")),
            ("description", DESCRIPTION, format!("^[^{description}]*$")),
        ] {
            if std::env::var_os("UPDATE").is_some() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi/patterns");
                std::fs::write(format!("{folder}/{file}.txt"), now).unwrap();
            } else {
                assert!(kept == now, "{file} has changed: UPDATE=1 takes it");
            }
        }
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
}
