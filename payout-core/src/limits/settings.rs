//! The limits as an operator sets them.

use std::fmt;
use std::str::FromStr;

use crate::keys::ApiKeyId;
use crate::limits::{Charge, OverLimit};
use crate::money::{Amount, AmountError, Currency, Money, UnknownCurrency};

/// How much may be paid out, by currency. One that is not named has no limit.
///
/// ```
/// use payout_core::limits::MoneyLimits;
/// let limits: MoneyLimits = "USD=1000/50000, EUR=500, JPY=/2000000".parse().unwrap();
/// assert_eq!(limits.to_string(), "USD=1000.00/50000.00,EUR=500.00,JPY=/2000000");
/// assert_eq!(limits.to_string().parse::<MoneyLimits>().unwrap(), limits);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoneyLimits(Vec<Limits>);

/// Those of one currency: one of the two at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    currency: Currency,
    per_payout: Option<Money>,
    per_day: Option<Money>,
}

/// An entry of the limits is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?}: {problem}")]
pub struct InvalidLimits {
    entry: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("use CURRENCY=MAXIMUM, CURRENCY=MAXIMUM/MAXIMUM-PER-DAY or CURRENCY=/MAXIMUM-PER-DAY, by commas")]
    Form,
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error("This currency has limits already.")]
    Twice,
    #[error("One payout may not be of more than a whole day.")]
    MoreThanADay,
}

impl MoneyLimits {
    /// Whether there is no limit at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a new payout takes from its day.
    ///
    /// # Errors
    /// [`OverLimit`] when it is beyond the maximum of one payout.
    pub fn of_new(&self, money: Money, api_key: Option<ApiKeyId>) -> Result<Option<Charge>, OverLimit> {
        let limits = self.admitting(money)?;
        Ok(limits.and_then(|limits| limits.charge(money, api_key)))
    }

    /// What an edit takes from the day of whoever makes it: by how much the payout grows, or all of it when it becomes one
    /// of another currency. What it shrinks by is not given back.
    ///
    /// # Errors
    /// [`OverLimit`] when the new amount is beyond the maximum of one payout.
    pub fn of_edit(
        &self,
        before: Money,
        after: Money,
        api_key: Option<ApiKeyId>,
    ) -> Result<Option<Charge>, OverLimit> {
        if before == after {
            return Ok(None);
        }
        let limits = self.admitting(after)?;
        let growth = if before.currency() == after.currency() {
            after.amount().saturating_sub(before.amount())
        } else {
            after.amount()
        };
        // What is no amount is no growth.
        let growth = Money::restore(growth, after.currency()).ok();
        Ok(limits
            .zip(growth)
            .and_then(|(limits, growth)| limits.charge(growth, api_key)))
    }

    /// The limits of its currency, if there are any and it is within that of one payout.
    fn admitting(&self, money: Money) -> Result<Option<&Limits>, OverLimit> {
        let limits = self.0.iter().find(|limits| limits.currency == money.currency());
        match limits.and_then(|limits| limits.per_payout) {
            Some(most) if money.amount() > most.amount() => Err(OverLimit::PerPayout(most)),
            Some(_) | None => Ok(limits),
        }
    }
}

impl Limits {
    fn charge(&self, money: Money, api_key: Option<ApiKeyId>) -> Option<Charge> {
        self.per_day.map(|per_day| Charge::new(api_key, money, per_day))
    }

    fn parse(entry: &str) -> Result<Self, Problem> {
        let (currency, amounts) = entry.split_once('=').ok_or(Problem::Form)?;
        let currency = Currency::recorded(currency.trim())?;
        let money = |text: &str| -> Result<Money, Problem> {
            let text = text.trim();
            if text.is_empty() {
                return Err(Problem::Form);
            }
            Ok(Money::new(text.parse::<Amount>()?, currency)?)
        };
        let (per_payout, per_day) = match amounts.split_once('/') {
            None => (Some(money(amounts)?), None),
            Some((per_payout, per_day)) if per_payout.trim().is_empty() => (None, Some(money(per_day)?)),
            Some((per_payout, per_day)) => (Some(money(per_payout)?), Some(money(per_day)?)),
        };
        if let (Some(per_payout), Some(per_day)) = (per_payout, per_day)
            && per_payout.amount() > per_day.amount()
        {
            return Err(Problem::MoreThanADay);
        }
        Ok(Self {
            currency,
            per_payout,
            per_day,
        })
    }
}

