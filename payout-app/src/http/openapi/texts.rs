//! Patterns of a payout's texts. They are generated from the checks in the code and stored, since testing every
//! character would take longer than the rest of the start.

use payout_core::payout::{
    Description, ExternalId, Metadata, RecipientAccount, RecipientName, StatementText,
};
use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, Type};

const ACCOUNT: &str = include_str!("patterns/account.txt");
const NAME: &str = include_str!("patterns/name.txt");
const DESCRIPTION: &str = include_str!("patterns/description.txt");

/// Returns the schema of an account, whose only white space is the plain space.
pub(crate) fn account() -> ObjectBuilder {
    text(ACCOUNT, RecipientAccount::MAX_CHARS)
        .min_length(Some(1))
        .description(Some(
            "The account that the money goes to. Kept in Unicode's Form C, without the white space around it; without \
             invisible characters, and without white space but the plain space.",
        ))
        .examples([json!("DE89370400440532013000")])
}

/// Returns the schema of a name.
pub(crate) fn name() -> ObjectBuilder {
    text(NAME, RecipientName::MAX_CHARS)
        .min_length(Some(1))
        .description(Some(
            "The name of the recipient. Kept in Unicode's Form C, without the white space around it; without \
             invisible characters.",
        ))
        .examples([json!("Ada Lovelace")])
}

/// Returns the schema of a description, which may be empty and may contain line breaks.
pub(crate) fn description() -> ObjectBuilder {
    text(DESCRIPTION, Description::MAX_CHARS)
        .description(Some(
            "The purpose of the payment. May have line breaks, and no invisible characters. Kept in Unicode's Form C.",
        ))
        .examples([json!("Invoice 2026-117")])
}

/// Returns the schema of the client's own reference.
pub(crate) fn external_id() -> ObjectBuilder {
    text(ACCOUNT, ExternalId::MAX_CHARS)
        .schema_type(or_null(Type::String))
        .min_length(Some(1))
        .description(Some(
            "The client's own reference: visible characters, with plain spaces between them. Kept in Unicode's Form C. \
             No two payouts that are not deleted have the same one.",
        ))
        .examples([json!("salary-2026-11-117")])
}

/// Returns the schema of the client's own reference for a stored recipient.
pub(crate) fn recipient_external_id() -> ObjectBuilder {
    text(ACCOUNT, ExternalId::MAX_CHARS)
        .min_length(Some(1))
        .description(Some(
            "The client's own reference for a recipient: visible characters, with plain spaces between them. Kept in \
             Unicode's Form C. No two recipients have the same one, and it cannot be changed once it is set.",
        ))
        .examples([json!("supplier-17")])
}

/// Returns the schema of a text for the recipient's statement.
pub(crate) fn statement_text() -> ObjectBuilder {
    text(
        "^ *[a-zA-Z0-9/?:().,'+-][a-zA-Z0-9 /?:().,'+-]*$",
        StatementText::MAX_CHARS,
    )
    .schema_type(or_null(Type::String))
    .min_length(Some(1))
    .description(Some(
        "The text that the recipient sees on the statement, in the SEPA character set: letters without accents, digits, \
         spaces and `/ - ? : ( ) . , ' +`.",
    ))
    .examples([json!("Salary November 2026")])
}

/// Returns the schema of a schedule.
pub(crate) fn schedule() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some(
            "The time at which the payout is due, at most 366 days ahead; at once if it is past.",
        ))
        .examples([json!("2026-12-01T09:00:00Z")])
}

/// Returns the schema of a time.
pub(crate) fn moment() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2026-11-24T09:31:00.000000Z")])
}

/// Returns the schema of metadata; with nulls, that of changes of metadata.
pub(crate) fn metadata(with_nulls: bool) -> ObjectBuilder {
    // The lists of refused characters of an account, and square brackets.
    let name = ACCOUNT.replacen("[^", "[^\\[\\]", 1);
    let name = text(&name, Metadata::MAX_NAME_CHARS).min_length(Some(1)).build();
    let value = text(
        "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$",
        Metadata::MAX_VALUE_CHARS,
    );
    let (value, about) = if with_nulls {
        (
            value.schema_type(or_null(Type::String)),
            "New values of some entries; null removes an entry, and null in place of the object removes all.",
        )
    } else {
        (
            value,
            "Texts that the client keeps with the payout, by name. No provider receives them.",
        )
    };
    ObjectBuilder::new()
        .schema_type(or_null(Type::Object))
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(value.into()))))
        .max_properties(Some(Metadata::MAX_ENTRIES))
        // The only extension: several are written in no fixed order.
        .extensions(Some(Extensions::from_iter([("propertyNames", json!(name))])))
        .description(Some(about))
        .examples([json!({"team": "payroll"})])
}

