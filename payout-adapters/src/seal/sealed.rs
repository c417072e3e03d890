//! The form of what is sealed, and the places that it belongs to.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this form: 1 |
//! | 1 | the length of the key's id |
//! | 1–32 | the key's id |
//! | 24 | the nonce |
//! | any | the ciphertext, as long as the text |
//! | 16 | the tag |
//!
//! Associated data are the first three and the place.

use uuid::Uuid;

pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;
const VERSION: u8 = 1;

/// Why something that was sealed cannot be read. Shows nothing of it but the id of its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It was sealed with a key that is not configured.
    #[error("sealed with the key {key_id:?}, which is not among the configured ones")]
    UnknownKey {
        /// The key's id.
        key_id: String,
    },
    /// It was altered, belongs to another row or column, or the key of this id is another one now.
    #[error("altered, moved from another place, or sealed with another key of the same id")]
    Altered,
    /// It has no code that binds it to its row, although every row has one.
    #[error("without its MAC, which every row of this database has")]
    Unprotected,
    /// It is cut short, or was never sealed.
    #[error("cut short, or of an unknown form")]
    Malformed,
}

/// Which text of which row something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// The account and the name of a payout.
    Recipient(Uuid),
    /// The answer about a payout that was given to an idempotency key.
    Answer(Uuid, &'a str),
    /// The text that shows which key an id stands for.
    Proof,
    /// The text that shows that every row of the database has a MAC.
    Protected,
}

impl Place<'_> {
    /// The associated data: no two places, nor two keys, have the same.
    pub(super) fn associated(&self, header: &[u8]) -> Vec<u8> {
        let (column, payout, record) = match self {
            Self::Recipient(payout) => (b'r', *payout, ""),
            Self::Answer(payout, key) => (b'a', *payout, *key),
            Self::Proof => (b'p', Uuid::nil(), ""),
            Self::Protected => (b'm', Uuid::nil(), ""),
        };
        [header, &[column], payout.as_bytes(), record.as_bytes()].concat()
    }
}

/// What everything begins with that a key sealed.
pub(super) fn header(key_id: &str) -> Vec<u8> {
    let length = u8::try_from(key_id.len()).unwrap_or(u8::MAX);
    [&[VERSION, length], key_id.as_bytes()].concat()
}

/// A key's id, and what follows the header.
pub(super) fn split_header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let ([VERSION, length], rest) = bytes.split_first_chunk::<2>()? else {
        return None;
    };
    let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(key_id).ok()?, rest))
}

/// What was sealed, taken apart.
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
