//! Request headers: their rules, and `Idempotency-Key`.

use payout_core::feed::FeedPosition;
use payout_core::idempotency::IdempotencyKey;
use salvo::http::HeaderMap;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use crate::http::problem::{Errors, Kind, Problem};

/// A header that a route reads, as the document describes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderRule {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) pattern: &'static str,
    /// The kinds of problems that the header may lead to, besides that of an invalid header.
    pub(crate) refusals: &'static [Kind],
}

impl HeaderRule {
    /// Returns the header as a parameter of an operation.
    pub(crate) fn parameter(&self) -> Parameter {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(self.pattern));
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(self.about))
            .schema(Some(text))
            .build()
    }
}

/// The pattern of the texts that [`idempotency_key`] accepts, for the document: a bare key, or a string of RFC 9651.
const KEY: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// The header with the client's idempotency key.
pub(crate) const IDEMPOTENCY_KEY: [HeaderRule; 1] = [HeaderRule {
    name: "Idempotency-Key",
    about: "Your name for this request, such as `order-7301`, so that it can be repeated: 1 to 255 visible ASCII characters, \
            also\nwithin double quotes. Kept for at least 30 days.",
    pattern: KEY,
    refusals: &[Kind::KeyInFlight, Kind::KeyReused],
}];

/// The header with which a client of server-sent events resumes.
pub(crate) const LAST_EVENT_ID: [HeaderRule; 1] = [HeaderRule {
    name: "Last-Event-ID",
    about: "The `id` of the last event that the client received. It comes before `after`.",
    pattern: "^([0-9a-f]{32}){1,2}(-2)?$",
    refusals: &[],
}];

/// Reads the `Last-Event-ID`. An empty one counts as absent.
///
/// # Errors
/// 400 when it is not a position in the feed, or is repeated.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<FeedPosition>, Problem> {
    let mut values = headers.get_all("last-event-id").iter();
    let Some(value) = values.next().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    match position {
        Some(position) if values.next().is_none() => Ok(Some(position)),
        Some(_) | None => {
            let message = "Send the `id` of an event of this stream, once.".to_owned();
            Err(Problem::invalid(Errors::of("Last-Event-ID", message)))
        }
    }
}

/// Reads the `Idempotency-Key`, quoted or bare.
///
/// # Errors
/// 400 when it is not a valid key, or is repeated.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let refuse = |message: String| Problem::invalid(Errors::of("Idempotency-Key", message));
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refuse("This header is given more than once.".to_owned()));
    }
    let text = value.to_str().unwrap_or_default();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(|| {
            refuse(
                "This is not a quoted string: end it with a quote, and write \\\" for a quote within."
                    .to_owned(),
            )
        })?,
        None => text.to_owned(),
    };
    IdempotencyKey::new(&key)
        .map(Some)
        .map_err(|error| refuse(error.to_string()))
}

/// Builds the problem of a create without a key, where every create needs one.
pub(crate) fn idempotency_key_missing() -> Problem {
    let message = "This service wants this header on every create: a value of your own for each payout, the same when the \
                   request is repeated.";
    Problem::invalid(Errors::of("Idempotency-Key", message.to_owned()))
}

/// The means by which a repeated request is recognized where that is not an `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recognized {
    /// Its `external_id`.
    ByExternalId,
    /// The version in its `If-Match`, which is no longer current after the first request.
    ByVersion,
    /// None: a repeated request is another one.
    Never,
}

/// Refuses an `Idempotency-Key` where none is kept: its client would repeat the request and trust in it.
///
/// # Errors
/// 400, which says what to send instead.
pub(crate) fn no_idempotency_key(headers: &HeaderMap, recognized: Recognized) -> Result<(), Problem> {
    if !headers.contains_key("idempotency-key") {
        return Ok(());
    }
    let message = match recognized {
        Recognized::ByExternalId => {
            "Repeated requests are not recognized by this header here, but by their external_id: send that instead."
        }
        Recognized::ByVersion => {
            "Repeated edits are not recognized by this header: send the ETag that you have read in If-Match instead. To retry \
             a payout under a key, POST to its retry/."
        }
        Recognized::Never => {
            "Repeated requests are not recognized here: omit this header, and look at what the first one did before you \
             repeat it."
        }
    };
    Err(Problem::invalid(Errors::of("Idempotency-Key", message)))
}

/// Unquotes a string of RFC 9651 §3.3.3, given the text after its first quote. A backslash before any other character
/// stands for itself, as it did before escapes were supported.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(text),
            '\\' => match chars.clone().next()? {
                escaped @ ('"' | '\\') => {
                    chars.next();
                    text.push(escaped);
                }
                _ => text.push('\\'),
            },
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_key_is_taken_quoted_or_bare() {
        let read = |value: &str| idempotency_key(&headers("idempotency-key", &[value]));
        assert_eq!(read("abc").unwrap(), read("\"abc\"").unwrap());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read(r#""a\"b\\c""#).unwrap().unwrap().as_str(), r#"a"b\c"#);
        assert_eq!(read(r"a\b").unwrap().unwrap().as_str(), r"a\b");
        assert_eq!(read(r#""a\b""#).unwrap().unwrap().as_str(), r"a\b");
        for odd in [
            "",
            "\"\"",
            "a b",
            "\"a b\"",
            "\"abc",
            "\"abc\"d",
            "\"abc\";a=1",
            r#""a\""#,
            &"k".repeat(256),
        ] {
            assert!(read(odd).is_err(), "{odd:?}");
        }
        assert!(idempotency_key(&headers("idempotency-key", &["a", "a"])).is_err());
    }

    #[test]
    fn a_key_is_refused_where_none_is_kept() {
        for (recognized, instead) in [
            (Recognized::ByExternalId, "external_id"),
            (Recognized::ByVersion, "If-Match"),
            (Recognized::Never, "omit this header"),
        ] {
            assert!(no_idempotency_key(&HeaderMap::new(), recognized).is_ok());
            for value in ["order-7", ""] {
                let given = headers("idempotency-key", &[value]);
                let problem = no_idempotency_key(&given, recognized).unwrap_err();
                let message = problem.errors().get("Idempotency-Key").join(" ");
                assert!(message.contains(instead), "{message}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_the_document_allows_is_a_key(value in proptest::string::string_regex(KEY.trim_matches(['^', '$'])).unwrap()) {
            proptest::prop_assert!(idempotency_key(&headers("idempotency-key", &[&value])).is_ok(), "{:?}", value);
        }

        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,60}") {
            let _ = idempotency_key(&headers("idempotency-key", &[&value]));
        }
    }
}
