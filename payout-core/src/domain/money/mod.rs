//! Money: a positive decimal amount of an ISO 4217 currency, validated once when it is parsed.

mod currency;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

pub use self::currency::{Currency, UnknownCurrency};

/// The maximum number of digits of an amount, including its currency's decimals.
pub const MAX_DIGITS: u32 = 18;
/// The smallest number of minor units with more than [`MAX_DIGITS`] digits.
const TOO_MANY_MINOR_UNITS: i128 = 10_i128.pow(MAX_DIGITS);

/// The reason why a text is not a valid amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// The text is not a decimal number.
    #[error("A valid number is required.")]
    NotANumber,
    /// The amount is zero or negative.
    #[error("Ensure this value is greater than zero.")]
    NotPositive,
    /// The amount has more than [`MAX_DIGITS`] digits.
    #[error("Ensure that there are no more than 18 digits in total.")]
    TooManyDigits,
    /// The amount has more decimals than the currency.
    #[error("Ensure that there are no more than {allowed} decimal places for {currency}.")]
    TooManyDecimals {
        /// The number of decimals of the currency.
        allowed: u32,
        /// The currency.
        currency: Currency,
    },
}

/// A positive decimal number as a client wrote it, not yet tied to a currency.
///
/// It is parsed from text and never passes through a float: `0.1` is exactly one tenth. Exponents are allowed (`1e2`).
/// Trailing zeros of a fraction count as decimals.
///
/// ```
/// use payout_core::money::{Amount, AmountError};
/// assert_eq!("1e2".parse::<Amount>().unwrap(), "100".parse().unwrap());
/// assert_eq!("NaN".parse::<Amount>(), Err(AmountError::NotANumber));
/// assert_eq!("1e400".parse::<Amount>(), Err(AmountError::TooManyDigits));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount(Decimal);

impl Amount {
    /// Returns the number without trailing zeros, for sources where the number of decimals has no meaning.
    #[must_use]
    pub fn by_value(self) -> Self {
        Self(self.0.normalize())
    }

    /// Returns the number with the decimals that it was written with.
    pub fn number(self) -> Decimal {
        self.0
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(AmountError::NotANumber),
            None => (mantissa, ""),
        };
        if whole.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|byte| byte.is_ascii_digit())
        {
            return Err(AmountError::NotANumber);
        }
        let digits = [whole, fraction].concat();
        let digits = digits.trim_start_matches('0');
        if negative || digits.is_empty() {
            return Err(AmountError::NotPositive);
        }
        let scale = i64::try_from(fraction.len())
            .unwrap_or(i64::MAX)
            .saturating_sub(exponent);
        let digit_count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let written = digit_count.saturating_add(0.max(scale.saturating_neg()));
        if written > i64::from(MAX_DIGITS) || scale > i64::from(MAX_DIGITS) {
            return Err(AmountError::TooManyDigits);
        }
        let mut value: i128 = digits.parse().map_err(|_| AmountError::NotANumber)?;
        for _ in scale..0 {
            value *= 10;
        }
        let scale = u32::try_from(scale.max(0)).map_err(|_| AmountError::TooManyDigits)?;
        Decimal::try_from_i128_with_scale(value, scale)
            .map(Self)
            .map_err(|_| AmountError::TooManyDigits)
    }
}

/// Parses the exponent and clamps it to a range beyond which no amount fits [`MAX_DIGITS`].
fn parse_exponent(text: &str) -> Result<i64, AmountError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
    Ok(if text.starts_with('-') { -size } else { size })
}

