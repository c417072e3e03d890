//! What is to be paid: one value for the request, the edit, the row and the instruction to the provider.

use sha2::{Digest, Sha256};

use crate::idempotency::Fingerprint;
use crate::money::Money;
use crate::payout::{Description, RecipientAccount, RecipientName};

/// The receiver of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// Where the money goes.
    pub account: RecipientAccount,
    /// Who gets it.
    pub name: RecipientName,
}

impl Recipient {
    /// A recipient with an account and a name.
    pub fn new(account: RecipientAccount, name: RecipientName) -> Self {
        Self { account, name }
    }
}

/// The details of a payment, as a client asks for them, edits them, and as a provider is told. None changes once anything
/// may have been sent.
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
    /// How much, of what.
    pub money: Money,
    /// Who gets it, and where.
    pub recipient: Recipient,
    /// What for.
    pub description: Description,
}

impl PaymentDetails {
    /// A payment of this much to this recipient, and nothing besides.
    pub fn new(money: Money, recipient: Recipient) -> Self {
        Self {
            money,
            recipient,
            description: Description::default(),
        }
    }

    /// The details with every text in Normalization Form C, as a request says them today.
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

    /// The fingerprint of a request for this payment. A further field is added to the second list, by its name, where it is
    /// present: see [`Fingerprint`].
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

    /// The digest of what is to be paid, for a provider to answer with: SHA-256, in hexadecimal, of the texts of `amount`,
    /// `currency`, `recipient_account`, `recipient_name` and `description` as they are sent, in this order, each as a netstring:
    /// its length in bytes in decimal, `:`, its UTF-8 bytes, `,`. The payout's id is not among them: a create that is repeated
    /// after a restore has another.
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
