//! The limits as an operator sets them.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::access::ApiKeyId;
use crate::money::{Amount, AmountError, Currency, Money, UnknownCurrency};
use crate::spending::{Charge, OverLimit};

/// How much may be paid out, by currency. One that is not named has the limits of `*`, each currency for itself, or, where
/// that is not given, none.
///
/// ```
/// use payout_core::limits::MoneyLimits;
/// let limits: MoneyLimits = "USD=1000/50000, EUR=500, JPY=/2000000, *=100/5000".parse().unwrap();
/// assert_eq!(limits.to_string(), "USD=1000.00/50000.00,EUR=500.00,JPY=/2000000,*=100/5000");
/// assert_eq!(limits.to_string().parse::<MoneyLimits>().unwrap(), limits);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoneyLimits {
    named: Vec<Limits>,
    others: Option<Others>,
}

/// Those of one currency: one of the two at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    currency: Currency,
    per_payout: Option<Money>,
    per_day: Option<Money>,
}

/// Those of every currency that is not named: whole numbers, which are amounts of each; one of the two at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Others {
    per_payout: Option<Decimal>,
    per_day: Option<Decimal>,
}

/// What stands for every currency that is not named.
const OTHERS: &str = "*";

/// An entry of the limits is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?}: {problem}")]
pub struct InvalidLimits {
    entry: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "use CURRENCY=MAXIMUM, CURRENCY=MAXIMUM/MAXIMUM-PER-DAY or CURRENCY=/MAXIMUM-PER-DAY, by commas; * is every other currency"
    )]
    Form,
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error("Use whole numbers: a currency that is not named may have no decimals.")]
    Whole,
    #[error("This currency has limits already.")]
    Twice,
    #[error("One payout may not be of more than a whole day.")]
    MoreThanADay,
}

