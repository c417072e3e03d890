//! Spending limits that the operator sets.

use std::fmt;

use rust_decimal::Decimal;

use crate::access::ApiKeyId;
use crate::money::{Amount, AmountError, Currency, Money};
use crate::spending::{Charge, OverLimit};

/// Spending limits by currency. The limits for other currencies, if they are set, apply to each currency without an
/// entry, separately. Without them such a currency has no limits.
///
/// ```
/// use payout_core::spending::MoneyLimits;
/// let (one, day) = ("1000".parse().unwrap(), "50000".parse().unwrap());
/// let limits = MoneyLimits::default().with("USD".parse().unwrap(), Some(one), Some(day)).unwrap();
/// let limits = limits.with_others(None, Some(one)).unwrap();
/// assert_eq!(limits.to_string(), "USD=1000.00/50000.00,*=/1000");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoneyLimits {
    named: Vec<Limits>,
    others: Option<Others>,
}

/// The limits of one currency: at least one of the two is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    currency: Currency,
    per_payout: Option<Money>,
    per_day: Option<Money>,
}

/// The limits of every currency without an entry: whole numbers, which are amounts of any currency. At least one of the
/// two is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Others {
    per_payout: Option<Decimal>,
    per_day: Option<Decimal>,
}

/// The sign for all currencies without an entry.
const OTHERS: &str = "*";

/// A limit contradicts another one, or is not a valid amount of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// The limit is not a valid amount of the currency.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The limit for other currencies has decimals.
    #[error("Use whole numbers: a currency that is not named may have no decimals.")]
    Whole,
    /// The currency has an entry already.
    #[error("This currency has limits already.")]
    Twice,
    /// The limit of one payout exceeds that of a day.
    #[error("The maximum of one payout may not exceed that of a day.")]
    MoreThanADay,
}

impl MoneyLimits {
    /// Adds an entry for a currency: the limit of one payout, and that of a day.
    ///
    /// # Errors
    /// [`InvalidLimits`] when the limits are not valid for the currency, or the currency has an entry already.
    pub fn with(
        mut self,
        currency: Currency,
        per_payout: Option<Amount>,
        per_day: Option<Amount>,
    ) -> Result<Self, InvalidLimits> {
        let limits = Limits::new(currency, per_payout, per_day)?;
        if self.named.iter().any(|other| other.currency == limits.currency) {
            return Err(InvalidLimits::Twice);
        }
        self.named.push(limits);
        Ok(self)
    }

    /// Adds the limits for every currency without an entry.
    ///
    /// # Errors
    /// [`InvalidLimits`] when the limits are not whole numbers, contradict each other, or are set already.
    pub fn with_others(
        mut self,
        per_payout: Option<Amount>,
        per_day: Option<Amount>,
    ) -> Result<Self, InvalidLimits> {
        match self.others.replace(Others::new(per_payout, per_day)?) {
            None => Ok(self),
            Some(_) => Err(InvalidLimits::Twice),
        }
    }

    /// Returns whether there is no limit at all.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_none()
    }

    /// Returns the charge for a new payout; absent if its currency has no daily limit.
    ///
    /// # Errors
    /// [`OverLimit`] when the payout exceeds the limit of one payout.
    pub fn of_new(&self, money: Money, api_key: Option<ApiKeyId>) -> Result<Option<Charge>, OverLimit> {
        let limits = self.admitting(money)?;
        Ok(limits.and_then(|limits| limits.charge(money, api_key)))
    }

    /// Returns the charge for a retry, to the daily limit of the caller: the full amount, since the payout is sent
    /// again.
    ///
    /// # Errors
    /// [`OverLimit`] when the payout exceeds the limit of one payout.
    pub fn of_retry(&self, money: Money, api_key: Option<ApiKeyId>) -> Result<Option<Charge>, OverLimit> {
        self.of_new(money, api_key)
    }

    /// Returns the charge for an edit, to the daily limit of the caller: the increase of the amount, or the full amount
    /// if the currency changes. A decrease is not refunded.
    ///
    /// # Errors
    /// [`OverLimit`] when the new amount exceeds the limit of one payout.
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
        // An increase that is not a positive amount is no increase.
        let growth = Money::restore(growth, after.currency()).ok();
        Ok(limits
            .zip(growth)
            .and_then(|(limits, growth)| limits.charge(growth, api_key)))
    }

    /// Returns the limits of the currency, if there are any, after a check of the limit of one payout.
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

    fn new(
        currency: Currency,
        per_payout: Option<Amount>,
        per_day: Option<Amount>,
    ) -> Result<Self, InvalidLimits> {
        let money = |amount: Option<Amount>| amount.map(|amount| Money::new(amount, currency)).transpose();
        let (per_payout, per_day) = (money(per_payout)?, money(per_day)?);
        if let (Some(per_payout), Some(per_day)) = (per_payout, per_day)
            && per_payout.amount() > per_day.amount()
        {
            return Err(InvalidLimits::MoreThanADay);
        }
        Ok(Self {
            currency,
            per_payout,
            per_day,
        })
    }
}

