//! Secrets with which deliveries are signed.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use crate::Timestamp;

/// The prefix of every secret, by which people and secret scanners recognize one.
const PREFIX: &str = "whsec_";

/// The secret of an endpoint: `whsec_` and 32 bytes in base64. It is wiped when dropped, and printed as `***`.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<[u8; 32]>);

/// The text is not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not whsec_ and 32 bytes in base64")]
pub struct InvalidSecret;

impl WebhookSecret {
    /// Builds a secret from random bits.
    pub fn of(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*random))
    }

    /// Parses the text of a secret.
    ///
    /// # Errors
    /// [`InvalidSecret`].
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let mut bytes = Zeroizing::new([0_u8; 48]);
        let length = STANDARD
            .decode_slice(digits, &mut *bytes)
            .map_err(|_| InvalidSecret)?;
        let secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes[..length].try_into().map_err(|_| InvalidSecret)?);
        Ok(Self(secret))
    }

    /// Returns the text, to be shown once.
    pub fn expose(&self) -> Zeroizing<String> {
        // Allocated at its full size: a text that grew would leave copies of the secret in memory.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 44));
        text.push_str(PREFIX);
        STANDARD.encode_string(*self.0, &mut text);
        text
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for WebhookSecret {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
    }
}

impl Eq for WebhookSecret {}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

/// The secrets of an endpoint: the current one and, for some time after a rotation, the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The secret that signs from now on.
    pub current: WebhookSecret,
    /// The secret before the last rotation, and the time until which it signs too.
    pub previous: Option<(WebhookSecret, Timestamp)>,
}

impl Secrets {
    /// Takes the first secret.
    pub fn new(current: WebhookSecret) -> Self {
        Self {
            current,
            previous: None,
        }
    }

    /// Replaces the secret. The one before it signs too for `overlap`; any earlier one no longer does.
    #[must_use]
    pub fn rotated(self, to: WebhookSecret, now: Timestamp, overlap: Duration) -> Self {
        let until = chrono::TimeDelta::from_std(overlap)
            .ok()
            .and_then(|overlap| now.checked_add_signed(overlap));
        Self {
            current: to,
            previous: until
                .filter(|until| *until > now)
                .map(|until| (self.current, until)),
        }
    }

    /// Returns the secrets that sign at this time, the current one first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &WebhookSecret> {
        let previous = self.previous.iter().filter(move |(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_secret_reads_back_and_prints_nothing() {
        let secret = WebhookSecret::of(&[0xa5; 32]);
        let text = secret.expose();
        assert!(text.starts_with("whsec_paWl") && text.len() == 50, "{}", *text);
        assert_eq!(WebhookSecret::parse(&text), Ok(secret.clone()));
        assert_eq!(format!("{:?}", Secrets::new(secret)).matches("***").count(), 1);
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in [
            "",
            "whsec_",
            "whsec_paWl",
            "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=",
            "whsec_paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl",
            "whsec_!aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=",
        ] {
            assert_eq!(WebhookSecret::parse(text), Err(InvalidSecret), "{text}");
        }
    }

    #[test]
    fn after_a_rotation_both_secrets_sign_until_the_overlap_ends() {
        let (one, two, three) = (
            WebhookSecret::of(&[1; 32]),
            WebhookSecret::of(&[2; 32]),
            WebhookSecret::of(&[3; 32]),
        );
        let secrets = Secrets::new(one.clone()).rotated(two.clone(), at(100), Duration::from_secs(10));
        assert_eq!(secrets.signing(at(109)).collect::<Vec<_>>(), [&two, &one]);
        assert_eq!(secrets.signing(at(110)).collect::<Vec<_>>(), [&two]);
        let secrets = secrets.rotated(three.clone(), at(105), Duration::from_secs(10));
        assert_eq!(secrets.signing(at(106)).collect::<Vec<_>>(), [&three, &two]);
        let secrets = secrets.rotated(one.clone(), at(106), Duration::ZERO);
        assert_eq!(secrets.signing(at(106)).collect::<Vec<_>>(), [&one]);
    }
}
