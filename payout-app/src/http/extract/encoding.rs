//! The encoding of queries and forms (`application/x-www-form-urlencoded`): percent-encoded UTF-8.
//!
//! The decoder of the URL standard replaces what is not UTF-8, and keeps a stray percent sign: two values would become
//! one, and a list would have another filter than the client meant. So both are refused before anything is decoded.

use url::form_urlencoded;

use crate::http::problem::Errors;

/// The largest number of mistakes that are named.
const NAMED: usize = 20;

const MALFORMED: &str = "Two hexadecimal digits follow a percent sign; the sign itself is written %25.";
const NOT_UTF8: &str = "This is not in UTF-8: percent-encode the bytes of the text in UTF-8.";

/// Names the pairs whose name or value cannot be decoded, each by its name as far as that can be read.
pub(crate) fn mistakes(encoded: &[u8]) -> Errors {
    let mut errors = Errors::default();
    for pair in encoded.split(|byte| *byte == b'&') {
        // An equals sign is part of no sequence of UTF-8, so name and value are checked together.
        let Some(message) = mistake(pair) else {
            continue;
        };
        let name = form_urlencoded::parse(pair).next().unwrap_or_default().0;
        if errors.of_field(&name).is_none() {
            errors.add(name.into_owned(), message);
        }
        if errors.iter().count() >= NAMED {
            break;
        }
    }
    errors
}

fn mistake(pair: &[u8]) -> Option<&'static str> {
    if pair.is_ascii() && !pair.contains(&b'%') {
        return None;
    }
    match decoded(pair) {
        None => Some(MALFORMED),
        Some(bytes) => std::str::from_utf8(&bytes).is_err().then_some(NOT_UTF8),
    }
}

/// Decodes percent-encoded bytes. Returns `None` if two hexadecimal digits do not follow each percent sign.
fn decoded(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => 16 * digit(*rest.next()?)? + digit(*rest.next()?)?,
            plain => *plain,
        });
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &[u8]) -> Vec<(String, String)> {
        let errors = mistakes(query);
        let errors = errors.iter();
        errors
            .map(|(name, message)| (name.to_owned(), message.to_owned()))
            .collect()
    }

    #[test]
    fn what_can_be_decoded_is_taken() {
        for query in [
            "",
            "&",
            "a",
            "a=b&c",
            "external_id=Gr%c3%bcn",
            "a=%25+%2B",
            "metadata%5Ba%5D=%E2%82%ac",
            "a=Gr\u{fc}n",
            "=%00",
        ] {
            assert!(of(query.as_bytes()).is_empty(), "{query}");
        }
    }

    #[test]
    fn a_percent_sign_without_two_digits_is_refused() {
        for query in ["a=%zz", "a=100%", "a=%4", "a=%+1", "a=%%32%35", "a=%\u{ff11}1"] {
            assert_eq!(
                of(query.as_bytes()),
                [("a".to_owned(), MALFORMED.to_owned())],
                "{query}"
            );
        }
        assert_eq!(of(b"x=1&b%=2"), [("b%".to_owned(), MALFORMED.to_owned())]);
    }

    #[test]
    fn what_is_not_utf_8_is_refused() {
        for query in [
            &b"a=Gr%fcn"[..],
            b"a=Gr\xfcn",
            b"a=%c3",
            b"a=%c3=%bc",
            b"a=%ed%a0%80",
            b"a=%c0%af",
        ] {
            assert_eq!(of(query), [("a".to_owned(), NOT_UTF8.to_owned())], "{query:?}");
        }
        let in_name = of(b"metadata[%ff]=x");
        assert_eq!(in_name, [("metadata[\u{fffd}]".to_owned(), NOT_UTF8.to_owned())]);
    }

    #[test]
    fn every_wrong_pair_is_named_once_and_of_very_many_the_first() {
        let names: Vec<String> = of(b"a=%&b=1&c=%ff&a=%")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["a", "c"]);
        let many: Vec<String> = (0..5_000).map(|number| format!("q{number}=%")).collect();
        assert_eq!(of(many.join("&").as_bytes()).len(), NAMED);
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_taken(name in "\\PC{0,20}", value in "\\PC{0,20}") {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            proptest::prop_assert!(mistakes(query.as_bytes()).is_empty(), "{}", query);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = mistakes(&bytes);
        }
    }
}
