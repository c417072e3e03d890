//! Values as people read them: times, amounts and counts.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::{SecondsFormat, TimeDelta};
use payout_core::Timestamp;
use payout_core::money::{Currency, Money};
use rust_decimal::Decimal;

/// A time: UTC in words, which the console's script puts into the reader's own zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct When(pub(super) Timestamp);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.0.to_rfc3339_opts(SecondsFormat::Secs, true);
        let exact = self.0.format("%Y-%m-%d %H:%M:%S%.3f UTC");
        let short = self.0.format("%-d %b %Y, %H:%M UTC");
        write!(f, "<time datetime=\"{machine}\" title=\"{exact}\">{short}</time>")
    }
}

/// Only digits and the names of months are written.
impl HtmlSafe for When {}

/// An amount with its thousands apart, and the number of decimals that its currency has.
pub(super) fn money(money: Money) -> String {
    amount(money.amount(), money.currency())
}

/// A sum with its thousands apart, and its currency.
pub(super) fn amount(amount: Decimal, currency: Currency) -> String {
    format!("{} {}", grouped(&amount.to_string()), currency.code())
}

/// A number with its thousands apart.
pub(super) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

fn grouped(number: &str) -> String {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if !decimals.is_empty() {
        text.push('.');
        text.push_str(decimals);
    }
    text
}

/// A duration in one or two words.
pub(super) fn duration(duration: TimeDelta) -> String {
    let seconds = duration.num_seconds().max(0);
    let of = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match seconds {
        0..60 => of(seconds, "second"),
        60..3_600 => of(seconds / 60, "minute"),
        3_600..172_800 => of(seconds / 3_600, "hour"),
        _ => of(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, expected) in [
            ("0", "0"),
            ("999", "999"),
            ("1000", "1,000"),
            ("-1234567.890", "-1,234,567.890"),
            ("12.5", "12.5"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, expected) in [
            (-5, "0 seconds"),
            (1, "1 second"),
            (119, "1 minute"),
            (7_200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(duration(TimeDelta::seconds(seconds)), expected);
        }
    }

    #[test]
    fn a_time_is_exact_for_those_who_look() {
        let at = Timestamp::from_timestamp_micros(1_795_944_600_123_456).unwrap();
        assert_eq!(
            When(at).to_string(),
            "<time datetime=\"2026-11-29T09:30:00Z\" title=\"2026-11-29 09:30:00.123 UTC\">29 Nov 2026, 09:30 UTC</time>"
        );
    }
}
