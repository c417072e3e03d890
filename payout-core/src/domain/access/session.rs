//! Sessions of the console: what a person holds between signing in and signing out.

use std::fmt::{self, Write as _};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::access::TokenDigest;
use crate::payout::Actor;

/// The time after which a session ends, whatever is done with it.
pub const SESSION_LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// The secret of a session: 256 bits in 64 hexadecimal digits. It is wiped when dropped, and printed as `***`.
#[derive(Clone)]
pub struct SessionToken(SecretString);

impl SessionToken {
    /// Builds a token from random bits.
    pub fn of(random: &[u8; 32]) -> Self {
        Self(hex(random).into())
    }

    /// Reads a token that a browser presented; `None` if the text does not have the form of one.
    pub fn of_shown(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned().into()))
    }

    /// Returns the text, for the browser.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the stored form. The token has 256 random bits, so a digest without a key reveals nothing of it.
    pub fn digest(&self) -> SessionDigest {
        SessionDigest(Sha256::digest(self.expose()).into())
    }

    /// Returns the token that every change of this session carries. It reveals nothing of the session's own.
    pub fn change_token(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"a change in the console")
            .chain_update(self.expose())
            .finalize();
        hex(&digest)
    }
}

/// Returns bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    // Allocated at its full size: a text that grew would leave copies of a secret in memory.
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(***)")
    }
}

/// The digest of a session's token, as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionDigest([u8; 32]);

impl SessionDigest {
    /// Returns the digest, to be stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDigest(…)")
    }
}

/// A session to be stored.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The digest of its token.
    pub digest: SessionDigest,
    /// The digest of the API key's token that opened it. The session ends once that token is no longer accepted.
    pub key: TokenDigest,
    /// The name of the API key, for the record of sign-ins.
    pub by: Actor,
    /// The time after which it ends.
    pub lasts: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_not_printed() {
        let token = SessionToken::of(&[0xa5; 32]);
        let read = SessionToken::of_shown(token.expose()).unwrap();
        assert_eq!(read.digest(), token.digest());
        assert_eq!(
            format!("{token:?} {:?}", token.digest()),
            "SessionToken(***) SessionDigest(…)"
        );
        for wrong in ["", "a5", &"A5".repeat(32), &"a5".repeat(33), &"g5".repeat(32)] {
            assert!(SessionToken::of_shown(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_token_of_changes_belongs_to_one_session_and_is_not_its_own() {
        let (one, other) = (SessionToken::of(&[1; 32]), SessionToken::of(&[2; 32]));
        assert_ne!(one.change_token(), other.change_token());
        assert_ne!(one.change_token(), one.expose());
        assert_eq!(one.change_token().len(), 64);
    }
}
