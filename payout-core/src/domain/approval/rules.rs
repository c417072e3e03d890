//! The operator's rules: the number of people who must approve, by currency and amount.

use std::fmt;

use rust_decimal::Decimal;

use crate::money::{Amount, AmountError, Currency, Money};

/// Rules by currency: from an amount on, a number of people must approve. The rules for other currencies apply to each
/// currency without a rule of its own.
///
/// ```
/// use payout_core::approval::ApprovalRules;
/// use payout_core::money::Money;
/// let from = |amount: &str| Some(amount.parse().unwrap());
/// let rules = ApprovalRules::default().with("EUR".parse().unwrap(), from("1000"), 1).unwrap();
/// let rules = rules.with("EUR".parse().unwrap(), from("50000"), 2).unwrap();
/// let rules = rules.with_others(None, 1).unwrap();
/// assert_eq!(rules.to_string(), "EUR=1000.00:1,EUR=50000.00:2,*=0:1");
/// let money = |amount: &str, currency: &str| Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap();
/// assert_eq!(rules.required(money("999.99", "EUR")), 0);
/// assert_eq!(rules.required(money("50000", "EUR")), 2);
/// assert_eq!(rules.required(money("1", "USD")), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalRules {
    /// By currency, and by amount within one.
    named: Vec<Rule>,
    others: Vec<(Decimal, u8)>,
}

/// A rule for one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    currency: Currency,
    from: Decimal,
    approvers: u8,
}

/// A rule contradicts another one, or is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRules {
    /// The amount is not valid for the currency.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The amount of a rule for other currencies has decimals.
    #[error("Use whole numbers: a currency that is not named may have no decimals.")]
    Whole,
    /// There is another rule for the same currency and amount.
    #[error("There is a rule from this amount already.")]
    Twice,
    /// The number of people is not between 1 and 9.
    #[error("From 1 to 9 people may be required.")]
    Approvers,
    /// A larger amount would require fewer people.
    #[error("A larger amount may not require fewer people.")]
    Fewer,
}

impl ApprovalRules {
    /// The largest number of people who may be required.
    pub const MOST: u8 = 9;

    /// Adds a rule: payouts in this currency from this amount on (absent: of any amount) require this number of people.
    ///
    /// # Errors
    /// [`InvalidRules`].
    pub fn with(
        mut self,
        currency: Currency,
        from: Option<Amount>,
        approvers: u8,
    ) -> Result<Self, InvalidRules> {
        let from = match from {
            None => Decimal::ZERO,
            Some(from) => Money::new(from, currency)?.amount(),
        };
        let rules = self.named.iter().filter(|rule| rule.currency == currency);
        check(rules.map(|rule| (rule.from, rule.approvers)), from, approvers)?;
        let rule = Rule {
            currency,
            from,
            approvers,
        };
        // By amount within one currency, which stays where it was named first.
        let place = self
            .named
            .iter()
            .position(|other| other.currency == currency && other.from > from)
            .or_else(|| {
                let last = self.named.iter().rposition(|other| other.currency == currency);
                last.map(|last| last + 1)
            })
            .unwrap_or(self.named.len());
        self.named.insert(place, rule);
        Ok(self)
    }

    /// Adds a rule for every currency without a rule of its own.
    ///
    /// # Errors
    /// [`InvalidRules`].
    pub fn with_others(mut self, from: Option<Amount>, approvers: u8) -> Result<Self, InvalidRules> {
        let from = from.map_or(Decimal::ZERO, Amount::number);
        if !from.fract().is_zero() {
            return Err(InvalidRules::Whole);
        }
        let from = from.trunc();
        check(self.others.iter().copied(), from, approvers)?;
        let place = self.others.partition_point(|(other, _)| *other < from);
        self.others.insert(place, (from, approvers));
        Ok(self)
    }

