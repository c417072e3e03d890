//! Digests of tokens, as they are stored: HMAC-SHA256 (RFC 2104), keyed with a secret of the service.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::access::Token;

/// The secret that digests are keyed with: at least 32 bytes. It is wiped when dropped, and printed as `***`.
#[derive(Clone)]
pub struct KeySecret(SecretSlice<u8>);

/// The secret has fewer than 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at least 32 characters")]
pub struct ShortSecret;

impl KeySecret {
    /// Takes the bytes of the secret.
    ///
    /// # Errors
    /// [`ShortSecret`] when there are fewer than 32.
    pub fn new(bytes: &[u8]) -> Result<Self, ShortSecret> {
        if bytes.len() < 32 {
            return Err(ShortSecret);
        }
        Ok(Self(bytes.to_vec().into()))
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(***)")
    }
}

/// An identifier of a [`KeySecret`] that does not reveal it. It distinguishes an API key that was made under another
/// secret from a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretId([u8; 8]);

impl SecretId {
    #[cfg(test)]
    pub(super) const fn of_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl From<[u8; 8]> for SecretId {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

/// The keyed digest of a token. Digests are compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Returns the digest, to be stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the digest's position in a hash table: its first eight bytes. A client that does not know the secret
    /// cannot choose them, so the duration of a look-up reveals nothing.
    pub(super) fn place(&self) -> [u8; 8] {
        let mut place = [0; 8];
        place.copy_from_slice(&self.0[..8]);
        place
    }
}

impl From<[u8; 32]> for TokenDigest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenDigest {}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The stored form of a token: its digest, and the secret that it is keyed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest {
    /// The digest of the token.
    pub token: TokenDigest,
    /// The id of the secret that the digest is keyed with.
    pub secret: SecretId,
}

/// Computes digests under one secret.
#[derive(Clone)]
pub struct Hasher {
    /// The MAC with the secret already in it; each digest starts from a copy.
    mac: Hmac<Sha256>,
    secret: SecretId,
}

impl Hasher {
    /// Builds a hasher for a secret.
    ///
    /// # Errors
    /// None for a valid [`KeySecret`]: HMAC accepts keys of any length.
    pub fn new(secret: &KeySecret) -> Result<Self, ShortSecret> {
        let mac = Hmac::<Sha256>::new_from_slice(secret.0.expose_secret()).map_err(|_| ShortSecret)?;
        let named = mac.clone().chain_update(b"the name of this secret").finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&named.into_bytes()[..8]);
        Ok(Self {
            mac,
            secret: SecretId(id),
        })
    }

    /// Returns the id of the secret.
    pub fn secret(&self) -> SecretId {
        self.secret
    }

    /// Returns the stored form of a token.
    pub fn of(&self, token: &Token) -> KeyDigest {
        KeyDigest {
            token: self.digest(token.expose()),
            secret: self.secret,
        }
    }

    /// Returns the digest of the text that a client presented. Returns `None` if the text does not have the form of a
    /// token.
    pub fn of_shown(&self, text: &str) -> Option<TokenDigest> {
        Token::is_one(text).then(|| self.digest(text))
    }

    fn digest(&self, text: &str) -> TokenDigest {
        let mac = self.mac.clone().chain_update(text.as_bytes());
        TokenDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(byte: u8) -> Hasher {
        Hasher::new(&KeySecret::new(&[byte; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_digest_is_hmac_sha256_under_the_secret() {
        let token = Token::of(&[1; 32]);
        let digest = hasher(7).of(&token).token;
        // Computed in Python: hmac.new(b"\x07" * 32, b"payout_" + b"01" * 32, "sha256").hexdigest()
        let expected = "cfcc3e330f2ab12d09b6940467cf36ff89e87ced5741992a52b437f14fdd2dd8";
        let shown: String = digest
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(shown, expected);
        assert_eq!(hasher(7).of_shown(token.expose()), Some(digest));
        assert_ne!(hasher(8).of_shown(token.expose()), Some(digest));
        assert_ne!(hasher(7).secret(), hasher(8).secret());
    }

    #[test]
    fn what_is_no_token_has_no_digest() {
        assert_eq!(hasher(7).of_shown("payout_0"), None);
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = KeySecret::new(b"unmistakable unmistakable unmistakable").unwrap();
        assert_eq!(format!("{secret:?}"), "KeySecret(***)");
        assert!(!format!("{:?}", Hasher::new(&secret)).contains("unmistakable"));
    }

    #[test]
    fn a_secret_is_not_short() {
        assert!(KeySecret::new(&[0; 31]).is_err());
    }
}
