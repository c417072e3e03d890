//! The address of an endpoint.

use std::fmt;
use std::str::FromStr;

/// The address to which deliveries are posted: `https://host/path`, or `http://` within allowed networks.
///
/// The form is checked here. Which hosts may be called is decided when a connection is made, since a name may stand for
/// another address each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(String);

/// The reason why a text is not the address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// The text is too long.
    #[error("An address has at most 2048 characters.")]
    TooLong,
    /// The text does not begin with a scheme that may be called.
    #[error("An address begins with https:// (or http:// within the networks that the service allows).")]
    Scheme,
    /// The text has no host, or characters that no address has.
    #[error("This is not a valid address.")]
    Form,
    /// The text has a user name or a password.
    #[error("An address has no user name and no password: deliveries are signed instead.")]
    Credentials,
    /// The text has a fragment, which is never sent.
    #[error("An address has no fragment (#).")]
    Fragment,
}

impl EndpointUrl {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 2048;

    /// Takes an address.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > Self::MAX_CHARS {
            return Err(InvalidUrl::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        if !matches!(scheme, "https" | "http") {
            return Err(InvalidUrl::Scheme);
        }
        // Parsers take a backslash for a slash, so it could hide the host.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err(InvalidUrl::Form);
        }
        if text.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let authority = authority(rest);
        if authority.contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(InvalidUrl::Form);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the address. Its path or query may contain a secret, so it does not belong in a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a request to this address is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Returns the host and the port, which may be logged.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, rest)| authority(rest))
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        Self::new(text)
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for text in [
            "https://example.com",
            "https://example.com/hooks?for=payouts",
            "http://10.0.0.7:8080/hooks",
            "https://[2001:db8::1]/",
            "https://example.com?at=a@b",
        ] {
            assert_eq!(EndpointUrl::new(text).unwrap().as_str(), text);
        }
        assert_eq!(
            EndpointUrl::new("https://example.com:8443/secret")
                .unwrap()
                .authority(),
            "example.com:8443"
        );
    }

    #[test]
    fn anything_else_is_refused_for_its_reason() {
        let long = format!("https://example.com/{}", "a".repeat(2048));
        for (text, why) in [
            ("", InvalidUrl::Scheme),
            ("example.com", InvalidUrl::Scheme),
            ("ftp://example.com", InvalidUrl::Scheme),
            ("HTTPS://example.com", InvalidUrl::Scheme),
            ("file:///etc/passwd", InvalidUrl::Scheme),
            ("https:///path", InvalidUrl::Form),
            ("https://:443/", InvalidUrl::Form),
            ("https://exa mple.com", InvalidUrl::Form),
            ("https://example.com/\n", InvalidUrl::Form),
            ("https://good.example\\@inside", InvalidUrl::Form),
            ("https://bücher.example", InvalidUrl::Form),
            ("https://user@example.com", InvalidUrl::Credentials),
            ("https://user:pass@example.com/", InvalidUrl::Credentials),
            ("https://example.com/#part", InvalidUrl::Fragment),
            (long.as_str(), InvalidUrl::TooLong),
        ] {
            assert_eq!(EndpointUrl::new(text), Err(why), "{text:?}");
        }
    }
}
