//! The provider's report of a payment, and its comparison with the payout.

use std::str::FromStr;

use rust_decimal::Decimal;

use crate::money::Money;

/// The provider's report of the payment that it acted on. The provider may omit any part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPayment {
    /// The amount.
    pub amount: Option<Decimal>,
    /// The code of the currency.
    pub currency: Option<String>,
    /// The [digest](crate::payout::PaymentDetails::digest) of the instruction that the provider acted on.
    pub digest: Option<String>,
}

impl ReportedPayment {
    /// Takes the texts that the provider sent. Returns `None` if the amount is not a number.
    pub fn new(amount: Option<&str>, currency: Option<&str>, digest: Option<&str>) -> Option<Self> {
        Some(Self {
            amount: amount.map(Decimal::from_str).transpose().ok()?,
            currency: currency.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Returns whether the report is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the first part of the report that contradicts this money or digest, in words. Returns `None` if
    /// everything that is reported agrees.
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
