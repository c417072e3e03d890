//! The rules for approvals.

use std::time::Duration;

use payout_core::approval::{ApprovalPolicy, ApprovalRules, InvalidRules};
use payout_core::money::{Amount, AmountError, Currency, UnknownCurrency};

use super::ConfigError;
use super::parse::{Reader, entries, number};
use super::table::section;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

section! {
    /// The rows of approvals.
    pub(super) struct ApprovalRows in SECTION, titled "Approvals", read by Api {
        /// The payouts that other people must approve before they are sent, comma-separated: the currency, the amount from
        /// which it applies, and the number of people: `EUR=1000:1,EUR=50000:2,*=0:1`, where `*` is every currency that has
        /// no rule of its own. All processes of one service need the same value.
        pub(super) rules: Option<ApprovalRules> = "PAYOUT_APPROVALS" {
            option: "approvals", value: "RULES", unset: "no payout needs approval", see: "Approvals",
        } => optional(rules),
        /// The days for which another payout of the same amount to the same account counts as a likely duplicate, which one
        /// other person must approve; 0 to look for none.
        pub(super) duplicate_days: u32 = "PAYOUT_DUPLICATE_DAYS" {
            option: "duplicate-days", value: "DAYS", default: "0", see: "Approvals",
        } => required(number(0..=366)),
    }
}

impl ApprovalRows {
    /// The policy that the rows make.
    pub(super) fn policy(self) -> ApprovalPolicy {
        ApprovalPolicy {
            rules: self.rules.unwrap_or_default(),
            duplicates_within: (self.duplicate_days > 0).then(|| DAY * self.duplicate_days),
        }
    }
}

/// An entry that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("use CURRENCY=AMOUNT:PEOPLE, comma-separated; * is every other currency")]
    Form,
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
    #[error(transparent)]
    Amount(#[from] AmountError),
    #[error(transparent)]
    Rules(#[from] InvalidRules),
}

fn rules(it: Reader<'_>) -> Result<ApprovalRules, ConfigError> {
    entries(it, with)
}

/// The rules with one more entry.
fn with(rules: ApprovalRules, entry: &str) -> Result<ApprovalRules, Problem> {
    let (currency, rest) = entry.split_once('=').ok_or(Problem::Form)?;
    let (from, approvers) = rest.split_once(':').ok_or(Problem::Form)?;
    let approvers = approvers.trim().parse().map_err(|_| Problem::Form)?;
    let from = from.trim();
    // Every amount is above zero, so a rule from zero is for all of them.
    let from = match from.trim_start_matches(['0', '.']) {
        "" if !from.is_empty() => None,
        _ => Some(from.parse::<Amount>()?),
    };
    Ok(match currency.trim() {
        "*" => rules.with_others(from, approvers)?,
        code => rules.with(Currency::recorded(code)?, from, approvers)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::Row;
    use super::*;

    const ROW: &Row = &SECTION.rows[0];

    fn read(text: &str) -> Result<ApprovalRules, ConfigError> {
        rules(Reader::new(ROW, text))
    }

    #[test]
    fn rules_are_read_by_currency_with_blanks_around_them() {
        let rules = read("EUR=1000:1, eur = 50000 : 2 ,JPY=0:1,*=0:1").unwrap();
        assert_eq!(rules.to_string(), "EUR=1000.00:1,EUR=50000.00:2,JPY=0:1,*=0:1");
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for (text, named) in [
            ("", "\"\": use CURRENCY=AMOUNT:PEOPLE"),
            ("EUR", "\"EUR\": use"),
            ("EUR=5", "\"EUR=5\": use"),
            ("EUR=5:", "\"EUR=5:\": use"),
            ("EUR=5:x", "\"EUR=5:x\": use"),
            ("EUR=:1", "\"EUR=:1\": A valid number is required."),
            ("EUR=5:0", "\"EUR=5:0\": From 1 to 9 people"),
            ("EUR=5:1,EUR=5:2", "\"EUR=5:2\": There is a rule"),
            ("EUR=5:2,EUR=6:1", "\"EUR=6:1\": A larger amount"),
            ("XAU=1:1", "\"XAU=1:1\": This is not an ISO 4217 currency code"),
            ("*=1.5:1", "\"*=1.5:1\": Use whole numbers"),
            (
                "EUR=-1:1",
                "\"EUR=-1:1\": Ensure this value is greater than zero.",
            ),
        ] {
            let refused = read(text).unwrap_err().message;
            assert!(refused.starts_with(named), "{text:?}: {refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_what_is_read_reads_back(text in "([A-Z]{0,3}|\\*)=?[0-9.e:,=*-]{0,12}|\\PC{0,30}") {
            if let Ok(rules) = read(&text) {
                proptest::prop_assert_eq!(read(&rules.to_string()).unwrap(), rules);
            }
        }
    }
}
