//! What the provider says it was told to pay, and whether that is what is asked for here.

use std::str::FromStr;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::money::Money;
use crate::payout::{Description, RecipientAccount, RecipientName};

/// The digest of an instruction: SHA-256, in hexadecimal, of the texts of `amount`, `currency`, `recipient_account`,
/// `recipient_name` and `description` as they are sent, in this order, each as a netstring: its length in bytes in decimal, `:`,
/// its UTF-8 bytes, `,`. The payout's id is not among them: a create that is repeated after a restore has another.
pub fn instruction_digest(
    money: Money,
    account: &RecipientAccount,
    name: &RecipientName,
    description: &Description,
) -> String {
    let mut hasher = Sha256::new();
    let amount = money.amount().to_string();
    for text in [
        amount.as_str(),
        money.currency().code(),
        account.as_str(),
        name.as_str(),
        description.as_str(),
    ] {
        hasher.update(format!("{}:{text},", text.len()));
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an answer of the provider says of the payment beside its outcome, as far as it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPayment {
    /// How much.
    pub amount: Option<Decimal>,
    /// Of what.
    pub currency: Option<String>,
    /// The [digest](instruction_digest) of the instruction that it acted on.
    pub digest: Option<String>,
}

impl ReportedPayment {
    /// Takes what the provider sent; absent when an amount is no number.
    pub fn new(amount: Option<&str>, currency: Option<&str>, digest: Option<&str>) -> Option<Self> {
        Some(Self {
            amount: amount.map(Decimal::from_str).transpose().ok()?,
            currency: currency.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of it is not so of a payment of this money and digest, in words; absent when all of it agrees.
    pub fn contradicts(&self, money: Money, digest: Option<&str>) -> Option<&'static str> {
        let other_amount = self.amount.is_some_and(|amount| amount != money.amount());
        let code = money.currency().code();
        let other_currency = |currency: &String| !currency.eq_ignore_ascii_case(code);
        let other_digest = |(said, known): (&String, &str)| !said.eq_ignore_ascii_case(known);
        if other_amount {
            Some("another amount")
        } else if self.currency.as_ref().is_some_and(other_currency) {
            Some("another currency")
        } else if self.digest.as_ref().zip(digest).is_some_and(other_digest) {
            Some("another recipient, description or amount")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(amount: &str, description: &str) -> String {
        instruction_digest(
            Money::new(amount.parse().unwrap(), "USD".parse().unwrap()).unwrap(),
            &RecipientAccount::new("DE89370400440532013000").unwrap(),
            &RecipientName::new("Zoë").unwrap(),
            &Description::new(description).unwrap(),
        )
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

    #[test]
    fn only_what_is_said_is_compared() {
        let money = Money::new("10.50".parse().unwrap(), "USD".parse().unwrap()).unwrap();
        let said = |amount, currency, digest| ReportedPayment::new(amount, currency, digest).unwrap();
        let digest = Some("ab");
        for agreeing in [
            said(None, None, None),
            said(Some("10.5"), None, None),
            said(Some("10.5000"), Some("usd"), Some("AB")),
        ] {
            assert_eq!(agreeing.contradicts(money, digest), None, "{agreeing:?}");
        }
        for other in [
            said(Some("10.51"), None, None),
            said(None, Some("EUR"), None),
            said(Some("10.50"), Some("USD"), Some("ac")),
        ] {
            assert!(other.contradicts(money, digest).is_some(), "{other:?}");
        }
        assert_eq!(said(None, None, Some("ac")).contradicts(money, None), None);
        assert_eq!(ReportedPayment::new(Some("ten"), None, None), None);
    }
}
