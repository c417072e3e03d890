//! The configured keys.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;

use super::key::Key;
use super::sealed::{OpenError, Parts, Place};

/// Base64 as `openssl rand -base64 32` writes it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const LONGEST_ID: usize = 32;

/// The reason why a text is not a valid list of keys. It shows nothing of the text but a key's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// A key does not have the form `id:base64`; the number is its position, from 1.
    #[error("key number {0} is not id:base64, with an id of 1 to 32 letters, digits, - and _")]
    Form(usize),
    /// A key is not 32 bytes long; the text is its id.
    #[error("the key {0:?} is not 32 bytes in base64: make one with `openssl rand -base64 32`")]
    Length(String),
    /// Two keys have the same id.
    #[error("the id {0:?} is given twice")]
    Twice(String),
}

/// The keys with which stored texts are sealed. The first key seals, every key opens. Without keys, texts are stored as
/// plain text. Cheap to clone.
#[derive(Clone, Default)]
pub struct EncryptionKeys {
    keys: Arc<[Key]>,
    /// Set once rows without a MAC are refused; it stays set, whatever the database says later.
    strict: Arc<AtomicBool>,
}

impl EncryptionKeys {
    /// Parses `id:base64,…`: keys of 32 bytes, the current one first. White space around the parts is ignored.
    ///
    /// # Errors
    /// [`InvalidKeys`] when a key has another form or length, or when two keys have the same id.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let mut keys: Vec<Key> = Vec::new();
        for (place, part) in text.split(',').enumerate() {
            let form = || InvalidKeys::Form(place + 1);
            let (id, secret) = part.split_once(':').ok_or_else(form)?;
            let (id, secret) = (id.trim(), secret.trim());
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if !(1..=LONGEST_ID).contains(&id.len()) || !id.bytes().all(is_plain) {
                return Err(form());
            }
            if keys.iter().any(|key| key.id() == id) {
                return Err(InvalidKeys::Twice(id.to_owned()));
            }
            let length = || InvalidKeys::Length(id.to_owned());
            let mut bytes = Zeroizing::new([0_u8; 48]);
            let read = BASE64.decode_slice(secret, &mut *bytes).map_err(|_| length())?;
            let secret: Zeroizing<[u8; 32]> = Zeroizing::new(bytes[..read].try_into().map_err(|_| length())?);
            keys.push(Key::new(id, &secret));
        }
        Ok(Self {
            keys: keys.into(),
            strict: Arc::default(),
        })
    }

    /// Returns whether there are no keys, so that nothing is sealed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the ids of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(Key::id)
    }

    /// Returns the current key, which seals new texts.
    pub(crate) fn current(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// Returns whether rows without a MAC are refused.
    pub fn is_strict(&self) -> bool {
        self.strict.load(Ordering::Relaxed)
    }

    /// Makes this keyring and all its clones refuse rows without a MAC from now on.
    pub(crate) fn become_strict(&self) {
        self.strict.store(true, Ordering::Relaxed);
    }

    /// Returns every key, the current one first.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Decrypts a text that one of the keys sealed for the place.
    pub(crate) fn open(&self, sealed: &[u8], place: &Place<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = Parts::of(sealed)?;
        let key = self.keys.iter().find(|key| key.id() == parts.key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey {
            key_id: parts.key_id.to_owned(),
        })?;
        key.open(&parts, place)
    }
}

/// Prints the ids only.
impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter()).finish()
    }
}
