//! The keys that are configured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;

use super::key::Key;
use super::sealed::{OpenError, Parts, Place};

/// As `openssl rand -base64 32` writes it, or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const LONGEST_ID: usize = 32;

/// The text names no keys. Shows nothing of it but an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// One of them is not `id:base64`.
    #[error("key number {0} is not id:base64, with an id of 1 to 32 letters, digits, - and _")]
    Form(usize),
    /// One of them is not 32 bytes long.
    #[error("the key {0:?} is not 32 bytes in base64: make one with `openssl rand -base64 32`")]
    Length(String),
    /// Two of them have one id.
    #[error("the id {0:?} is given twice")]
    Twice(String),
}

/// The keys that stored texts are sealed with: the first seals, every one opens. Without any, texts are stored as they
/// are. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Arc<[Key]>,
    /// Whether a row without a MAC is refused. Once it is, it stays so, whatever the database says later.
    strict: Arc<AtomicBool>,
}

impl Keyring {
    /// Reads `id:base64,…`, the current key first, each of 32 bytes. White space around the parts is ignored.
    ///
    /// # Errors
    /// [`InvalidKeys`].
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

    /// Whether there are none: nothing is sealed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(Key::id)
    }

    /// The key that seals.
    pub(crate) fn current(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// Whether a row without a MAC is refused.
    pub fn is_strict(&self) -> bool {
        self.strict.load(Ordering::Relaxed)
    }

    /// From now on a row without a MAC is refused, by all clones.
    pub(crate) fn become_strict(&self) {
        self.strict.store(true, Ordering::Relaxed);
    }

    /// Every key.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Decrypts what one of the keys sealed for the place.
    pub(crate) fn open(&self, sealed: &[u8], place: &Place<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let parts = Parts::of(sealed)?;
        let key = self.keys.iter().find(|key| key.id() == parts.key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey {
            key_id: parts.key_id.to_owned(),
        })?;
        key.open(&parts, place)
    }
}

/// The ids alone.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter()).finish()
    }
}
