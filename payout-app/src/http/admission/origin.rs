//! The base address of the service as a client reaches it: scheme and host for absolute links.

use std::net::IpAddr;

use ipnet::IpNet;
use salvo::http::HeaderMap;
use salvo::http::header::HOST;
use salvo::http::uri::Authority;

use super::client::{Chain, FORWARDED_FOR};
use super::forwarded;

/// Headers that proxies add, and that a direct client does not send.
const OF_PROXIES: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "via",
];

/// Returns the base address, as in `https://pay.example`. Returns `None` if it is unknown; links must then be relative.
///
/// A trusted proxy reports it. From any other peer the headers may be forged: only a request without such headers is
/// taken as direct, over HTTP and by the name in `Host`.
pub(super) fn base(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    authority: Option<&Authority>,
    trusted: &[IpNet],
) -> Option<String> {
    let asked_for = match headers.get(HOST) {
        Some(host) => host.to_str().ok().and_then(valid_host),
        None => authority.map(Authority::as_str).and_then(valid_host),
    };
    let peer = peer.map(|peer| peer.to_canonical());
    let by_proxy = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    let is_trusted = peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)));
    if !is_trusted {
        return asked_for
            .filter(|_| !by_proxy)
            .map(|host| format!("http://{host}"));
    }
    let believed = Chain::of(peer, headers, trusted).map_or(0, |chain| chain.believed);
    let (proto, host) = if speaks_x_forwarded(headers) {
        let proto = said(headers, "x-forwarded-proto", believed);
        let host = said(headers, "x-forwarded-host", believed);
        let port = said(headers, "x-forwarded-port", believed);
        (proto.clone(), with_port(host, port, proto.as_deref()))
    } else {
        let elements = forwarded::elements(headers);
        let outermost = elements.len().saturating_sub(believed.max(1));
        let element = elements.into_iter().nth(outermost).unwrap_or_default();
        (element.proto, element.host)
    };
    let scheme = match proto?.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" => "https",
        _ => return None,
    };
    let host = match host {
        Some(host) => valid_host(&host)?,
        None => asked_for?,
    };
    Some(format!("{scheme}://{host}"))
}

fn speaks_x_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED_FOR)
        || headers.contains_key("x-forwarded-proto")
        || headers.contains_key("x-forwarded-host")
}

/// Returns the value from the outermost trusted proxy: the value `believed` places from the end if each proxy appends
/// one, or the only value if the nearest proxy overwrites it.
fn said(headers: &HeaderMap, name: &str, believed: usize) -> Option<String> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let values: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let outermost = values.len().saturating_sub(believed.max(1));
    values
        .get(outermost)
        .filter(|value| !value.is_empty())
        .map(|value| (*value).to_owned())
}

fn with_port(host: Option<String>, port: Option<String>, proto: Option<&str>) -> Option<String> {
    let host = host?;
    // An invalid host is kept, so that it is refused later and not treated as absent.
    let Ok(authority) = host.parse::<Authority>() else {
        return Some(host);
    };
    let usual = if proto == Some("https") { 443 } else { 80 };
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) if authority.port().is_none() && port != usual => Some(format!("{host}:{port}")),
        Some(_) | None => Some(host),
    }
}

/// Checks for a host with an optional port and nothing else: no user, no path, and nothing that could end a header or
/// escape from a link.
fn valid_host(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_plain = !authority.host().is_empty() && text.chars().all(plain);
    is_plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        base(Some(peer.parse().unwrap()), &all, None, &trusted).unwrap_or_default()
    }

    const HOST: (&str, &str) = ("host", "payouts.example");

    #[test]
    fn a_trusted_proxy_says_scheme_and_host() {
        for (headers, expected) in [
            (
                vec![HOST, ("x-forwarded-proto", "https")],
                "https://payouts.example",
            ),
            (
                vec![
                    ("host", "web:8000"),
                    ("x-forwarded-proto", "HTTPS"),
                    ("x-forwarded-host", "pay.example"),
                ],
                "https://pay.example",
            ),
            (
                vec![
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "pay.example"),
                    ("x-forwarded-port", "8443"),
                ],
                "https://pay.example:8443",
            ),
            (
                vec![
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "pay.example"),
                    ("x-forwarded-port", "443"),
                ],
                "https://pay.example",
            ),
            (
                vec![(
                    "forwarded",
                    "for=198.51.100.1;proto=https;host=\"pay.example:8443\"",
                )],
                "https://pay.example:8443",
            ),
            (
                vec![HOST, ("forwarded", "for=198.51.100.1;proto=http")],
                "http://payouts.example",
            ),
            // Both proxies append a value; the outer one's is the client's.
            (
                vec![
                    HOST,
                    ("x-forwarded-for", "203.0.113.9, 198.51.100.1, 10.0.0.7"),
                    ("x-forwarded-proto", "gopher, https, http"),
                ],
                "https://payouts.example",
            ),
            (
                vec![(
                    "forwarded",
                    "for=1.2.3.4;host=evil.example, for=198.51.100.1;proto=https;host=pay.example, for=10.0.0.7;proto=http",
                )],
                "https://pay.example",
            ),
        ] {
            assert_eq!(link("10.1.2.3", &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_not_known_makes_a_relative_link() {
        for headers in [
            // Nothing reports the scheme.
            vec![HOST],
            vec![HOST, ("x-forwarded-for", "198.51.100.1")],
            vec![HOST, ("forwarded", "for=198.51.100.1")],
            // Invalid values.
            vec![HOST, ("x-forwarded-proto", "javascript")],
            vec![
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil.example/path?"),
            ],
            vec![
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "user@evil.example"),
            ],
            vec![HOST, ("forwarded", "proto=https;host")],
            vec![("x-forwarded-proto", "https")],
        ] {
            assert_eq!(link("10.1.2.3", &headers), "", "{headers:?}");
        }
    }

    #[test]
    fn whoever_is_not_trusted_does_not_choose_where_links_lead() {
        for header in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "proto=https;host=evil.example"),
            ("via", "1.1 somewhere"),
        ] {
            assert_eq!(link("203.0.113.9", &[HOST, header]), "", "{header:?}");
        }
        assert_eq!(link("203.0.113.9", &[HOST]), "http://payouts.example");
        assert_eq!(
            link("127.0.0.1", &[("host", "127.0.0.1:8000")]),
            "http://127.0.0.1:8000"
        );
        assert_eq!(link("127.0.0.1", &[("host", "[::1]:8000")]), "http://[::1]:8000");
        assert_eq!(link("127.0.0.1", &[HOST]), "http://payouts.example");
        for host in ["a b<script>", "user@payouts.example", "payouts.example/x", ""] {
            assert_eq!(link("203.0.113.9", &[("host", host)]), "", "{host}");
        }
    }
}
