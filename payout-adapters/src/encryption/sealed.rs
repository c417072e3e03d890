//! Binary form of sealed texts, and the places to which they belong.
//!
//! | bytes | content |
//! |---|---|
//! | 1 | the version of this form: 1 |
//! | 1 | the length of the key's id |
//! | 1–32 | the key's id |
//! | 24 | the nonce |
//! | any | the ciphertext, as long as the text |
//! | 16 | the tag |
//!
//! The associated data consist of the first three fields and the place.

use uuid::Uuid;

pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;
const VERSION: u8 = 1;

/// The reason why sealed bytes cannot be read. It shows nothing of them but the id of their key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text was sealed with a key that is not configured.
    #[error("sealed with the key {key_id:?}, which is not among the configured ones")]
    UnknownKey {
        /// The key's id.
        key_id: String,
    },
    /// The text was altered, belongs to another row or column, or was sealed with another key of the same id.
    #[error("altered, moved from another place, or sealed with another key of the same id")]
    Altered,
    /// The row has no MAC, although every row of this database has one.
    #[error("without its MAC, which every row of this database has")]
    Unprotected,
    /// The bytes are cut short, or were never sealed.
    #[error("cut short, or of an unknown form")]
    Malformed,
}

/// The place for which a text is sealed: its kind and its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// The recipient's account and name, for a payout.
    Recipient(Uuid),
    /// The account, the name and the other parts of a stored recipient.
    StoredRecipient(Uuid),
    /// The stored answer about a payout, for an idempotency key.
    Answer(Uuid, &'a str),
    /// The secrets of a webhook's endpoint.
    Webhook(Uuid),
    /// The text that proves which key an id stands for.
    Proof,
    /// The text that proves that every row of the database has a MAC.
    Protected,
}

impl Place<'_> {
    /// Builds the associated data, which differ for any two places and any two keys.
    pub(super) fn associated(&self, header: &[u8]) -> Vec<u8> {
        let (column, payout, record) = match self {
            Self::Recipient(payout) => (b'r', *payout, ""),
            Self::StoredRecipient(recipient) => (b's', *recipient, ""),
            Self::Answer(payout, key) => (b'a', *payout, *key),
            Self::Webhook(endpoint) => (b'w', *endpoint, ""),
            Self::Proof => (b'p', Uuid::nil(), ""),
            Self::Protected => (b'm', Uuid::nil(), ""),
        };
        [header, &[column], payout.as_bytes(), record.as_bytes()].concat()
    }
}

/// Builds the header with which everything sealed by a key begins.
pub(super) fn header(key_id: &str) -> Vec<u8> {
    let length = u8::try_from(key_id.len()).unwrap_or(u8::MAX);
    [&[VERSION, length], key_id.as_bytes()].concat()
}

/// Splits sealed bytes into the key's id and the bytes after the header.
pub(super) fn split_header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let ([VERSION, length], rest) = bytes.split_first_chunk::<2>()? else {
        return None;
    };
    let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(key_id).ok()?, rest))
}

/// The parts of sealed bytes.
pub(super) struct Parts<'a> {
    pub(super) key_id: &'a str,
    pub(super) nonce: &'a [u8; NONCE_BYTES],
    pub(super) ciphertext: &'a [u8],
    pub(super) tag: &'a [u8; TAG_BYTES],
}

impl<'a> Parts<'a> {
    pub(super) fn of(sealed: &'a [u8]) -> Result<Self, OpenError> {
        Self::split(sealed).ok_or(OpenError::Malformed)
    }

    fn split(sealed: &'a [u8]) -> Option<Self> {
        let (key_id, rest) = split_header(sealed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        Some(Self {
            key_id,
            nonce,
            ciphertext,
            tag,
        })
    }
}
