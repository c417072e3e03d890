//! The details of a payment: one value for the request, the edit, the row and the instruction to the provider.

use sha2::{Digest, Sha256};

use crate::idempotency::Fingerprint;
use crate::money::Money;
use crate::payout::{Description, RecipientAccount, RecipientName};

/// The receiver of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// The account that the money goes to.
    pub account: RecipientAccount,
    /// The recipient's name.
    pub name: RecipientName,
}

impl Recipient {
    /// Builds a recipient from an account and a name.
    pub fn new(account: RecipientAccount, name: RecipientName) -> Self {
        Self { account, name }
    }
}

/// The details of a payment: a client asks for them and edits them, and the provider receives them. None of them
/// changes once something may have been sent.
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
    /// The purpose of the payment; may be empty.
    pub description: Description,
}

impl PaymentDetails {
    /// Builds the details of a payment of this money to this recipient, without a description.
    pub fn new(money: Money, recipient: Recipient) -> Self {
        Self {
            money,
            recipient,
            description: Description::default(),
        }
    }

    /// Returns the details with every text in Normalization Form C, as new requests have them.
    #[must_use]
    pub(crate) fn normalized(&self) -> Self {
        Self {
            money: self.money,
            recipient: Recipient {
                account: self.recipient.account.normalized(),
                name: self.recipient.name.normalized(),
            },
            description: self.description.normalized(),
        }
    }

    /// Returns the fingerprint of a request for this payment. A new field is added to the second list, by name and only
    /// where it is present: see [`Fingerprint`].
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let amount = self.money.amount().to_string();
        let fields = [
            amount.as_str(),
            self.money.currency().code(),
            self.recipient.account.as_str(),
            self.recipient.name.as_str(),
            self.description.as_str(),
        ];
        Fingerprint::version_1("create", &fields, &[])
    }

    /// Returns the digest of the payment, which a provider may include in its answer: SHA-256, in hexadecimal.
    ///
    /// It covers the texts of `amount`, `currency`, `recipient_account`, `recipient_name` and `description` as they are
    /// sent, in this order. Each is a netstring: its length in bytes as a decimal number, `:`, its UTF-8 bytes, `,`.
    /// The payout's id is not covered, because a create that is repeated after a restore from a backup has another id.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let amount = self.money.amount().to_string();
        for text in [
            amount.as_str(),
            self.money.currency().code(),
            self.recipient.account.as_str(),
            self.recipient.name.as_str(),
            self.description.as_str(),
        ] {
            hasher.update(format!("{}:{text},", text.len()));
        }
        let digest: [u8; 32] = hasher.finalize().into();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(amount: &str, description: &str) -> String {
        let money = Money::new(amount.parse().unwrap(), "USD".parse().unwrap()).unwrap();
        let account = RecipientAccount::new("DE89370400440532013000").unwrap();
        let recipient = Recipient::new(account, RecipientName::new("Zoë").unwrap());
        PaymentDetails {
            description: Description::new(description).unwrap(),
            ..PaymentDetails::new(money, recipient)
        }
        .digest()
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
    }
}