/// A positive amount of a currency, with exactly the currency's number of decimals.
///
/// ```
/// use payout_core::money::Money;
/// let money = Money::new("10.5".parse().unwrap(), "USD".parse().unwrap()).unwrap();
/// assert_eq!(money.amount().to_string(), "10.50");
/// assert!(Money::new("10.5".parse().unwrap(), "JPY".parse().unwrap()).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// Ties an amount to its currency.
    ///
    /// The limit on digits applies to the amount with all of the currency's decimals, as answers show it, so that a
    /// client can send every answered amount back.
    ///
    /// # Errors
    /// [`AmountError::TooManyDecimals`] when the amount has more decimals than the currency,
    /// [`AmountError::TooManyDigits`] when it has more than [`MAX_DIGITS`] digits with all of the currency's decimals.
    pub fn new(amount: Amount, currency: Currency) -> Result<Self, AmountError> {
        let money = Self::scaled(amount.0, currency)?;
        if money.amount.mantissa() >= TOO_MANY_MINOR_UNITS {
            return Err(AmountError::TooManyDigits);
        }
        Ok(money)
    }

    /// Reads back a stored amount of any scale. An amount above the current limit was accepted under an earlier one,
    /// and stays readable.
    ///
    /// # Errors
    /// [`AmountError`] when the stored value is not an amount of the currency.
    pub fn restore(amount: Decimal, currency: Currency) -> Result<Self, AmountError> {
        if amount <= Decimal::ZERO {
            return Err(AmountError::NotPositive);
        }
        Self::scaled(amount.normalize(), currency)
    }

    /// Returns the same number of another currency, without conversion.
    ///
    /// # Errors
    /// [`AmountError`] when the number is not an amount of that currency.
    pub fn in_currency(self, currency: Currency) -> Result<Self, AmountError> {
        if currency == self.currency {
            return Ok(self);
        }
        Self::new(Amount(self.amount.normalize()), currency)
    }

    fn scaled(mut amount: Decimal, currency: Currency) -> Result<Self, AmountError> {
        let allowed = currency.minor_units();
        if amount.scale() > allowed {
            return Err(AmountError::TooManyDecimals { allowed, currency });
        }
        amount.rescale(allowed);
        if amount.scale() != allowed {
            // Too large for a decimal with this number of decimals.
            return Err(AmountError::TooManyDigits);
        }
        Ok(Self { amount, currency })
    }

    /// Returns the amount with the currency's number of decimals. Its `Display` is the wire format.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// Returns the currency.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Result<String, AmountError> {
        Money::new(amount.parse()?, currency.parse().unwrap()).map(|money| money.to_string())
    }

    #[test]
    fn an_amount_is_answered_with_its_currencys_decimals() {
        assert_eq!(money("10", "usd").unwrap(), "10.00 USD");
        assert_eq!(money("10.5", "BHD").unwrap(), "10.500 BHD");
        assert_eq!(money("10", "JPY").unwrap(), "10 JPY");
    }

    #[test]
    fn eighteen_digits_are_exact_and_nineteen_are_refused() {
        assert_eq!(
            money("9999999999999999.99", "USD").unwrap(),
            "9999999999999999.99 USD"
        );
        for beyond in [
            "12345678901234567.8",
            "12345678901234567",
            "999999999999999999",
            "99999999999999999.99",
            "1e16",
        ] {
            assert_eq!(money(beyond, "USD"), Err(AmountError::TooManyDigits), "{beyond}");
        }
        assert_eq!(
            money("999999999999999.999", "BHD").unwrap(),
            "999999999999999.999 BHD"
        );
        assert_eq!(money("1000000000000000", "BHD"), Err(AmountError::TooManyDigits));
        assert_eq!(
            money("1000000000000000000", "JPY"),
            Err(AmountError::TooManyDigits)
        );
    }

    #[test]
    fn leading_zeros_do_not_count_as_digits() {
        assert_eq!(money("0000000000000000000000.10", "USD").unwrap(), "0.10 USD");
    }

    #[test]
    fn exponents_mean_what_they_say() {
        assert_eq!(money("1e2", "JPY").unwrap(), "100 JPY");
        assert_eq!(money("1.25E1", "USD").unwrap(), "12.50 USD");
        assert_eq!(money("5e-2", "USD").unwrap(), "0.05 USD");
        assert_eq!(money("1e18", "JPY"), Err(AmountError::TooManyDigits));
        assert_eq!(
            money("1e99999999999999999999", "JPY"),
            Err(AmountError::TooManyDigits)
        );
        assert!(money("1e-99999999999999999999", "JPY").is_err());
    }

    #[test]
    fn decimals_count_as_written() {
        assert!(matches!(
            money("1.000", "USD"),
            Err(AmountError::TooManyDecimals { allowed: 2, .. })
        ));
        assert!(matches!(
            money("10.5", "JPY"),
            Err(AmountError::TooManyDecimals { allowed: 0, .. })
        ));
    }

    #[test]
    fn what_is_not_a_positive_number_is_refused() {
        for text in [
            "", " ", "NaN", "Infinity", "1,5", "1_000", "0x10", ".5", "5.", "1e", "--1", "+1", "١",
        ] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::NotANumber), "{text:?}");
        }
        for text in ["0", "0.00", "-1", "-0", "0e5"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::NotPositive), "{text:?}");
        }
    }

    #[test]
    fn a_stored_amount_reads_back_at_any_scale() {
        let usd = "USD".parse().unwrap();
        let stored = Decimal::from_str("12.5000").unwrap();
        assert_eq!(Money::restore(stored, usd).unwrap().to_string(), "12.50 USD");
    }

    #[test]
    fn what_was_stored_under_another_bound_stays_readable() {
        let usd = "USD".parse().unwrap();
        let stored = Decimal::from_str("12345678901234567.8").unwrap();
        let money = Money::restore(stored, usd).unwrap();
        assert_eq!(money.to_string(), "12345678901234567.80 USD");
    }

    #[test]
    fn another_currency_must_take_the_amount_too() {
        let yen = Money::new("999999999999999999".parse().unwrap(), "JPY".parse().unwrap()).unwrap();
        let into = |code: &str| yen.in_currency(code.parse().unwrap());
        assert_eq!(into("JPY"), Ok(yen));
        assert_eq!(into("KRW").unwrap().to_string(), "999999999999999999 KRW");
        assert_eq!(into("USD"), Err(AmountError::TooManyDigits));
        let cents = Money::new("0.10".parse().unwrap(), "USD".parse().unwrap()).unwrap();
        assert!(cents.in_currency("JPY".parse().unwrap()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Amount>();
        }

        #[test]
        fn whatever_is_accepted_is_accepted_again_as_it_is_answered(
            text in "0{0,3}[0-9]{1,19}(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
            code in proptest::sample::select(vec!["USD", "JPY", "BHD", "EUR", "KWD", "XOF"]),
        ) {
            let currency: Currency = code.parse().unwrap();
            let parse = |text: &str| text.parse().and_then(|amount| Money::new(amount, currency));
            if let Ok(money) = parse(&text) {
                proptest::prop_assert_eq!(parse(&money.amount().to_string()), Ok(money));
            }
        }

        #[test]
        fn every_amount_in_minor_units_survives_its_own_text(minor in 1_u64..1_000_000_000_000_000_000) {
            let text = format!("{}.{:02}", minor / 100, minor % 100);
            let money = Money::new(text.parse().unwrap(), "USD".parse().unwrap()).unwrap();
            proptest::prop_assert_eq!(money.amount().to_string(), text);
        }
    }
}
