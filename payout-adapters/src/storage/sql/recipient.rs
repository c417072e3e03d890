//! Who is paid, as the columns of both dialects have it: in plain, or sealed.
//!
//! | column | in plain | sealed |
//! |---|---|---|
//! | `payouts.recipient_account` | the account | its digest, or that of an IBAN's normal form |
//! | `payouts.recipient_name` | the name | `***` |
//! | `payouts.recipient_name_folded` | the folded name | its digest |
//! | `payouts.sealed` | null | the account and the name |
//! | `idempotency_keys.fingerprint` | the fingerprint | zeros |
//! | `idempotency_keys.snapshot` | the snapshot | nothing |
//! | `idempotency_keys.sealed` | null | the fingerprint and the snapshot |
//!
//! The digests are where the search looks, so that one index serves both and a sealed payout costs no more of it. A
//! fingerprint is sealed with its snapshot since it is a digest of the account without a key, which can be guessed.

use std::borrow::Cow;

use payout_core::idempotency::{Fingerprint, IdempotentRequest};
use payout_core::payout::{Payout, ProviderKey, Recipient, RecipientAccount, RecipientName, normal_iban};
use payout_core::ports::{RepositoryError, Search};
use uuid::Uuid;

use super::error::refused;
use super::row::broken;
use super::snapshot;
use crate::encryption::{EncryptionKeys, OpenError, Paid, Place};

/// What is between the account and the name when they are sealed; neither has control characters.
const SEPARATOR: char = '\0';
/// What a sealed payout has for a name.
const SEALED_NAME: &str = "***";
/// The kinds of digests.
const ACCOUNT: &str = "account";
const NAME: &str = "name";

/// The four columns of who is paid.
pub(crate) struct StoredRecipient<'a> {
    pub(crate) account: Cow<'a, str>,
    pub(crate) name: &'a str,
    pub(crate) name_folded: String,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl<'a> StoredRecipient<'a> {
    /// As they are written for this payout: sealed with the current key, if there is one.
    pub(crate) fn of(
        payout: Uuid,
        recipient: &'a Recipient,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let (account, name) = (recipient.account.as_str(), recipient.name.as_str());
        let name_folded = Search::fold_name(name);
        let Some(key) = keys.current() else {
            return Ok(Self {
                account: account.into(),
                name,
                name_folded,
                sealed: None,
            });
        };
        let text = joined(account, name);
        let sealed = key
            .seal(text.as_bytes(), &Place::Recipient(payout))
            .map_err(refused)?;
        Ok(Self {
            account: key
                .digest(ACCOUNT, normal_iban(account).as_deref().unwrap_or(account))
                .into(),
            name: SEALED_NAME,
            name_folded: key.digest(NAME, &name_folded),
            sealed: Some(sealed),
        })
    }
}

/// What protects a payout against a change of its row, written at this version; absent without a key.
pub(crate) fn mac(payout: &Payout, changed_version: i64, keys: &EncryptionKeys) -> Option<Vec<u8>> {
    if keys.is_empty() {
        return None;
    }
    let (parts, details) = (payout.parts(), payout.details());
    keys.protect(&Paid {
        id: parts.id.as_uuid(),
        generation: i64::from(parts.generation),
        amount: details.money.amount(),
        currency: details.money.currency().code(),
        recipient: &joined(
            details.recipient.account.as_str(),
            details.recipient.name.as_str(),
        ),
        description: details.description.as_str(),
        provider_key: parts.provider_key.map(ProviderKey::as_uuid),
        changed_version,
    })
}

/// The account and the name as one text.
fn joined(account: &str, name: &str) -> String {
    format!("{account}{SEPARATOR}{name}")
}

/// Reads the columns back, as one text.
pub(crate) fn recipient(
    payout: Uuid,
    account: &str,
    name: &str,
    sealed: Option<&[u8]>,
    keys: &EncryptionKeys,
) -> Result<String, OpenError> {
    let Some(sealed) = sealed else {
        return Ok(joined(account, name));
    };
    let text = keys.open(sealed, &Place::Recipient(payout))?;
    let text = std::str::from_utf8(&text).map_err(|_| OpenError::Malformed)?;
    Ok(text.to_owned())
}

