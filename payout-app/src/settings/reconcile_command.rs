//! `payout reconcile`: what it can be told.

use std::str::FromStr;
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use clap::{Args, ValueEnum};
use payout_core::Timestamp;

/// The payouts that are checked against the provider, and the form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct ReconcileCommand {
    /// Payouts created since: an RFC 3339 time, a date (midnight UTC), or an age such as 90m, 36h or 7d
    #[arg(long, value_name = "WHEN")]
    pub since: When,
    /// Payouts created before; now when omitted
    #[arg(long, value_name = "WHEN")]
    pub until: Option<When>,
    /// The form of disagreements on standard output
    #[arg(long, value_enum, default_value_t = ReconcileFormat::Table)]
    pub format: ReconcileFormat,
    /// Payouts that are looked up at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: u16,
    /// Payouts that are processing for longer than this are reported
    #[arg(long, value_name = "AGE", default_value = "1h")]
    pub too_long: Age,
}

/// The form of disagreements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReconcileFormat {
    /// For people.
    Table,
    /// For spreadsheets.
    Csv,
    /// For programs.
    Json,
}

/// A length of time: `90s`, `90m`, `36h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "use a number and s, m, h or d, such as 36h";
        let unit = text.chars().last().ok_or(EXPECTED)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return Err(EXPECTED),
        };
        let number = text.strip_suffix(unit).unwrap_or_default();
        let number: u32 = number.parse().map_err(|_| EXPECTED)?;
        Ok(Self(Duration::from_secs(u64::from(number) * seconds)))
    }
}

/// A moment, or one so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This moment.
    At(Timestamp),
    /// So long ago.
    Ago(Age),
}

impl When {
    /// The moment, seen from `now`.
    pub fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(Age(age)) => TimeDelta::from_std(age)
                .ok()
                .and_then(|age| now.checked_sub_signed(age))
                .unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if let Ok(age) = text.parse() {
            return Ok(Self::Ago(age));
        }
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::At(date.and_time(chrono::NaiveTime::MIN).and_utc()));
        }
        let at = Timestamp::from_str(text);
        at.map(Self::At)
            .map_err(|_| "use an RFC 3339 time, a date, or an age such as 36h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_a_date_and_an_age_are_understood() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2026-11-01T08:30:00+01:00", "2026-11-01T07:30:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("36h", "2026-11-23T00:00:00Z"),
            ("7d", "2026-11-17T12:00:00Z"),
            ("90m", "2026-11-24T10:30:00Z"),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.seen_from(now), at.parse::<Timestamp>().unwrap(), "{text}");
        }
        for text in ["", "yesterday", "7", "d", "-7d", "2026-13-01", "7dd"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
