//! Whom a request comes from: the other end of its connection, or, where that is a proxy that is trusted, whom the proxy
//! names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use salvo::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from; unknown where its connection has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(Option<IpAddr>);

impl Client {
    /// `X-Forwarded-For` has an address more from each proxy on the way, the nearest last. Its end alone can be believed: as
    /// far as the proxies are trusted, and the address that the last of these was called from.
    pub(crate) fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else {
            return Self(None);
        };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        if !is_trusted(&peer) {
            return Self(Some(peer));
        }
        let mut nearest = peer;
        for value in headers.get_all(FORWARDED_FOR).iter().rev() {
            let hops = value.to_str().unwrap_or_default().rsplit(',');
            for hop in hops {
                let Some(address) = address_of(hop.trim()) else {
                    return Self(Some(nearest));
                };
                nearest = address;
                if !is_trusted(&address) {
                    return Self(Some(nearest));
                }
            }
        }
        Self(Some(nearest))
    }

    /// Whether it is this very host.
    pub(crate) fn is_this_host(self) -> bool {
        self.0.is_some_and(|address| address.is_loopback())
    }

    /// Whom it counts for.
    pub(crate) fn network(self) -> Option<Network> {
        self.0.map(Network::of)
    }
}

/// An address, or the /64 of an IPv6 one: whoever has one address of it has all.
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

/// With or without a port, as proxies write it.
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
