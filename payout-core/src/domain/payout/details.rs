//! The details of a payment: one value for the request, the edit, the row and the instruction to the provider.

use chrono::{SecondsFormat, SubsecRound};
use sha2::{Digest, Sha256};

use crate::Timestamp;
use crate::idempotency::Fingerprint;
use crate::money::Money;
use crate::payout::{Description, ExternalId, Metadata, Recipient, StatementText, normal_iban};
use crate::stored_recipient::RecipientId;

/// The details of a payment: a client asks for them and edits them, and the provider receives those that
/// [`as_sent`](Self::as_sent) has. None but the metadata changes once something may have been sent.
///
/// ```
/// use payout_core::money::Money;
/// use payout_core::payout::{Description, PaymentDetails, Recipient, RecipientAccount, RecipientName};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let details = PaymentDetails {
///     description: Description::new("Invoice 7")?,
///     ..PaymentDetails::new(
///         Money::new("10.50".parse()?, "USD".parse()?)?,
///         Recipient::new(
///             RecipientAccount::new("DE89370400440532013000")?,
///             RecipientName::new("Ada Lovelace")?,
///         ),
///     )
/// };
/// # let _ = details;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaymentDetails {
    /// The amount and its currency.
    pub money: Money,
    /// The receiver of the money.
    pub recipient: Recipient,
    /// The stored recipient that the receiver was copied from.
    pub recipient_id: Option<RecipientId>,
    /// The purpose of the payment; may be empty.
    pub description: Description,
    /// The client's own reference, which no other payout has.
    pub external_id: Option<ExternalId>,
    /// Texts that the client keeps with the payout. They may change at any time.
    pub metadata: Metadata,
    /// The text for the recipient's statement.
    pub statement_text: Option<StatementText>,
    /// The time at which the payout becomes due; at once when absent or past. Stored to the microsecond.
    pub scheduled_at: Option<Timestamp>,
}

/// A payment as far as likely duplicates are compared: two payments are likely the same if these are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LikelyPayment {
    account: String,
    money: Money,
}

