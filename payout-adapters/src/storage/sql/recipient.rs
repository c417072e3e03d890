//! The columns of a recipient in both dialects: in plain, or encrypted.
//!
//! | column | in plain | encrypted |
//! |---|---|---|
//! | `payouts.recipient_account` | the account | its digest, or that of an IBAN's normal form |
//! | `payouts.recipient_name` | the name | `***` |
//! | `payouts.recipient_name_folded` | the folded name | its digest |
//! | `payouts.recipient_details` | the other parts, as JSON; null for a plain account | null |
//! | `payouts.sealed` | null | the account, the name and the other parts |
//! | `idempotency_keys.fingerprint` | the fingerprint | zeros |
//! | `idempotency_keys.snapshot` | the snapshot | nothing |
//! | `idempotency_keys.sealed` | null | the fingerprint and the snapshot |
//!
//! A search looks for the digests, so one index serves both forms, and an encrypted payout takes no more space in it. A
//! fingerprint is encrypted with its snapshot because it is a digest of the account without a key: it would let a
//! reader guess the account.

use std::borrow::Cow;

use payout_core::idempotency::{Fingerprint, IdempotentRequest};
use payout_core::payout::{
    Payout, ProviderKey, Recipient, RecipientAccount, RecipientFields, RecipientName, StatementText,
    normal_iban,
};
use payout_core::ports::{RepositoryError, Search};
use uuid::Uuid;

use super::error::refused;
use super::row::broken;
use super::snapshot;
use crate::encryption::{EncryptionKeys, OpenError, Paid, Place};

/// The separator between the account, the name and the other parts in an encrypted text; none has control characters.
const SEPARATOR: char = '\0';
/// The name column of an encrypted payout.
const SEALED_NAME: &str = "***";
/// The kinds of digests.
const ACCOUNT: &str = "account";
const NAME: &str = "name";

/// The columns of a recipient.
pub(crate) struct StoredRecipient<'a> {
    pub(crate) account: Cow<'a, str>,
    pub(crate) name: &'a str,
    pub(crate) name_folded: String,
    pub(crate) sealed: Option<Vec<u8>>,
    /// The parts besides the account and the name, in plain.
    pub(crate) details: Option<Cow<'a, str>>,
}

impl<'a> StoredRecipient<'a> {
    /// Builds the columns for this payout: encrypted with the current key, if there is one.
    pub(crate) fn of(
        payout: Uuid,
        recipient: &'a Recipient,
        keys: &EncryptionKeys,
    ) -> Result<Self, RepositoryError> {
        let (account, name) = (recipient.account().as_str(), recipient.name().as_str());
        let name_folded = Search::fold_name(name);
        let details = details_column(recipient)?;
        let Some(key) = keys.current() else {
            return Ok(Self {
                account: account.into(),
                name,
                name_folded,
                sealed: None,
                details: details.map(Cow::Owned),
            });
        };
        let text = joined(account, name, details.as_deref());
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
            details: None,
        })
    }
}

/// Computes the MAC that protects a payout against a change of its row, written at this version; absent without a key.
pub(crate) fn mac(
    payout: &Payout,
    changed_version: i64,
    keys: &EncryptionKeys,
) -> Result<Option<Vec<u8>>, RepositoryError> {
    if keys.is_empty() {
        return Ok(None);
    }
    let (parts, details) = (payout.parts(), payout.details());
    Ok(keys.protect(&Paid {
        id: parts.id.as_uuid(),
        generation: i64::from(parts.generation),
        amount: details.money.amount(),
        currency: details.money.currency().code(),
        recipient: &text_of(&details.recipient)?,
        description: details.description.as_str(),
        statement_text: details.statement_text.as_ref().map(StatementText::as_str),
        provider_key: parts.provider_key.map(ProviderKey::as_uuid),
        changed_version,
    }))
}

/// Writes the parts besides the account and the name as a JSON object of texts, in the order of their names.
pub(crate) fn details_column(recipient: &Recipient) -> Result<Option<String>, RepositoryError> {
    let details = recipient.details();
    details
        .map(|details| serde_json::to_string(&details.0).map_err(refused))
        .transpose()
}

/// Returns the recipient as one text, as it is encrypted and as a MAC covers it.
pub(crate) fn text_of(recipient: &Recipient) -> Result<String, RepositoryError> {
    Ok(joined(
        recipient.account().as_str(),
        recipient.name().as_str(),
        details_column(recipient)?.as_deref(),
    ))
}

/// Joins the account, the name and the details of a typed recipient into one text.
fn joined(account: &str, name: &str, details: Option<&str>) -> String {
    match details {
        None => format!("{account}{SEPARATOR}{name}"),
        Some(details) => format!("{account}{SEPARATOR}{name}{SEPARATOR}{details}"),
    }
}

/// Reads the columns of a recipient as one text, and decrypts it if necessary.
pub(crate) fn recipient(
    payout: Uuid,
    account: &str,
    name: &str,
    details: Option<&str>,
    sealed: Option<&[u8]>,
    keys: &EncryptionKeys,
) -> Result<String, OpenError> {
    let Some(sealed) = sealed else {
        return Ok(joined(account, name, details));
    };
    let text = keys.open(sealed, &Place::Recipient(payout))?;
    let text = std::str::from_utf8(&text).map_err(|_| OpenError::Malformed)?;
    Ok(text.to_owned())
}

/// Parses the recipient from a joined text.
pub(crate) fn parsed(text: &str) -> Result<Recipient, RepositoryError> {
    let (account, rest) = text
        .split_once(SEPARATOR)
        .ok_or_else(|| broken("sealed")("one text where there should be two"))?;
    let (name, details) = match rest.split_once(SEPARATOR) {
        None => (rest, None),
        Some((name, details)) => (name, Some(details)),
    };
    restored(account, name, details)
}

/// Restores a recipient from its texts.
pub(crate) fn restored(
    account: &str,
    name: &str,
    details: Option<&str>,
) -> Result<Recipient, RepositoryError> {
    let account = RecipientAccount::restore(account).map_err(broken("recipient_account"))?;
    let name = RecipientName::restore(name).map_err(broken("recipient_name"))?;
    let Some(details) = details else {
        return Ok(Recipient::new(account, name));
    };
    // The parser's errors quote positions, not values.
    let details = serde_json::from_str(details).map_err(|error| {
        broken("recipient_details")(format!("line {}, column {}", error.line(), error.column()))
    })?;
    Recipient::restore(account, name, &RecipientFields(details)).map_err(|errors| {
        let fields: Vec<String> = errors.into_iter().map(|error| error.field).collect();
        broken("recipient_details")(fields.join(", "))
    })
}

/// The search terms where payouts are encrypted, or where the search is for an IBAN, which has several spellings: one
/// of these accounts, or one of these names.
///
/// A name is found only by the whole name, both in today's folded form and in the earlier one. Each term appears
/// as a digest under every key, and in plain for payouts that were stored before the first key.
pub(crate) struct Wanted {
    pub(crate) accounts: Vec<String>,
    pub(crate) names: Vec<String>,
}

impl Wanted {
    pub(crate) fn of(search: &Search, keys: &EncryptionKeys) -> Self {
        let (plain, folded) = (search.accounts(), search.folded_names());
        let keys = keys.keys();
        // The digest is of an IBAN's normal form; earlier versions took the account as it was given.
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
    /// Builds the columns of a new answer: encrypted with the current key, if there is one.
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

    /// Builds the columns of an answer that is stored already: encrypted with the current key, if there is one.
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

/// Reads the columns of an answer: its fingerprint, and the text of its snapshot.
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