    /// Returns whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_empty()
    }

    /// Returns the number of people who must approve a payout of this amount.
    pub fn required(&self, money: Money) -> u8 {
        let named = || {
            let rules = self.named.iter();
            rules.filter(|rule| rule.currency == money.currency())
        };
        let reached = |from: &Decimal| *from <= money.amount();
        let required = if named().next().is_some() {
            named()
                .filter(|rule| reached(&rule.from))
                .map(|rule| rule.approvers)
                .max()
        } else {
            let others = self.others.iter().filter(|(from, _)| reached(from));
            others.map(|(_, approvers)| *approvers).max()
        };
        required.unwrap_or_default()
    }
}

fn check(
    rules: impl Iterator<Item = (Decimal, u8)>,
    from: Decimal,
    approvers: u8,
) -> Result<(), InvalidRules> {
    if !(1..=ApprovalRules::MOST).contains(&approvers) {
        return Err(InvalidRules::Approvers);
    }
    for (other, others) in rules {
        if other == from {
            return Err(InvalidRules::Twice);
        }
        if (other < from && others > approvers) || (other > from && others < approvers) {
            return Err(InvalidRules::Fewer);
        }
    }
    Ok(())
}

impl fmt::Display for ApprovalRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.named.iter().map(|rule| {
            let code = rule.currency.code();
            (code, rule.from, rule.approvers)
        });
        let others = self
            .others
            .iter()
            .map(|(from, approvers)| ("*", *from, *approvers));
        for (place, (code, from, approvers)) in named.chain(others).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{code}={from}:{approvers}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(entries: &[(&str, &str, u8)]) -> Result<ApprovalRules, InvalidRules> {
        let entries = entries.iter();
        entries
            .copied()
            .try_fold(ApprovalRules::default(), |rules, (currency, from, approvers)| {
                let from = (from != "0").then(|| from.parse().unwrap());
                match currency {
                    "*" => rules.with_others(from, approvers),
                    code => rules.with(code.parse().unwrap(), from, approvers),
                }
            })
    }

    fn required(rules: &ApprovalRules, amount: &str, currency: &str) -> u8 {
        rules.required(Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap())
    }

    #[test]
    fn an_amount_requires_what_the_highest_rule_that_it_reaches_says() {
        let rules = rules(&[("EUR", "50000", 2), ("EUR", "1000", 1)]).unwrap();
        for (amount, expected) in [
            ("0.01", 0),
            ("999.99", 0),
            ("1000", 1),
            ("49999.99", 1),
            ("50000", 2),
        ] {
            assert_eq!(required(&rules, amount, "EUR"), expected, "{amount}");
        }
        assert_eq!(required(&rules, "1000000", "USD"), 0);
    }

    #[test]
    fn the_rules_for_others_are_not_those_of_a_currency_with_its_own() {
        let rules = rules(&[("EUR", "1000", 2), ("*", "0", 1)]).unwrap();
        assert_eq!(required(&rules, "1", "EUR"), 0);
        assert_eq!(required(&rules, "1", "JPY"), 1);
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        for (entries, expected) in [
            (&[("EUR", "5", 1), ("EUR", "5.00", 2)][..], InvalidRules::Twice),
            (&[("*", "0", 1), ("*", "0", 2)], InvalidRules::Twice),
            (&[("EUR", "5", 2), ("EUR", "6", 1)], InvalidRules::Fewer),
            (&[("EUR", "6", 1), ("EUR", "5", 2)], InvalidRules::Fewer),
            (&[("EUR", "5", 0)], InvalidRules::Approvers),
            (&[("EUR", "5", 10)], InvalidRules::Approvers),
            (&[("*", "1.50", 1)], InvalidRules::Whole),
        ] {
            assert_eq!(rules(entries), Err(expected), "{entries:?}");
        }
        assert!(matches!(
            rules(&[("JPY", "1.5", 1)]),
            Err(InvalidRules::Amount(_))
        ));
    }

    #[test]
    fn rules_are_written_by_currency_and_amount() {
        let rules = rules(&[
            ("EUR", "50000", 2),
            ("USD", "7", 1),
            ("EUR", "10", 1),
            ("*", "9", 3),
        ])
        .unwrap();
        assert_eq!(rules.to_string(), "EUR=10.00:1,EUR=50000.00:2,USD=7.00:1,*=9:3");
    }
}