impl LikelyPayment {
    /// Returns the account, which is the same text for every spelling of an IBAN.
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl PaymentDetails {
    /// Returns the payment as far as likely duplicates are compared: the account and the amount.
    pub fn likely_payment(&self) -> LikelyPayment {
        let account = self.recipient.account().as_str();
        LikelyPayment {
            account: normal_iban(account).unwrap_or_else(|| account.to_owned()),
            money: self.money,
        }
    }

    /// Returns whether the two are likely the same payment: the same amount to the same account, in any spelling of an
    /// IBAN.
    pub fn is_likely_duplicate_of(&self, other: &Self) -> bool {
        // Amounts are the cheaper to compare.
        self.money == other.money && self.likely_payment() == other.likely_payment()
    }

    /// Builds the details of a payment of this money to this recipient, due at once, and nothing else.
    pub fn new(money: Money, recipient: Recipient) -> Self {
        Self {
            money,
            recipient,
            recipient_id: None,
            description: Description::default(),
            external_id: None,
            metadata: Metadata::default(),
            statement_text: None,
            scheduled_at: None,
        }
    }

    /// Returns the details with every text in Normalization Form C, as new requests have them.
    #[must_use]
    pub(crate) fn normalized(&self) -> Self {
        Self {
            money: self.money,
            recipient: self.recipient.normalized(),
            recipient_id: self.recipient_id,
            description: self.description.normalized(),
            // These are newer than the normalization of texts.
            external_id: self.external_id.clone(),
            metadata: self.metadata.clone(),
            statement_text: self.statement_text.clone(),
            scheduled_at: self.scheduled_at,
        }
    }

    /// Returns the details that the provider receives, without those that are only stored: they may differ between two
    /// attempts under one key.
    #[must_use]
    pub fn as_sent(&self) -> Self {
        Self {
            description: self.description.clone(),
            statement_text: self.statement_text.clone(),
            ..Self::new(self.money, self.recipient.clone())
        }
    }

    /// Returns the details with the schedule in the precision of the stores.
    #[must_use]
    pub(crate) fn in_whole_micros(mut self) -> Self {
        self.scheduled_at = self.scheduled_at.map(|at| at.trunc_subsecs(6));
        self
    }

    /// Returns the fingerprint of a request for this payment. A new field is added to the second list, by name and only
    /// where it is present: see [`Fingerprint`].
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let amount = self.money.amount().to_string();
        // A request that names a stored recipient is the same request after that was edited.
        let copied = self.recipient_id.is_some();
        let of_request = |text: &'_ str| if copied { String::new() } else { text.to_owned() };
        let (account, name) = (
            of_request(self.recipient.account().as_str()),
            of_request(self.recipient.name().as_str()),
        );
        let fields = [
            amount.as_str(),
            self.money.currency().code(),
            &account,
            &name,
            self.description.as_str(),
        ];
        let details = self.recipient.details().filter(|_| !copied).unwrap_or_default();
        let recipient_id = self.recipient_id.map(|id| id.to_string());
        let recipient = details.0.into_iter();
        let recipient = recipient.map(|(name, text)| (format!("recipient.{name}"), text));
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(name, value)| (format!("metadata.{name}"), value.to_owned()));
        let named: Vec<(String, String)> = recipient.chain(metadata).collect();
        let scheduled_at = self
            .scheduled_at
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
        let mut further: Vec<(&str, Option<&str>)> = named
            .iter()
            .map(|(name, text)| (name.as_str(), Some(text.as_str())))
            .collect();
        further.extend([
            ("external_id", self.external_id.as_ref().map(ExternalId::as_str)),
            (
                "statement_text",
                self.statement_text.as_ref().map(StatementText::as_str),
            ),
            ("scheduled_at", scheduled_at.as_deref()),
            ("recipient_id", recipient_id.as_deref()),
        ]);
        Fingerprint::version_1("create", &fields, &further)
    }

    /// Returns the digest of the payment, which a provider may include in its answer: SHA-256, in hexadecimal.
    ///
    /// It covers the texts of `amount`, `currency`, `recipient_account`, `recipient_name`, `description` and, only if the
    /// payout has one, `statement_text`, as they are sent, in this order. Each is a netstring: its length in bytes as a decimal number, `:`, its UTF-8 bytes, `,`.
    /// The payout's id is not covered, because a create that is repeated after a restore from a backup has another id.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let amount = self.money.amount().to_string();
        let texts = [
            amount.as_str(),
            self.money.currency().code(),
            self.recipient.account().as_str(),
            self.recipient.name().as_str(),
            self.description.as_str(),
        ];
        let statement_text = self.statement_text.as_ref().map(StatementText::as_str);
        for text in texts.into_iter().chain(statement_text) {
            hasher.update(format!("{}:{text},", text.len()));
        }
        let digest: [u8; 32] = hasher.finalize().into();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payout::{RecipientAccount, RecipientName};

    fn digest(amount: &str, description: &str) -> String {
        details(amount, description).digest()
    }

    fn details(amount: &str, description: &str) -> PaymentDetails {
        let money = Money::new(amount.parse().unwrap(), "USD".parse().unwrap()).unwrap();
        let account = RecipientAccount::new("DE89370400440532013000").unwrap();
        let recipient = Recipient::new(account, RecipientName::new("Zoë").unwrap());
        PaymentDetails {
            description: Description::new(description).unwrap(),
            ..PaymentDetails::new(money, recipient)
        }
    }

    /// Details with every field that is not sent.
    fn kept() -> PaymentDetails {
        PaymentDetails {
            external_id: Some(ExternalId::new("salary-7").unwrap()),
            metadata: Metadata::new([("team", "blue")]).unwrap(),
            scheduled_at: Some(Timestamp::UNIX_EPOCH),
            ..details("10.50", "")
        }
    }

    fn with_text(text: &str) -> PaymentDetails {
        PaymentDetails {
            statement_text: Some(StatementText::new(text).unwrap()),
            ..details("10.50", "")
        }
    }

    #[test]
    fn a_request_that_names_a_stored_recipient_is_the_same_after_that_was_edited() {
        let named = |account: &str, id: Option<u128>| {
            let mut details = details("10.50", "");
            let account = RecipientAccount::new(account).unwrap();
            details.recipient = Recipient::new(account, RecipientName::new("Zoë").unwrap());
            details.recipient_id = id.map(|id| RecipientId::from(uuid::Uuid::from_u128(id)));
            details.fingerprint()
        };
        assert_eq!(named("ACC-1", Some(7)), named("ACC-2", Some(7)));
        assert_ne!(named("ACC-1", Some(7)), named("ACC-1", Some(8)));
        assert_ne!(named("ACC-1", Some(7)), named("ACC-1", None));
        assert_ne!(named("ACC-1", None), named("ACC-2", None));
    }

    #[test]
    fn a_digest_is_the_same_in_every_version() {
        // printf '5:10.50,3:USD,22:DE89370400440532013000,4:Zoë,0:,' | sha256sum
        assert_eq!(
            digest("10.50", ""),
            "531cc611aaab1001d5e53c0a2761326a1ee0611537a610fa7446c111d074ebd4"
        );
        assert_eq!(digest("10.5", ""), digest("10.50", ""), "as it is sent");
        assert_ne!(digest("10.50", ""), digest("10.50", "x"));
        // printf '5:10.50,3:USD,22:DE89370400440532013000,4:Zoë,0:,6:Salary,' | sha256sum
        assert_eq!(
            with_text("Salary").digest(),
            "cf21bbeb3ffb3f6e8b05a898018036b83ee345e815ebbad41f60d36396787a69"
        );
    }

    #[test]
    fn only_what_is_sent_is_in_the_digest() {
        assert_eq!(kept().digest(), digest("10.50", ""));
        assert_eq!(kept().as_sent(), details("10.50", ""));
        assert_eq!(with_text("Salary").as_sent(), with_text("Salary"));
    }

    #[test]
    fn each_field_that_is_present_is_in_the_fingerprint() {
        let plain = details("10.50", "").fingerprint();
        let of = |edit: &dyn Fn(&mut PaymentDetails)| {
            let mut details = details("10.50", "");
            edit(&mut details);
            details.fingerprint()
        };
        let all = [
            of(&|details| details.external_id = kept().external_id),
            of(&|details| details.metadata = kept().metadata),
            of(&|details| details.metadata = Metadata::new([("team", "red")]).unwrap()),
            of(&|details| details.scheduled_at = kept().scheduled_at),
            of(&|details| details.statement_text = with_text("salary-7").statement_text),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_ne!(*one, plain, "{place}");
            assert!(!all[..place].contains(one), "{place}");
        }
    }
}