fn or_null(of: Type) -> SchemaType {
    SchemaType::from_iter([of, Type::Null])
}

fn text(pattern: &str, max_chars: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .max_length(Some(max_chars))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use payout_core::text::{is_invisible, is_pictograph, is_skin_colour};
    use proptest::string::string_regex;
    use regex::Regex;

    use super::*;

    /// `UPDATE=1` rewrites the patterns.
    #[test]
    fn the_patterns_are_what_the_code_refuses() {
        let control = |c: char| c.is_control() || is_invisible(c);
        let account = class(|c| control(c) || (c != ' ' && c.is_whitespace()));
        let name = of_pictures(control);
        let description =
            of_pictures(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t') || is_invisible(c));
        for (file, kept, now) in [
            ("account", ACCOUNT, format!("^(?=.*\\S)[^{account}]*$")),
            ("name", NAME, format!("^(?=.*\\S){name}$")),
            ("description", DESCRIPTION, format!("^{description}$")),
        ] {
            if std::env::var_os("UPDATE").is_some() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi/patterns");
                std::fs::write(format!("{folder}/{file}.txt"), now).unwrap();
            } else {
                assert!(kept == now, "{file} has changed: UPDATE=1 takes it");
            }
        }
    }

    /// Returns the pattern of a text in which pictographs may be joined, coloured and selected (UTS #51), and which
    /// contains no other refused character. No text matches in two ways, so matching is fast.
    fn of_pictures(refused: impl Fn(char) -> bool) -> String {
        let others = class(|c| refused(c) || is_pictograph(c));
        let (pictures, colours) = (class(is_pictograph), class(is_skin_colour));
        format!("(?:[^{others}]|[{pictures}](?:[{colours}]*(?:\\ufe0f|\\u200d[{pictures}]))*)*")
    }

    static NAMES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(&format!("^(?:{})$", characters(NAME))).unwrap());

    /// Returns the part of a pattern that lists the allowed characters.
    fn characters(pattern: &str) -> &str {
        let text = pattern.trim_start_matches("^").trim_start_matches("(?=.*\\S)");
        text.trim_end_matches('$')
    }

    #[test]
    fn a_family_and_a_coloured_hand_are_in_the_patterns_as_they_are_in_the_code() {
        let matches = |text: &str| NAMES.is_match(text);
        for text in [
            "plain",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦",
            "❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}🚀",
            "👍🏽",
            "Ada ☕\u{fe0f} Lovelace",
        ] {
            assert!(RecipientName::new(text).is_ok() && matches(text), "{text}");
        }
        for text in [
            "Ada\u{200d}Lovelace",
            "👩\u{200d}",
            "\u{200d}👩",
            "👩\u{200d}a",
            "👩\u{200d}\u{200d}👩",
            "Ada\u{fe0f}",
            "a🏽\u{fe0f}",
        ] {
            assert!(RecipientName::new(text).is_err() && !matches(text), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_the_document_allows_is_taken(
            account in string_regex(characters(ACCOUNT)).unwrap(),
            name in string_regex(characters(NAME)).unwrap(),
            description in string_regex(characters(DESCRIPTION)).unwrap(),
        ) {
            let short = |text: &str, max: usize| text.chars().count() <= max && !text.trim().is_empty();
            if short(&account, RecipientAccount::MAX_CHARS) {
                proptest::prop_assert!(RecipientAccount::new(&account).is_ok(), "{account:?}");
            }
            if short(&name, RecipientName::MAX_CHARS) {
                proptest::prop_assert!(RecipientName::new(&name).is_ok(), "{name:?}");
            }
            if short(&description, Description::MAX_CHARS) {
                proptest::prop_assert!(Description::new(&description).is_ok(), "{description:?}");
            }
        }

        #[test]
        fn what_the_code_takes_the_document_allows(name in "[a 👩🔥☕🏽\u{200d}\u{fe0f}]{1,8}") {
            let taken = name.trim().is_empty() || RecipientName::new(&name).is_ok();
            proptest::prop_assert_eq!(NAMES.is_match(&name), taken, "{:?}", name);
        }
    }

    /// Returns the refused characters as ranges of a character class.
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

    /// Returns a character escaped in the way that every regular expression dialect supports.
    fn written(c: char) -> String {
        match u32::from(c) {
            code @ 0..=0xffff => format!("\\u{code:04x}"),
            _ => c.to_string(),
        }
    }
}