impl Others {
    fn new(per_payout: Option<Amount>, per_day: Option<Amount>) -> Result<Self, InvalidLimits> {
        let whole = |amount: Option<Amount>| match amount.map(Amount::number) {
            Some(number) if number.scale() > 0 => Err(InvalidLimits::Whole),
            number => Ok(number),
        };
        let (per_payout, per_day) = (whole(per_payout)?, whole(per_day)?);
        if let (Some(per_payout), Some(per_day)) = (per_payout, per_day)
            && per_payout > per_day
        {
            return Err(InvalidLimits::MoreThanADay);
        }
        Ok(Self { per_payout, per_day })
    }

    /// Returns the limits in one currency, of which any whole number is an amount.
    fn of(self, currency: Currency) -> Option<Limits> {
        let money = |amount: Option<Decimal>| amount.and_then(|amount| Money::restore(amount, currency).ok());
        Some(Limits {
            currency,
            per_payout: money(self.per_payout),
            per_day: money(self.per_day),
        })
    }
}

/// Writes the limits for logs and reports, by currency: `USD=1000.00/50000.00`.
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

    /// Builds limits from entries of a currency, the limit of one payout and that of a day.
    fn limits(entries: &[(&str, Option<&str>, Option<&str>)]) -> MoneyLimits {
        let amount = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let entries = entries.iter();
        entries.fold(
            MoneyLimits::default(),
            |limits, (currency, per_payout, per_day)| {
                let (per_payout, per_day) = (amount(*per_payout), amount(*per_day));
                let more = match *currency {
                    OTHERS => limits.with_others(per_payout, per_day),
                    code => limits.with(code.parse().unwrap(), per_payout, per_day),
                };
                more.unwrap()
            },
        )
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
    fn limits_that_contradict_each_other_are_refused() {
        let amount = |text: &str| Some(text.parse().unwrap());
        let (euro, yen): (Currency, Currency) = ("EUR".parse().unwrap(), "JPY".parse().unwrap());
        let none = MoneyLimits::default;
        let decimals = AmountError::TooManyDecimals {
            allowed: 0,
            currency: yen,
        };
        for (refused, why) in [
            (
                none().with(euro, amount("2"), amount("1")),
                InvalidLimits::MoreThanADay,
            ),
            (
                none().with_others(amount("2"), amount("1")),
                InvalidLimits::MoreThanADay,
            ),
            (none().with_others(None, amount("1.50")), InvalidLimits::Whole),
            (
                none().with(yen, amount("1.5"), None),
                InvalidLimits::Amount(decimals),
            ),
            (
                limits(&[("EUR", Some("1"), None)]).with(euro, None, amount("9")),
                InvalidLimits::Twice,
            ),
            (
                limits(&[(OTHERS, Some("1"), None)]).with_others(amount("1"), None),
                InvalidLimits::Twice,
            ),
        ] {
            assert_eq!(refused.unwrap_err(), why);
        }
    }

    #[test]
    fn a_payout_may_be_of_the_maximum_and_not_of_a_cent_more() {
        let limits = limits(&[("USD", Some("1000"), None)]);
        assert_eq!(limits.of_new(money("1000", "USD"), None), Ok(None));
        assert_eq!(
            limits.of_new(money("1000.01", "USD"), None),
            Err(OverLimit::PerPayout(money("1000", "USD")))
        );
        assert_eq!(limits.of_new(money("999999", "EUR"), None), Ok(None));
    }

    #[test]
    fn a_new_payout_takes_all_of_itself_from_its_day() {
        let taken = limits(&[("JPY", None, Some("2000"))])
            .of_new(money("150", "JPY"), None)
            .unwrap();
        assert_eq!(charged(taken), charge("150", "JPY", "2000"));
    }

    #[test]
    fn a_retry_takes_all_of_the_payout_from_its_day() {
        let limits = limits(&[("USD", Some("1000"), Some("5000"))]);
        let taken = limits.of_retry(money("150", "USD"), None).unwrap();
        assert_eq!(charged(taken), charge("150", "USD", "5000.00"));
        assert_eq!(
            limits.of_retry(money("1000.01", "USD"), None),
            Err(OverLimit::PerPayout(money("1000", "USD")))
        );
    }

    #[test]
    fn the_rule_for_all_others_holds_for_each_currency_by_itself() {
        let limits = limits(&[("*", Some("100"), Some("300")), ("USD", Some("5"), None)]);
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
        let limits = limits(&[("USD", Some("1000"), Some("5000")), ("EUR", None, Some("70.00"))]);
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
        let limits = limits(&[("USD", Some("1000"), Some("5000"))]);
        let beyond = money("2000", "USD");
        assert_eq!(limits.of_edit(beyond, beyond, None), Ok(None));
    }
}
