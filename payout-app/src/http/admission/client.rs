//! The client of a request: the peer of its connection or, if the peer is a trusted proxy, the address that the proxy
//! names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use salvo::http::HeaderMap;

use super::forwarded;

pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a client; unknown where the connection has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(Option<IpAddr>);

/// The part of the proxies' forwarding information that is trusted.
pub(super) struct Chain {
    /// The client address that the outermost trusted proxy reports.
    pub(super) client: IpAddr,
    /// The number of trusted entries, counted from the end.
    pub(super) believed: usize,
}

impl Chain {
    /// Follows the forwarding information from the nearest proxy outwards.
    ///
    /// Each proxy on the way appends the address of its caller to `X-Forwarded-For`, and likewise an element to
    /// `Forwarded`, which is used only if the former is absent. Entries are trusted from the end, for as long as they
    /// were added by trusted proxies. The last of them names the client.
    pub(super) fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<Self> {
        let mut chain = Self {
            client: peer?.to_canonical(),
            believed: 0,
        };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        if !is_trusted(&chain.client) {
            return Some(chain);
        }
        for hop in hops(headers).into_iter().rev() {
            let Some(address) = hop.as_deref().and_then(address_of) else {
                break;
            };
            chain.client = address;
            chain.believed += 1;
            if !is_trusted(&address) {
                break;
            }
        }
        Some(chain)
    }
}

/// Returns every address in the forwarding information, the nearest last; `None` in place of an element that names no
/// address.
fn hops(headers: &HeaderMap) -> Vec<Option<String>> {
    if !headers.contains_key(FORWARDED_FOR) {
        let elements = forwarded::elements(headers).into_iter();
        return elements.map(|element| element.by_client).collect();
    }
    let lines = headers.get_all(FORWARDED_FOR).iter();
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(|hop| Some(hop.trim().to_owned()))
        .collect()
}

impl Client {
    /// Returns the peer of the connection, or the address that the trusted proxies name.
    pub(crate) fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        Self(Chain::of(peer, headers, trusted).map(|chain| chain.client))
    }

    /// Returns whether the client is on this host: whether its address is loopback.
    pub(crate) fn is_this_host(self) -> bool {
        self.0.is_some_and(|address| address.is_loopback())
    }

    /// Returns the address, for the log.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0
    }

    /// Returns the network for which the client's requests and connections are counted.
    pub(crate) fn network(self) -> Option<Network> {
        self.0.map(Network::of)
    }
}

/// An address, or the /64 network of an IPv6 address: a client with one of its addresses can use them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        match address {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                let prefix = v6.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(prefix).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => Self(address),
        }
    }
}

/// Parses an address with or without a port, as proxies write it.
fn address_of(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    let address = address.or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Client::of(Some(peer.parse().unwrap()), &headers, &trusted)
            .0
            .unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_nobody_trusted_forwards_counts_for_nothing() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), ip("203.0.113.9"));
        assert_eq!(
            client("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"]),
            ip("203.0.113.9")
        );
    }

    #[test]
    fn a_trusted_proxy_names_whom_it_was_called_by() {
        for forwarded in ["198.51.100.1", " 198.51.100.1 ", "198.51.100.1:4711"] {
            assert_eq!(
                client("10.1.2.3", &[forwarded], &["10.0.0.0/8"]),
                ip("198.51.100.1"),
                "{forwarded}"
            );
        }
        assert_eq!(
            client("::ffff:10.1.2.3", &["::ffff:198.51.100.1"], &["10.0.0.0/8"]),
            ip("198.51.100.1")
        );
        assert_eq!(
            client("10.1.2.3", &["[2001:db8::1]:443"], &["10.0.0.0/8"]),
            ip("2001:db8::1")
        );
        assert_eq!(
            client("10.1.2.3", &["[2001:db8::1]"], &["10.0.0.0/8"]),
            ip("2001:db8::1")
        );
    }

    #[test]
    fn what_the_client_wrote_itself_is_left_of_what_is_believed() {
        let trusted = ["10.0.0.0/8", "192.0.2.7/32"];
        assert_eq!(
            client("10.1.2.3", &["127.0.0.1, 198.51.100.1"], &trusted),
            ip("198.51.100.1")
        );
        assert_eq!(
            client("10.1.2.3", &["127.0.0.1, 198.51.100.1, 192.0.2.7"], &trusted),
            ip("198.51.100.1")
        );
        assert_eq!(
            client("10.1.2.3", &["127.0.0.1", "198.51.100.1, 192.0.2.7"], &trusted),
            ip("198.51.100.1")
        );
    }

    #[test]
    fn a_trusted_proxy_that_names_nobody_is_the_client_itself() {
        for forwarded in ["", "unknown", "_hidden", "1.2.3.4.5", "198.51.100.1,"] {
            assert_eq!(
                client("10.1.2.3", &[forwarded], &["10.0.0.0/8"]),
                ip("10.1.2.3"),
                "{forwarded:?}"
            );
        }
        assert_eq!(client("10.1.2.3", &[], &["10.0.0.0/8"]), ip("10.1.2.3"));
    }

    #[test]
    fn a_trusted_proxy_may_speak_the_standard_too() {
        let of = |headers: &[(&'static str, &str)]| {
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                all.append(*name, value.parse().unwrap());
            }
            Client::of(Some(ip("10.1.2.3")), &all, &["10.0.0.0/8".parse().unwrap()])
                .0
                .unwrap()
        };
        for (value, client) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("for=\"198.51.100.1:4711\";proto=https", "198.51.100.1"),
            ("For=\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("for=127.0.0.1, for=198.51.100.1, for=10.0.0.7", "198.51.100.1"),
            ("for=198.51.100.1, for=unknown", "10.1.2.3"),
            ("for=198.51.100.1, for=_hidden", "10.1.2.3"),
            ("for=198.51.100.1, for", "10.1.2.3"),
            ("proto=https", "10.1.2.3"),
        ] {
            assert_eq!(of(&[("forwarded", value)]), ip(client), "{value}");
        }
        let both = [
            ("forwarded", "for=203.0.113.7"),
            ("x-forwarded-for", "198.51.100.1"),
        ];
        assert_eq!(of(&both), ip("198.51.100.1"));
    }

    #[test]
    fn only_loopback_is_this_host() {
        let is_here = |address: &str| Client(Some(ip(address))).is_this_host();
        assert!(is_here("127.0.0.1") && is_here("127.9.9.9") && is_here("::1"));
        assert!(!is_here("10.0.0.1") && !is_here("2001:db8::1"));
        assert!(!Client(None).is_this_host());
    }

    #[test]
    fn all_addresses_of_a_v6_network_count_as_one() {
        assert_eq!(
            Network::of(ip("2001:db8:1:2::1")),
            Network::of(ip("2001:db8:1:2:ffff::9"))
        );
        assert_ne!(
            Network::of(ip("2001:db8:1:2::1")),
            Network::of(ip("2001:db8:1:3::1"))
        );
        assert_eq!(
            Network::of(ip("::ffff:198.51.100.1")),
            Network::of(ip("198.51.100.1"))
        );
        assert_ne!(Network::of(ip("198.51.100.1")), Network::of(ip("198.51.100.2")));
    }
}
