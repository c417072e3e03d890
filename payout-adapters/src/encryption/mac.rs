//! MAC of a payout: binds the payment to its row, over every field that decides what is sent to the provider.
//!
//! | bytes | content |
//! |---|---|
//! | as in `sealed` | the version of the form, the length of the key's id, the id |
//! | 32 | HMAC-SHA256 of the fields below, under a key of its own (HKDF) |
//!
//! Each field is preceded by its length, so that no two rows produce the same input. A field that earlier versions did
//! not have follows the others, after its name, and only where it is present: MACs of rows without it stay valid. The texts are taken as stored,
//! before they are parsed: a MAC from an older version stays valid when a later version parses the row more strictly.

use hmac::Mac;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::key::Key;
use super::keyring::EncryptionKeys;
use super::sealed::{OpenError, split_header};

const MAC_BYTES: usize = 32;

/// The fields of a row that decide what is sent to the provider, and under which idempotency key.
#[derive(Clone, Copy)]
pub(crate) struct Paid<'a> {
    pub(crate) id: Uuid,
    pub(crate) generation: i64,
    pub(crate) amount: Decimal,
    pub(crate) currency: &'a str,
    /// The recipient's account and name, in the form in which they are sealed.
    pub(crate) recipient: &'a str,
    pub(crate) description: &'a str,
    /// The text for the recipient's statement.
    pub(crate) statement_text: Option<&'a str>,
    pub(crate) provider_key: Option<Uuid>,
    /// The row's version when a client or an operator last wrote it.
    pub(crate) changed_version: i64,
}

impl Key {
    /// Computes the MAC of a payout, with this key's header.
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
        let statement_text = paid.statement_text.map(|text| ["statement_text", text]);
        let further = statement_text.iter().flatten().map(|text| text.as_bytes());
        for part in parts.into_iter().chain(further) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl EncryptionKeys {
    /// Computes the MAC of a payout with the current key; `None` without keys.
    pub(crate) fn protect(&self, paid: &Paid<'_>) -> Option<Vec<u8>> {
        self.current().map(|key| key.protect(paid))
    }

    /// Verifies that a row is as it was last written. A row without a MAC passes, unless the keyring is strict and not
    /// empty.
    ///
    /// # Errors
    /// [`OpenError`] when the row was altered, its key is not configured, or its MAC is missing or malformed.
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
        // Compares in constant time, so that the time says nothing about where the codes differ.
        key.mac_of(paid)
            .verify_slice(code)
            .map_err(|_| OpenError::Altered)
    }
}