impl FromStr for MoneyLimits {
    type Err = InvalidLimits;

    fn from_str(text: &str) -> Result<Self, InvalidLimits> {
        let mut all: Vec<Limits> = Vec::new();
        for entry in text.split(',') {
            let named = |problem| InvalidLimits {
                entry: entry.trim().to_owned(),
                problem,
            };
            let limits = Limits::parse(entry).map_err(named)?;
            if all.iter().any(|other| other.currency == limits.currency) {
                return Err(named(Problem::Twice));
            }
            all.push(limits);
        }
        Ok(Self(all))
    }
}

impl fmt::Display for MoneyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, limits) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}=", limits.currency)?;
            if let Some(per_payout) = limits.per_payout {
                write!(f, "{}", per_payout.amount())?;
            }
            if let Some(per_day) = limits.per_day {
                write!(f, "/{}", per_day.amount())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> MoneyLimits {
        text.parse().unwrap()
    }

    fn money(amount: &str, currency: &str) -> Money {
        Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap()
    }

    fn charged(charge: Option<Charge>) -> Option<String> {
        charge.map(|charge| format!("{charge:?}"))
    }

    fn charge(amount: &str, currency: &str, limit: &str) -> Option<String> {
        let charge = Charge::new(None, money(amount, currency), money(limit, currency));
        charged(Some(charge))
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
            (
                "EUR=2/1",
                "\"EUR=2/1\": One payout may not be of more than a whole day.",
            ),
        ] {
            let refused = text.parse::<MoneyLimits>().unwrap_err().to_string();
            assert!(refused.starts_with(named), "{text:?}: {refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_what_is_read_reads_back(text in "[A-Z]{0,3}=?[0-9.e/,=-]{0,12}|\\PC{0,30}") {
            if let Ok(limits) = text.parse::<MoneyLimits>() {
                proptest::prop_assert_eq!(limits.to_string().parse::<MoneyLimits>().unwrap(), limits);
            }
        }
    }

    #[test]
    fn a_payout_may_be_of_the_maximum_and_not_of_a_cent_more() {
        let limits = limits("USD=1000");
        assert_eq!(limits.of_new(money("1000", "USD"), None), Ok(None));
        assert_eq!(
            limits.of_new(money("1000.01", "USD"), None),
            Err(OverLimit::PerPayout(money("1000", "USD")))
        );
        assert_eq!(limits.of_new(money("999999", "EUR"), None), Ok(None));
    }

    #[test]
    fn a_new_payout_takes_all_of_itself_from_its_day() {
        let taken = limits("JPY=/2000").of_new(money("150", "JPY"), None).unwrap();
        assert_eq!(charged(taken), charge("150", "JPY", "2000"));
    }

    #[test]
    fn an_edit_takes_what_the_payout_grows_by() {
        let limits = limits("USD=1000/5000,EUR=/70.00");
        let edit = |before, after| limits.of_edit(before, after, None);
        let (ten, twelve) = (money("10", "USD"), money("12.50", "USD"));
        assert_eq!(
            charged(edit(ten, twelve).unwrap()),
            charge("2.50", "USD", "5000.00")
        );
        assert_eq!(edit(twelve, ten), Ok(None), "nothing is given back");
        assert_eq!(edit(ten, ten), Ok(None));
        let euros = money("10", "EUR");
        assert_eq!(
            charged(edit(ten, euros).unwrap()),
            charge("10", "EUR", "70.00"),
            "all of it in another currency"
        );
        assert_eq!(
            edit(ten, money("1001", "USD")),
            Err(OverLimit::PerPayout(money("1000", "USD")))
        );
    }

    #[test]
    fn a_payout_beyond_a_maximum_that_came_later_may_be_edited_but_for_its_amount() {
        let limits = limits("USD=1000/5000");
        let beyond = money("2000", "USD");
        assert_eq!(limits.of_edit(beyond, beyond, None), Ok(None));
    }
}
