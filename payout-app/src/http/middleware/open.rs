//! Access to a service without API keys.
//!
//! It is open only to its own host: bound to loopback, it answers requests that are addressed to this host. Such
//! requests can still come from elsewhere, in three ways. A page in a browser can reach loopback by a name of its own
//! that resolves to 127.0.0.1 (DNS rebinding), which `Host` reveals. A page can also send a request across origins,
//! which `Origin` reveals. And a proxy on this host forwards anybody's requests, which only the headers that it adds
//! reveal.
//!
//! The outermost middleware has refused requests with several `Host` headers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use salvo::Request;
use salvo::http::Version;
use salvo::http::header::{HOST, HeaderName, ORIGIN};
use salvo::http::uri::Authority;
use url::{Host, Url};

/// The clients that a service without API keys answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenTo {
    /// Clients on this host: the service is bound to loopback.
    ThisHost,
    /// Every client that reaches it, except through an untrusted proxy: `PAYOUT_AUTH=off`.
    Anyone,
    /// No client: the service is bound to another address, and exits as soon as it knows that there are no API keys.
    Nobody,
}

impl OpenTo {
    /// Decides by the address that the service is bound to, and by the setting that opens it.
    pub(crate) fn of(bind: SocketAddr, auth_off: bool) -> Self {
        if auth_off {
            Self::Anyone
        } else if bind.ip().to_canonical().is_loopback() {
            Self::ThisHost
        } else {
            Self::Nobody
        }
    }
}

/// Returns whether a request is addressed to this host under a local name.
pub(crate) fn is_addressed_here(request: &Request) -> bool {
    match request.headers().get(HOST) {
        Some(host) => host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok())
            .is_some_and(|authority| is_local(authority.host())),
        // HTTP/2 has it in its authority. HTTP/1.0 may omit it; no browser does.
        None => request
            .uri()
            .authority()
            .is_none_or(|authority| is_local(authority.host())),
    }
}

/// Returns whether a request is addressed to this host and does not come from a page of another origin.
pub(crate) fn is_from_here(request: &Request) -> bool {
    let headers = request.headers();
    let origin_is_local = headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        origin.is_some_and(|origin| match origin.host() {
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        })
    });
    is_addressed_here(request) && origin_is_local
}

fn is_local(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The evidence that a request came through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// A header that proxies add.
    Header(HeaderName),
    /// The HTTP version that nginx uses towards its upstream by default, and that no browser and hardly any client
    /// uses.
    OldVersion,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "it has `{name}`"),
            Self::OldVersion => f.write_str("it is of HTTP/1.0"),
        }
    }
}

/// The prefixes of headers that proxies, load balancers and content delivery networks add.
const PREFIXES: [&str; 11] = [
    "x-forwarded",
    "x-original-",
    "x-envoy-",
    "x-real-",
    "x-proxy",
    "x-haproxy-",
    "x-akamai-",
    "x-azure-",
    "x-appengine-",
    "cf-",
    "tailscale-",
];

/// The full names of further headers that proxies, load balancers and content delivery networks add.
const NAMES: [&str; 30] = [
    // RFC 7239, RFC 9110 §7.6.3, RFC 8586, RFC 9440.
    "forwarded",
    "via",
    "cdn-loop",
    "client-cert",
    "akamai-origin-hop",
    "client-ip",
    "do-connecting-ip",
    "fastly-client-ip",
    "fastly-ff",
    "fly-client-ip",
    "front-end-https",
    "proxy-client-ip",
    "true-client-ip",
    "wl-proxy-client-ip",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-arr-log-id",
    "x-arr-ssl",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-cluster-client-ip",
    "x-nf-client-connection-ip",
    "x-nginx-proxy",
    "x-queue-start",
    "x-remote-addr",
    "x-remote-ip",
    "x-request-start",
    "x-rewrite-url",
    "x-traefik-router",
    "x-varnish",
];

/// Returns the evidence that a request came through a proxy, if there is any.
pub(crate) fn way_through_a_proxy(request: &Request) -> Option<Way> {
    let of_a_proxy = |name: &&HeaderName| {
        let name = name.as_str();
        PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
    };
    let header = request.headers().keys().find(of_a_proxy).cloned();
    let version = request.version();
    let is_old = version == Version::HTTP_10 || version == Version::HTTP_09;
    header.map(Way::Header).or(is_old.then_some(Way::OldVersion))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn what_a_proxy_adds_is_seen() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Port",
            "X-Forwarded-Prefix",
            "X-Forwarded-Server",
            "X-Forwarded-By",
            "X-Forwarded",
            "X-Real-IP",
            "Via",
            "X-Client-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "X-Original-Forwarded-For",
            "X-Original-URL",
            "X-Cluster-Client-IP",
            "Fastly-Client-IP",
            "X-Envoy-External-Address",
            "CDN-Loop",
        ] {
            let mut of_proxy = request(&[("host", "localhost")]);
            let lower: HeaderName = name.parse().unwrap();
            of_proxy.headers_mut().insert(lower.clone(), "".parse().unwrap());
            assert_eq!(way_through_a_proxy(&of_proxy), Some(Way::Header(lower)), "{name}");
        }
        let mut old = request(&[("host", "127.0.0.1:8000"), ("connection", "close")]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(way_through_a_proxy(&old), Some(Way::OldVersion));
    }

    #[test]
    fn what_clients_send_is_no_sign_of_a_proxy() {
        let direct = request(&[
            ("host", "localhost"),
            ("connection", "close"),
            ("x-request-id", "a"),
            ("idempotency-key", "a"),
            ("traceparent", "00-0-0-00"),
            ("x-requested-with", "fetch"),
            ("cache-control", "no-cache"),
            ("origin", "http://localhost"),
        ]);
        assert_eq!(way_through_a_proxy(&direct), None);
    }

    #[test]
    fn without_keys_only_what_is_addressed_to_this_host_is_from_here() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.8.0.1",
            "[::1]:8000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_from_here(&request(&[("host", host)])), "{host}");
        }
        for host in [
            "payouts.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0:8000",
            "[::]",
            "localhost@evil.example",
            "a b",
            "",
        ] {
            assert!(!is_from_here(&request(&[("host", host)])), "{host}");
        }
        assert!(is_from_here(&request(&[])));
    }

    #[test]
    fn without_keys_no_page_of_elsewhere_may_ask() {
        for origin in ["http://localhost:8000", "http://127.0.0.1:3000", "https://[::1]"] {
            assert!(
                is_from_here(&request(&[("host", "localhost"), ("origin", origin)])),
                "{origin}"
            );
        }
        for origin in [
            "https://evil.example",
            "null",
            "",
            "file://",
            "http://localhost.evil.example",
        ] {
            assert!(
                !is_from_here(&request(&[("host", "localhost"), ("origin", origin)])),
                "{origin}"
            );
        }
    }

    #[test]
    fn only_loopback_is_home() {
        let of = |bind: &str, off| OpenTo::of(bind.parse().unwrap(), off);
        for bind in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(of(bind, false), OpenTo::ThisHost, "{bind}");
        }
        for bind in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(of(bind, false), OpenTo::Nobody, "{bind}");
            assert_eq!(of(bind, true), OpenTo::Anyone, "{bind}");
        }
    }
}
