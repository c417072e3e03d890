//! Forwarding information from proxies: `Forwarded` (RFC 7239) and the older `X-Forwarded-…` headers.
//!
//! Each proxy appends an element, so the nearest is last. If both kinds are present, `X-Forwarded-For` is used.

use salvo::http::HeaderMap;

const FORWARDED: &str = "forwarded";

/// An element of `Forwarded`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// The client that called the proxy, as the proxy names it.
    pub(super) by_client: Option<String>,
    /// The host that the client asked for.
    pub(super) host: Option<String>,
    /// The scheme that the client used.
    pub(super) proto: Option<String>,
}

/// Returns the elements of all lines, in order. An element that does not follow the grammar invalidates itself and all
/// before it: one empty element stands for them.
pub(super) fn elements(headers: &HeaderMap) -> Vec<Element> {
    let mut elements = Vec::new();
    for line in headers.get_all(FORWARDED) {
        match line.to_str().ok().and_then(parse) {
            Some(mut of_line) => elements.append(&mut of_line),
            None => elements = vec![Element::default()],
        }
    }
    elements
}

/// Parses a line such as `for=192.0.2.1;proto=https, for="[2001:db8::1]:4711"`. Returns `None` if the line does not
/// follow the grammar.
fn parse(line: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut rest = line.trim_matches(OWS);
    while !rest.is_empty() {
        let mut element = Element::default();
        loop {
            let end = rest.find(|c: char| !is_token(c))?;
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            let (value, after) = value(after.strip_prefix('=')?)?;
            let place = match name.to_ascii_lowercase().as_str() {
                "for" => Some(&mut element.by_client),
                "host" => Some(&mut element.host),
                "proto" => Some(&mut element.proto),
                _ => None,
            };
            // A parameter must not be repeated.
            if place.is_some_and(|place| place.replace(value).is_some()) {
                return None;
            }
            rest = after.trim_start_matches(OWS);
            match rest.strip_prefix(';') {
                Some(next) => rest = next.trim_start_matches(OWS),
                None => break,
            }
        }
        elements.push(element);
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start_matches(OWS);
        }
    }
    (!elements.is_empty()).then_some(elements)
}

/// Splits a token or a quoted string from the text that follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

const OWS: [char; 2] = [' ', '\t'];

/// Returns whether the character may be in a token (RFC 9110 §5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(by_client: &str, host: &str, proto: &str) -> Element {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Element {
            by_client: given(by_client),
            host: given(host),
            proto: given(proto),
        }
    }

    #[test]
    fn the_forms_of_the_standard_are_read() {
        for (line, expected) in [
            ("for=192.0.2.43", vec![element("192.0.2.43", "", "")]),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                vec![element("[2001:db8:cafe::17]:4711", "", "")],
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                vec![element("192.0.2.60", "", "http")],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17;HOST=pay.example",
                vec![
                    element("192.0.2.43", "", ""),
                    element("198.51.100.17", "pay.example", ""),
                ],
            ),
            ("for=unknown; proto = https", vec![]),
            (
                "for=_hidden;host=\"a\\\"b:1\"",
                vec![element("_hidden", "a\"b:1", "")],
            ),
            ("for=\"a,b;c\"", vec![element("a,b;c", "", "")]),
        ] {
            assert_eq!(parse(line).unwrap_or_default(), expected, "{line}");
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar_says_nothing() {
        for line in [
            "",
            "for",
            "for=",
            "=x",
            "for=a b",
            "for=[::1]",
            "for=\"a",
            "for=a;for=b",
            "for=a;;proto=b",
            "for=a,,for=b",
            ",",
            "for=a;",
            "for =a",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        let mut headers = HeaderMap::new();
        for line in ["for=203.0.113.1", "for=", "for=192.0.2.1"] {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        assert_eq!(
            elements(&headers),
            [Element::default(), element("192.0.2.1", "", "")]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[ -~]{0,60}") {
            let _ = parse(&line);
        }
    }
}
