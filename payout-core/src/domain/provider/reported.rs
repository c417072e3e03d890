//! What the provider says it was told to pay, and whether that is what is asked for here.

use std::str::FromStr;

use rust_decimal::Decimal;

use crate::money::Money;

/// What an answer of the provider says of the payment beside its outcome, as far as it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPayment {
    /// How much.
    pub amount: Option<Decimal>,
    /// Of what.
    pub currency: Option<String>,
    /// The [digest](crate::payout::PaymentDetails::digest) of the instruction that it acted on.
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
