//! What is paid, bound to its row: a code that only a key makes, over all that decides what is sent.
//!
//! | bytes | what |
//! |---|---|
//! | as in `sealed` | the version of the form, the length of the key's id, the id |
//! | 32 | HMAC-SHA256, with a key of its own (HKDF), of the parts below |
//!
//! Each part has its length before it, so that no two rows read the same. The texts are those that are stored, before they
//! are parsed: what an old program has stored still fits when a later one reads it more strictly.

use hmac::Mac;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::key::Key;
use super::keyring::Keyring;
use super::sealed::{OpenError, split_header};

const MAC_BYTES: usize = 32;

/// All of a row that decides what is sent, and under which key.
#[derive(Clone, Copy)]
pub(crate) struct Paid<'a> {
    pub(crate) id: Uuid,
    pub(crate) generation: i64,
    pub(crate) amount: Decimal,
    pub(crate) currency: &'a str,
    /// The account and the name, as they are sealed.
    pub(crate) recipient: &'a str,
    pub(crate) description: &'a str,
    pub(crate) provider_key: Option<Uuid>,
    /// The version that the row had when a person last wrote it.
    pub(crate) changed_version: i64,
}

impl Key {
    /// What protects this.
    pub(crate) fn protect(&self, paid: &Paid<'_>) -> Vec<u8> {
        let mac = self.mac_of(paid).finalize().into_bytes();
        [self.header(), &mac].concat()
    }

    fn mac_of(&self, paid: &Paid<'_>) -> impl Mac + use<> {
        let mut mac = self.macs().clone();
        let amount = paid.amount.normalize().to_string();
        let provider_key = paid.provider_key.map(Uuid::into_bytes);
        let parts: [&[u8]; 9] = [
            self.header(),
            paid.id.as_bytes(),
            &paid.generation.to_be_bytes(),
            amount.as_bytes(),
            paid.currency.as_bytes(),
            paid.recipient.as_bytes(),
            paid.description.as_bytes(),
            provider_key.as_ref().map_or(&[], |key| key.as_slice()),
            &paid.changed_version.to_be_bytes(),
        ];
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl Keyring {
    /// What protects this with the current key, if there is one.
    pub(crate) fn protect(&self, paid: &Paid<'_>) -> Option<Vec<u8>> {
        self.current().map(|key| key.protect(paid))
    }

    /// Whether the row is as it was last written. One without a code is, as long as not every row must have one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub(crate) fn verify(&self, mac: Option<&[u8]>, paid: &Paid<'_>) -> Result<(), OpenError> {
        let Some(mac) = mac else {
            let protected = self.is_strict() && !self.is_empty();
            return if protected {
                Err(OpenError::Unprotected)
            } else {
                Ok(())
            };
        };
        let (key_id, code) = split_header(mac).ok_or(OpenError::Malformed)?;
        let key = self.keys().iter().find(|key| key.id() == key_id);
        let key = key.ok_or_else(|| OpenError::UnknownKey {
            key_id: key_id.to_owned(),
        })?;
        let code: &[u8; MAC_BYTES] = code.try_into().map_err(|_| OpenError::Malformed)?;
        // In a time that says nothing of where they differ.
        key.mac_of(paid)
            .verify_slice(code)
            .map_err(|_| OpenError::Altered)
    }
}
