//! A single key: the keys derived from it, and the operations that use them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;

use super::sealed::{NONCE_BYTES, OpenError, Parts, Place, TAG_BYTES, header};

/// A text could not be sealed: the operating system provided no randomness, or the text is too long for the cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text cannot be sealed: the operating system gave no randomness")]
pub(crate) struct NotSealed;

/// The length of a stored digest in bytes: half of the HMAC, long enough to rule out chance collisions.
const DIGEST_BYTES: usize = 16;

/// Derives the key for one purpose.
fn derive<const BYTES: usize>(secret: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; BYTES]> {
    let mut derived = Zeroizing::new([0_u8; BYTES]);
    // Fails only for outputs longer than 255 digests.
    let _ = Hkdf::<Sha256>::new(None, secret).expand(purpose, &mut *derived);
    derived
}

/// A key and its id. The derived keys are overwritten when it is dropped.
pub(crate) struct Key {
    id: String,
    header: Vec<u8>,
    cipher: XChaCha20Poly1305,
    digests: Hmac<Sha256>,
    macs: Hmac<Sha256>,
}

impl Key {
    /// Derives the keys from a secret of 32 bytes. The id is 1 to 32 letters, digits, `-` and `_`.
    pub(super) fn new(id: &str, secret: &[u8; 32]) -> Self {
        let cipher: Zeroizing<[u8; 32]> = derive(secret, b"payout: seal, version 1");
        let digests: Zeroizing<[u8; 64]> = derive(secret, b"payout: digest, version 1");
        let macs: Zeroizing<[u8; 64]> = derive(secret, b"payout: mac, version 1");
        Self {
            id: id.to_owned(),
            header: header(id),
            cipher: XChaCha20Poly1305::new((&*cipher).into()),
            digests: Hmac::new((&*digests).into()),
            macs: Hmac::new((&*macs).into()),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the bytes with which everything sealed by this key begins, and nothing else.
    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Returns the keyed state with which every MAC of a row begins.
    pub(super) fn macs(&self) -> &Hmac<Sha256> {
        &self.macs
    }

    /// Encrypts a text for its place. Returns header, nonce, ciphertext and tag.
    ///
    /// # Errors
    /// [`NotSealed`] when there is no randomness, or the text is too long.
    pub(crate) fn seal(&self, text: &[u8], place: &Place<'_>) -> Result<Vec<u8>, NotSealed> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| NotSealed)?;
        let start = self.header.len() + NONCE_BYTES;
        let mut sealed = Vec::with_capacity(start + text.len() + TAG_BYTES);
        sealed.extend_from_slice(&self.header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let tag = self
            .cipher
            .encrypt_inout_detached(
                &XNonce::from(nonce),
                &place.associated(&self.header),
                (&mut sealed[start..]).into(),
            )
            // Fails only for texts of more than 256 GiB.
            .map_err(|_| NotSealed)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Decrypts a text that this key sealed for the place.
    pub(super) fn open(&self, parts: &Parts<'_>, place: &Place<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut text = Zeroizing::new(parts.ciphertext.to_vec());
        self.cipher
            .decrypt_inout_detached(
                &XNonce::from(*parts.nonce),
                &place.associated(&self.header),
                text.as_mut_slice().into(),
                &Tag::from(*parts.tag),
            )
            .map_err(|_| OpenError::Altered)?;
        Ok(text)
    }

    /// Computes a keyed digest. Two digests are equal only if the texts and their kinds are equal.
    pub(crate) fn digest(&self, kind: &'static str, text: &str) -> String {
        let mut mac = self.digests.clone();
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..DIGEST_BYTES])
    }
}

/// Prints the id only, never the derived keys.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}: ***)", self.id)
    }
}
