//! Reads what names a payout and a request: the path's id and `Idempotency-Key`.

use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::PayoutId;
use salvo::Request;
use salvo::http::HeaderMap;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::openapi::KeyText;
use crate::http::problem::{Errors, Kind, Problem};

/// Which payout.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `payout_id` reads")]
pub(crate) struct PayoutPath {
    /// The payout's id.
    id: Uuid,
}

/// What [`idempotency_key`] takes, for the document: a bare key, or a string as RFC 9651 has it.
pub(crate) const KEY: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// Under which name.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `idempotency_key` reads")]
pub(crate) struct KeyHeader {
    /// Your name for this request, such as `order-7301`, so that it can be repeated: 1 to 255 visible ASCII characters, also
    /// within double quotes. Kept for at least 30 days.
    #[param(rename = "Idempotency-Key", inline, required = false)]
    idempotency_key: KeyText,
}

/// The `{id}` of the path.
///
/// # Errors
/// 404 when it is no UUID: no payout has such an id.
pub(crate) fn payout_id(request: &Request) -> Result<PayoutId, Problem> {
    let id = request.params().get("id").filter(|id| id.len() == 36);
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| Problem::new(Kind::NotFound, "There is no such payout."))
}

/// The `Idempotency-Key`, quoted or bare.
///
/// # Errors
/// 400 when it is no key, or given twice.
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

/// What a create without a key is told where every create needs one.
pub(crate) fn idempotency_key_missing() -> Problem {
    let message = "This service wants this header on every create: a value of your own for each payout, the same when the \
                   request is repeated.";
    Problem::invalid(Errors::of("Idempotency-Key", message.to_owned()))
}

/// What is in a string of RFC 9651 §3.3.3, after its first quote. A backslash before anything else than it escapes stands for
/// itself, as it did before there were escapes.
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
