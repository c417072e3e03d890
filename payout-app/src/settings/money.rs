//! The spending limits.

use payout_core::money::{Amount, AmountError, Currency, UnknownCurrency};
use payout_core::spending::{InvalidLimits, MoneyLimits};

use super::ConfigError;
use super::parse::{Reader, entries};
use super::table::section;

section! {
    /// The row of the spending limits.
    pub(super) struct MoneyRow in SECTION, titled "Spending limits", read by Api {
        /// The money that may be paid out, comma-separated by currency: the maximum of one payout, and after a slash
        /// that of a day and API key, either of them optional: `USD=1000/50000,EUR=500,JPY=/2000000,*=100/1000`, where
        /// `*` is every other currency. A retry counts too.
        pub(super) limits: Option<MoneyLimits> = "PAYOUT_LIMITS" {
            option: "limits", value: "LIMITS", unset: "no limit", see: "Spending limits",
        } => optional(limits),
    }
}

/// An entry that is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "use CURRENCY=MAXIMUM, CURRENCY=MAXIMUM/MAXIMUM-PER-DAY or CURRENCY=/MAXIMUM-PER-DAY, comma-separated; * is every other \
         currency"
    )]
    Form,
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
}

fn limits(it: Reader<'_>) -> Result<MoneyLimits, ConfigError> {
    entries(it, with)
}

/// The limits with one more entry.
fn with(limits: MoneyLimits, entry: &str) -> Result<MoneyLimits, Problem> {
    let (currency, amounts) = entry.split_once('=').ok_or(Problem::Form)?;
    let currency = match currency.trim() {
        "*" => None,
        code => Some(Currency::recorded(code)?),
    };
    let (per_payout, per_day) = both(amounts)?;
    Ok(match currency {
        None => limits.with_others(per_payout, per_day)?,
        Some(currency) => limits.with(currency, per_payout, per_day)?,
    })
}

/// Reads `MAXIMUM`, `MAXIMUM/MAXIMUM-PER-DAY` or `/MAXIMUM-PER-DAY`.
fn both(amounts: &str) -> Result<(Option<Amount>, Option<Amount>), Problem> {
    let read = |text: &str| match text.trim() {
        "" => Err(Problem::Form),
        text => Ok(Some(text.parse::<Amount>()?)),
    };
    Ok(match amounts.split_once('/') {
        None => (read(amounts)?, None),
        Some((per_payout, per_day)) if per_payout.trim().is_empty() => (None, read(per_day)?),
        Some((per_payout, per_day)) => (read(per_payout)?, read(per_day)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::Row;
    use super::*;

    const ROW: &Row = &SECTION.rows[0];

    fn read(text: &str) -> Result<MoneyLimits, ConfigError> {
        limits(Reader::new(ROW, text))
    }

    #[test]
    fn limits_are_read_by_currency_with_blanks_around_them() {
        let limits = read("USD=1000/50000, eur=500 ,JPY=/2000000, *=100/5000").unwrap();
        assert_eq!(
            limits.to_string(),
            "USD=1000.00/50000.00,EUR=500.00,JPY=/2000000,*=100/5000"
        );
    }

    #[test]
    fn what_is_no_limit_is_named() {
        for (text, named) in [
            ("", "\"\": use CURRENCY=MAXIMUM"),
            ("USD", "\"USD\": use"),
            ("USD=", "\"USD=\": use"),
            ("USD=/", "\"USD=/\": use"),
            ("USD=5/", "\"USD=5/\": use"),
            ("USD=5,", "\"\": use"),
            ("USD=5,EUR=x", "\"EUR=x\": A valid number is required."),
            ("USD=5/5/5", "\"USD=5/5/5\": A valid number is required."),
            ("USD=0", "\"USD=0\": Ensure this value is greater than zero."),
            ("USD=/-1", "\"USD=/-1\": Ensure this value is greater than zero."),
            (
                "JPY=1.5",
                "\"JPY=1.5\": Ensure that there are no more than 0 decimal places for JPY.",
            ),
            ("XAU=1", "\"XAU=1\": This is not an ISO 4217 currency code"),
            ("EUR=1,eur=2", "\"eur=2\": This currency has limits already."),
            ("*=1,*=2", "\"*=2\": This currency has limits already."),
            ("*=1.50", "\"*=1.50\": Use whole numbers"),
            ("*=0", "\"*=0\": Ensure this value is greater than zero."),
            ("*=", "\"*=\": use CURRENCY=MAXIMUM"),
            (
                "*=2/1",
                "\"*=2/1\": The maximum of one payout may not exceed that of a day.",
            ),
            ("**=1", "\"**=1\": This is not an ISO 4217 currency code"),
            (
                "EUR=2/1",
                "\"EUR=2/1\": The maximum of one payout may not exceed that of a day.",
            ),
        ] {
            let refused = read(text).unwrap_err().message;
            assert!(refused.starts_with(named), "{text:?}: {refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_what_is_read_reads_back(text in "([A-Z]{0,3}|\\*)=?[0-9.e/,=*-]{0,12}|\\PC{0,30}") {
            if let Ok(limits) = read(&text) {
                proptest::prop_assert_eq!(read(&limits.to_string()).unwrap(), limits);
            }
        }
    }
}
