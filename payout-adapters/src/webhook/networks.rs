//! The addresses to which webhooks may be delivered.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

/// The networks inside which endpoints may be called although they are not public. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Arc<[IpNet]>);

/// The text is not a list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network, such as 10.20.0.0/16, and not an address")]
pub struct InvalidNetwork(String);

impl FromStr for AllowedNetworks {
    type Err = InvalidNetwork;

    /// Parses comma-separated networks and addresses.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let network = part.parse::<IpNet>().ok();
            let network = network.or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| InvalidNetwork(part.to_owned()))
        };
        parts.map(network).collect::<Result<Arc<[IpNet]>, _>>().map(Self)
    }
}

impl fmt::Display for AllowedNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let separator = if place > 0 { "," } else { "" };
            write!(f, "{separator}{network}")?;
        }
        Ok(())
    }
}

impl AllowedNetworks {
    /// Returns whether no network is allowed besides the public ones.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether an address is in one of the networks.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address that may not be called, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {address} is not allowed: {why}")]
pub(super) struct ForbiddenAddress {
    pub(super) address: IpAddr,
    pub(super) why: &'static str,
}

/// The rule of a client.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// Public addresses, and those of the allowed networks: for encrypted requests.
    PublicOrAllowed(AllowedNetworks),
    /// Only those of the allowed networks: for requests in plain text.
    Allowed(AllowedNetworks),
}

impl Rule {
    /// Refuses an address that may not be called.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        let (networks, why) = match self {
            Self::PublicOrAllowed(networks) => (networks, not_public(address)),
            Self::Allowed(networks) => (networks, Some("http:// only within the allowed networks")),
        };
        match why {
            Some(why) if !networks.contain(address) => Err(ForbiddenAddress { address, why }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Networks of IPv4 that are not public (the registry of special addresses, RFC 6890, and multicast).
const SPECIAL_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private network"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a provider's network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this host"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "a reserved address"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay to IPv6"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private network"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "a network for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "an address for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "a reserved address"),
];

/// Networks within the public part of IPv6 that are not public, or that lead to an address of IPv4.
const SPECIAL_V6: &[(Ipv6Addr, u32, &str)] = &[
    // Teredo, benchmarks, identifiers that are not routed.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "a reserved address",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "an address for documentation",
    ),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a relay to IPv4"),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "an address for documentation",
    ),
];

/// Returns the reason why an address is not public; `None` if it is.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let number = address.to_bits();
            let special = SPECIAL_V4.iter();
            special
                .map(|(network, length, why)| (network.to_bits(), 32 - length, why))
                .find(|(network, rest, _)| number >> rest == network >> rest)
                .map(|(_, _, why)| *why)
        }
        IpAddr::V6(address) => {
            let number = address.to_bits();
            // Everything else is loopback, unique local, link-local, multicast, mapped, translated or not assigned.
            if number >> 125 != 0b001 {
                return Some("not a public address");
            }
            let special = SPECIAL_V6.iter();
            special
                .map(|(network, length, why)| (network.to_bits(), 128 - length, why))
                .find(|(network, rest, _)| number >> rest == network >> rest)
                .map(|(_, _, why)| *why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that are not public, each by itself: the first and the last of each network, and every form of IPv6
    /// that stands for one of them.
    const FORBIDDEN: &[&str] = &[
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:192.168.1.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fdff:ffff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ];

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:80e::200e",
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_that_is_not_public_is_refused() {
        let rule = Rule::PublicOrAllowed(AllowedNetworks::default());
        for text in FORBIDDEN {
            assert!(rule.check(address(text)).is_err(), "{text}");
        }
        for text in PUBLIC {
            assert_eq!(rule.check(address(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn in_plain_text_no_address_is_called_but_those_of_the_allowed_networks() {
        let networks: AllowedNetworks = "10.20.0.0/16, fd00::/8,192.168.1.7".parse().unwrap();
        for rule in [
            Rule::Allowed(networks.clone()),
            Rule::PublicOrAllowed(networks.clone()),
        ] {
            for text in ["10.20.255.1", "::ffff:10.20.0.1", "fd12::1", "192.168.1.7"] {
                assert_eq!(rule.check(address(text)), Ok(()), "{text}");
            }
            for text in ["10.21.0.1", "::ffff:10.21.0.1", "fe80::1", "192.168.1.8"] {
                assert!(rule.check(address(text)).is_err(), "{text}");
            }
        }
        assert!(Rule::Allowed(networks).check(address("8.8.8.8")).is_err());
    }

    #[test]
    fn networks_are_separated_by_commas() {
        let networks: AllowedNetworks = "10.0.0.0/8,::1".parse().unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8,::1/128");
        assert!(!networks.is_empty() && "".parse::<AllowedNetworks>().unwrap().is_empty());
        for text in ["10.0.0.0/33", "localhost", "10.0.0", "10.0.0.0/8;::1"] {
            assert!(text.parse::<AllowedNetworks>().is_err(), "{text}");
        }
    }
}
