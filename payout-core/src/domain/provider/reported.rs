//! The provider's report of a payment, and its comparison with the payout.

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
    /// Takes the texts that the provider sent. Returns `None` if the amount is not an [exact number](exact_number).
    pub fn new(amount: Option<&str>, currency: Option<&str>, digest: Option<&str>) -> Option<Self> {
        let amount = match amount {
            Some(text) => Some(exact_number(text)?),
            None => None,
        };
        Some(Self {
            amount,
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

/// Reads a decimal number of a provider: digits, perhaps after a minus, and perhaps with a dot before the last ones.
/// Returns `None` for any other text, and for a number with more digits than can be kept: none is rounded.
///
/// ```
/// use payout_core::provider::exact_number;
/// assert_eq!(exact_number("-10.50").unwrap().to_string(), "-10.50");
/// assert_eq!(exact_number("1_0.5"), None);
/// assert_eq!(exact_number("10.50000000000000000000000000000001"), None);
/// ```
pub fn exact_number(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits(whole) && are_digits(fraction) {
        Decimal::from_str_exact(text).ok()
    } else {
        None
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

    #[test]
    fn a_number_is_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("10.50", "10.50"),
            ("-0.01", "-0.01"),
            ("0010", "10"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
        ] {
            assert_eq!(exact_number(text).unwrap().to_string(), expected);
        }
        for text in [
            "",
            "-",
            ".",
            "10.",
            ".5",
            "+1",
            "--1",
            "1_0.5_0",
            "_1",
            " 1",
            "1 ",
            "1,5",
            "1e2",
            "1.2.3",
            "0x1",
            "NaN",
            "\u{661}",
            "10.5000000000000000000000000000000000049",
            "79228162514264337593543950336",
        ] {
            assert_eq!(exact_number(text), None, "{text:?}");
        }
        assert_eq!(ReportedPayment::new(Some("1_0.5_0"), None, None), None);
    }
}