impl MoneyLimits {
    /// Whether there is no limit at all.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_none()
    }

    /// What a new payout takes from its day.
    ///
    /// # Errors
    /// [`OverLimit`] when it is beyond the maximum of one payout.
    pub fn of_new(&self, money: Money, api_key: Option<ApiKeyId>) -> Result<Option<Charge>, OverLimit> {
        let limits = self.admitting(money)?;
        Ok(limits.and_then(|limits| limits.charge(money, api_key)))
    }

    /// What a retry takes from the day of whoever asks for it: all of the payout, which is sent anew.
    ///
    /// # Errors
    /// [`OverLimit`] when it is beyond the maximum of one payout.
    pub fn of_retry(&self, money: Money, api_key: Option<ApiKeyId>) -> Result<Option<Charge>, OverLimit> {
        self.of_new(money, api_key)
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

    fn add(&mut self, entry: &str) -> Result<(), Problem> {
        let (currency, amounts) = entry.split_once('=').ok_or(Problem::Form)?;
        if currency.trim() == OTHERS {
            let others = Others::parse(amounts)?;
            return match self.others.replace(others) {
                None => Ok(()),
                Some(_) => Err(Problem::Twice),
            };
        }
        let limits = Limits::parse(currency.trim(), amounts)?;
        if self.named.iter().any(|other| other.currency == limits.currency) {
            return Err(Problem::Twice);
        }
        self.named.push(limits);
        Ok(())
    }

    /// The limits of its currency, if there are any and it is within that of one payout.
    fn admitting(&self, money: Money) -> Result<Option<Limits>, OverLimit> {
        let named = self.named.iter();
        let limits = named
            .copied()
            .find(|limits| limits.currency == money.currency())
            .or_else(|| self.others?.of(money.currency()));
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

    fn parse(currency: &str, amounts: &str) -> Result<Self, Problem> {
        let currency = Currency::recorded(currency)?;
        let (per_payout, per_day) = both(amounts, |text| Ok(Money::new(text.parse::<Amount>()?, currency)?))?;
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

impl Others {
    fn parse(amounts: &str) -> Result<Self, Problem> {
        let (per_payout, per_day) = both(amounts, |text| {
            // Which refuses what is none.
            text.parse::<Amount>()?;
            let whole = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| whole).ok_or(Problem::Whole)
        })?;
        if let (Some(per_payout), Some(per_day)) = (per_payout, per_day)
            && per_payout > per_day
        {
            return Err(Problem::MoreThanADay);
        }
        Ok(Self { per_payout, per_day })
    }

    /// The same in one currency. A whole number is an amount of each.
    fn of(self, currency: Currency) -> Option<Limits> {
        let money = |amount: Option<Decimal>| amount.and_then(|amount| Money::restore(amount, currency).ok());
        Some(Limits {
            currency,
            per_payout: money(self.per_payout),
            per_day: money(self.per_day),
        })
    }
}

/// `MAXIMUM`, `MAXIMUM/MAXIMUM-PER-DAY` or `/MAXIMUM-PER-DAY`.
fn both<T>(
    amounts: &str,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<(Option<T>, Option<T>), Problem> {
    let read = |text: &str| match text.trim() {
        "" => Err(Problem::Form),
        text => read(text),
    };
    Ok(match amounts.split_once('/') {
        None => (Some(read(amounts)?), None),
        Some((per_payout, per_day)) if per_payout.trim().is_empty() => (None, Some(read(per_day)?)),
        Some((per_payout, per_day)) => (Some(read(per_payout)?), Some(read(per_day)?)),
    })
}

impl FromStr for MoneyLimits {
    type Err = InvalidLimits;

    fn from_str(text: &str) -> Result<Self, InvalidLimits> {
        let mut all = Self::default();
        for entry in text.split(',') {
            all.add(entry).map_err(|problem| InvalidLimits {
                entry: entry.trim().to_owned(),
                problem,
            })?;
        }
        Ok(all)
    }
}

impl fmt::Display for MoneyLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for limits in &self.named {
            let amount = |money: Option<Money>| money.map(|money| money.amount());
            write!(f, "{comma}{}=", limits.currency)?;
            write_both(f, amount(limits.per_payout), amount(limits.per_day))?;
            comma = ",";
        }
        if let Some(others) = &self.others {
            write!(f, "{comma}{OTHERS}=")?;
            write_both(f, others.per_payout, others.per_day)?;
        }
        Ok(())
    }
}

fn write_both<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    per_payout: Option<T>,
    per_day: Option<T>,
) -> fmt::Result {
    if let Some(per_payout) = per_payout {
        write!(f, "{per_payout}")?;
    }
    if let Some(per_day) = per_day {
        write!(f, "/{per_day}")?;
    }
    Ok(())
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
            ("*=1,*=2", "\"*=2\": This currency has limits already."),
            ("*=1.50", "\"*=1.50\": Use whole numbers"),
            ("*=0", "\"*=0\": Ensure this value is greater than zero."),
            ("*=", "\"*=\": use CURRENCY=MAXIMUM"),
            (
                "*=2/1",
                "\"*=2/1\": One payout may not be of more than a whole day.",
            ),
            ("**=1", "\"**=1\": This is not an ISO 4217 currency code"),
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
        fn reading_never_panics_and_what_is_read_reads_back(text in "([A-Z]{0,3}|\\*)=?[0-9.e/,=*-]{0,12}|\\PC{0,30}") {
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
    fn a_retry_takes_all_of_the_payout_from_its_day() {
        let limits = limits("USD=1000/5000");
        let taken = limits.of_retry(money("150", "USD"), None).unwrap();
        assert_eq!(charged(taken), charge("150", "USD", "5000.00"));
        assert_eq!(
            limits.of_retry(money("1000.01", "USD"), None),
            Err(OverLimit::PerPayout(money("1000", "USD")))
        );
    }

    #[test]
    fn the_rule_for_all_others_holds_for_each_currency_by_itself() {
        let limits = limits("*=100/300,USD=5");
        for (currency, most, beyond) in [
            ("EUR", "100", "100.01"),
            ("JPY", "100", "101"),
            ("BHD", "100", "100.001"),
        ] {
            let taken = limits.of_new(money(most, currency), None).unwrap();
            assert_eq!(charged(taken), charge(most, currency, "300"), "{currency}");
            assert_eq!(
                limits.of_new(money(beyond, currency), None),
                Err(OverLimit::PerPayout(money("100", currency)))
            );
        }
        assert_eq!(
            limits.of_new(money("5", "USD"), None),
            Ok(None),
            "one that is named"
        );
        assert_eq!(
            limits.of_new(money("6", "USD"), None),
            Err(OverLimit::PerPayout(money("5", "USD")))
        );
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
