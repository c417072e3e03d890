//! Content negotiation: weighted lists (RFC 9110 §12.4.2) in `Accept` and `Accept-Encoding`.

use salvo::http::HeaderMap;
use salvo::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

/// A weight from 0 (not acceptable) to 1000.
type Weight = u16;

/// Returns the elements of a list with their weights. Invalid elements are ignored: such a list is a preference, not a
/// condition.
fn weighted(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, Weight)> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let elements = lines.flat_map(|line| split(line, ','));
    elements
        .filter_map(|element| {
            let mut parts = split(element, ';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?;
            let mut weight = 1000;
            for parameter in parts {
                if let Some((_, value)) = parameter
                    .split_once('=')
                    .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
                {
                    weight = parse_weight(value.trim())?;
                }
            }
            Some((name.to_ascii_lowercase(), weight))
        })
        .collect()
}

/// Parses a weight: `0`, `0.5`, `1.000`.
fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Weight = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Splits at separators outside quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == separator && !quoted
    })
}

/// Returns the weight that a client gives to a representation with these media types; 0 if it is not acceptable. A
/// client without an `Accept` accepts anything.
pub(crate) fn wants_media_type(headers: &HeaderMap, names: &[&str]) -> u16 {
    if !headers.contains_key(ACCEPT) {
        return 1000;
    }
    let accepted = weighted(headers, &ACCEPT);
    let of = |name: &str| {
        let main = name.split('/').next().unwrap_or_default();
        // The most specific range applies.
        [name.to_owned(), format!("{main}/*"), "*/*".to_owned()]
            .iter()
            .find_map(|range| accepted.iter().find(|(given, _)| given == range))
            .map_or(0, |(_, weight)| *weight)
    };
    names.iter().map(|name| of(name)).max().unwrap_or(0)
}

/// Returns whether a client accepts a content coding.
pub(crate) fn takes_coding(headers: &HeaderMap, coding: &str) -> bool {
    let accepted = weighted(headers, &ACCEPT_ENCODING);
    let of = |name: &str| {
        accepted
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, weight)| *weight)
    };
    of(coding).or_else(|| of("*")).is_some_and(|weight| weight > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_most_specific_range_says_how_much_a_type_is_wanted() {
        let wants = |accept: &str| {
            wants_media_type(
                &accepting("accept", &[accept]),
                &["application/json", "text/json"],
            )
        };
        for (accept, weight) in [
            ("application/json", 1000),
            ("Application/JSON;q=0.5", 500),
            ("text/html, application/json ; q=0.25", 250),
            ("*/*;q=0.1", 100),
            ("application/*;q=0.2, */*", 1000),
            ("application/json;q=0, text/*;q=0", 0),
            ("application/json;charset=\"a,b;q=0\";q=0.7", 700),
            ("text/html", 0),
            ("application/jsonp", 0),
            ("application/json;q=2", 0),
            ("", 0),
        ] {
            assert_eq!(wants(accept), weight, "{accept}");
        }
        assert_eq!(wants_media_type(&HeaderMap::new(), &["application/json"]), 1000);
        let lines = accepting("accept", &["text/html", "application/json;q=0.3"]);
        assert_eq!(wants_media_type(&lines, &["application/json"]), 300);
    }

    #[test]
    fn a_coding_is_taken_unless_it_is_refused() {
        let takes = |accept: &str| takes_coding(&accepting("accept-encoding", &[accept]), "gzip");
        for accept in ["gzip", "br, GZIP;q=0.1", "*", "deflate, *;q=0.5"] {
            assert!(takes(accept), "{accept}");
        }
        for accept in ["gzip;q=0", "br", "*;q=0", "x-gzipped", "", "gzip;q=0, *"] {
            assert!(!takes(accept), "{accept}");
        }
        assert!(!takes_coding(&HeaderMap::new(), "gzip"));
    }
}
