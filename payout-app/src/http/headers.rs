//! Reads what names a payout and guards a write: the path's id, `If-Match` and `Idempotency-Key`.

use payout_core::idempotency::IdempotencyKey;
use payout_core::payout::PayoutId;
use salvo::Request;
use salvo::http::HeaderMap;
use salvo::http::header::IF_MATCH;
use utoipa::IntoParams;
use uuid::Uuid;

use super::problem::{Errors, Kind, Problem};

/// Which payout.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes what `payout_id` reads")]
pub(super) struct PayoutPath {
    /// The payout's id.
    id: Uuid,
}

/// At which version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `if_match` reads")]
pub(super) struct IfMatch {
    /// The `ETag` that the request means: it is refused with 412 when that is no longer the payout's.
    #[param(
        rename = "If-Match",
        nullable = false,
        pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#,
        example = "\"3\""
    )]
    if_match: Option<String>,
}

/// Under which name.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `idempotency_key` reads")]
pub(super) struct KeyHeader {
    /// Your name for this request, so that it can be repeated: 1 to 255 visible ASCII characters, also within double
    /// quotes. Kept for at least 30 days.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        pattern = "^[!-~]{1,255}$",
        example = "order-7301"
    )]
    idempotency_key: Option<String>,
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

/// The versions that `If-Match` accepts; absent when it accepts any.
///
/// Source: RFC 9110 §13.1.1. The comparison is strong, so a weak tag matches nothing; nor does a tag that is not one
/// of ours.
///
/// # Errors
/// 400 when the header is no list of entity tags.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Vec<u64>>, Problem> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for value in headers.get_all(IF_MATCH) {
        let value = value.to_str().map_err(|_| refused_if_match())?.trim();
        if value == "*" {
            return Ok(None);
        }
        entity_tags(value, &mut versions).ok_or_else(refused_if_match)?;
    }
    Ok(Some(versions))
}

fn refused_if_match() -> Problem {
    let message =
        "This is not a list of entity tags: quote the `ETag` as it was answered, such as \"3\", or use *.";
    Problem::invalid(Errors::of("If-Match", message))
}

/// Reads `"1", W/"2"`; absent when it is something else.
fn entity_tags(mut rest: &str, versions: &mut Vec<u64>) -> Option<()> {
    loop {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        // Only the text that `ETag` has: `"03"` is another tag than `"3"`.
        if let Ok(version) = tag.parse::<u64>()
            && !weak
            && version.to_string() == tag
        {
            versions.push(version);
        }
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
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
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    IdempotencyKey::new(bare)
        .map(Some)
        .map_err(|error| refuse(error.to_string()))
}

/// What a create without a key is told where every create needs one.
pub(crate) fn idempotency_key_missing() -> Problem {
    let message = "This service wants this header on every create: a value of your own for each payout, the same when the \
                   request is repeated.";
    Problem::invalid(Errors::of("Idempotency-Key", message.to_owned()))
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
    fn if_match_is_a_list_of_strong_tags() {
        let read = |values: &[&str]| if_match(&headers("if-match", values)).unwrap();
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read(&["*"]), None);
        assert_eq!(read(&["\"3\""]), Some(vec![3]));
        assert_eq!(read(&["\"3\", \"4\"", "\"5\""]), Some(vec![3, 4, 5]));
        assert_eq!(read(&["W/\"3\""]), Some(vec![]));
        assert_eq!(read(&["\"abc\", \"03\", \"+3\""]), Some(vec![]));
        for odd in ["3", "\"3", "\"3\" \"4\"", "\"3\",", "", "w/\"3\""] {
            assert!(if_match(&headers("if-match", &[odd])).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_key_is_taken_quoted_or_bare() {
        let read = |value: &str| idempotency_key(&headers("idempotency-key", &[value]));
        assert_eq!(read("abc").unwrap(), read("\"abc\"").unwrap());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        for odd in ["", "\"\"", "a b", &"k".repeat(256)] {
            assert!(read(odd).is_err(), "{odd:?}");
        }
        assert!(idempotency_key(&headers("idempotency-key", &["a", "a"])).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(value in "[ -~]{0,60}") {
            let _ = if_match(&headers("if-match", &[&value]));
            let _ = idempotency_key(&headers("idempotency-key", &[&value]));
        }
    }
}