/// The recipient of such a text.
pub(crate) fn parsed(text: &str) -> Result<Recipient, RepositoryError> {
    let (account, name) = text
        .split_once(SEPARATOR)
        .ok_or_else(|| broken("sealed")("one text where there should be two"))?;
    Ok(Recipient {
        account: RecipientAccount::restore(account).map_err(broken("recipient_account"))?,
        name: RecipientName::restore(name).map_err(broken("recipient_name"))?,
    })
}

/// What a search looks for where payouts are sealed, or where it is for an IBAN, which has several spellings: one of
/// these accounts, or one of these names. A name is found by all of it, folded as names are and as they were before,
/// and both under every key, and in plain as long as there are payouts that were stored before the first key.
pub(crate) struct Wanted {
    pub(crate) accounts: Vec<String>,
    pub(crate) names: Vec<String>,
}

impl Wanted {
    pub(crate) fn of(search: &Search, keys: &EncryptionKeys) -> Self {
        let (plain, folded) = (search.accounts(), search.folded_names());
        let keys = keys.keys();
        // The digest is of an IBAN's normal form; before, it was of the account as it was given.
        let digests = keys
            .iter()
            .flat_map(|key| plain.iter().map(|account| key.digest(ACCOUNT, account)));
        let mut accounts: Vec<String> = digests.collect();
        let mut names: Vec<String> = keys
            .iter()
            .flat_map(|key| folded.iter().map(|name| key.digest(NAME, name)))
            .collect();
        accounts.extend(plain);
        names.extend(folded);
        Self { accounts, names }
    }
}

/// The three columns of an answer.
pub(crate) struct WrittenAnswer {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) snapshot: String,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl WrittenAnswer {
    /// As they are written: sealed with the current key, if there is one.
    pub(crate) fn of(
        payout: &Payout,
        request: &IdempotentRequest,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let snapshot = snapshot::write(payout)?;
        let fingerprint = *request.fingerprint.as_bytes();
        Self::sealed(
            payout.id().as_uuid(),
            request.key.as_str(),
            fingerprint,
            snapshot,
            keys,
        )
    }

    /// The same of an answer that was written before.
    pub(crate) fn sealed(
        payout: Uuid,
        idempotency_key: &str,
        fingerprint: [u8; 32],
        snapshot: String,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let Some(key) = keys.current() else {
            return Ok(Self {
                fingerprint,
                snapshot,
                sealed: None,
            });
        };
        let text = [&fingerprint, snapshot.as_bytes()].concat();
        let place = Place::Answer(payout, idempotency_key);
        Ok(Self {
            fingerprint: [0; 32],
            snapshot: String::new(),
            sealed: Some(key.seal(&text, &place).map_err(refused)?),
        })
    }
}

/// Reads the columns of an answer back: its fingerprint, and the text of its snapshot.
pub(crate) fn answer(
    payout: Uuid,
    idempotency_key: &str,
    fingerprint: &[u8],
    snapshot: String,
    sealed: Option<&[u8]>,
    keys: &EncryptionKeys,
) -> Result<(Fingerprint, String), RepositoryError> {
    let Some(sealed) = sealed else {
        return Ok((Fingerprint::from(digest(fingerprint)?), snapshot));
    };
    let place = Place::Answer(payout, idempotency_key);
    let text = keys.open(sealed, &place).map_err(broken("sealed"))?;
    let (fingerprint, snapshot) = text
        .split_at_checked(32)
        .ok_or_else(|| broken("sealed")("no fingerprint"))?;
    let snapshot = std::str::from_utf8(snapshot).map_err(broken("sealed"))?;
    Ok((Fingerprint::from(digest(fingerprint)?), snapshot.to_owned()))
}

fn digest(bytes: &[u8]) -> Result<[u8; 32], RepositoryError> {
    bytes
        .try_into()
        .map_err(|_| broken("fingerprint")(format!("{} bytes where a digest has 32", bytes.len())))
}
