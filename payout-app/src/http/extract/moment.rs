//! Times in all forms of RFC 3339 §5.6.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use payout_core::Timestamp;

/// The message for a text that is no time.
pub(crate) const EXPECTED: &str = "Use RFC 3339, such as 2026-11-24T09:30:00Z.";

/// The offset of the time of day, after the date.
const TIME: usize = "2026-11-28T".len();

/// Parses a date and time with an offset: `T` and `Z` in any case, or a space between the two; a fraction of any
/// length; a leap second.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.to_ascii_uppercase();
    let (date, time) = text.split_at_checked(TIME)?;
    let date = date.strip_suffix(['T', ' '])?;
    if !is_date(date) || time.contains(' ') {
        return None;
    }
    let at = DateTime::parse_from_rfc3339(&format!("{date}T{time}")).ok()?;
    Some(at.with_timezone(&Utc))
}

/// Parses a time in a query. A plus sign that the client did not encode arrives as a space.
pub(crate) fn parse_in_query(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(TIME)?;
    parse(&format!("{date}{}", time.replacen(' ', "+", 1)))
}

/// Parses a bound in a query: a time, or a date, which means midnight UTC.
pub(crate) fn parse_bound(text: &str) -> Option<Timestamp> {
    if is_date(text) {
        let date: NaiveDate = text.parse().ok()?;
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    parse_in_query(text)
}

fn is_date(text: &str) -> bool {
    text.len() == TIME - 1
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(at: Option<Timestamp>) -> String {
        at.map(|at| at.to_rfc3339()).unwrap_or_default()
    }

    #[test]
    fn every_form_of_the_standard_is_read() {
        for (text, expected) in [
            ("2026-11-28T09:30:00Z", "2026-11-28T09:30:00+00:00"),
            ("2026-11-28t09:30:00z", "2026-11-28T09:30:00+00:00"),
            ("2026-11-28 09:30:00Z", "2026-11-28T09:30:00+00:00"),
            ("2026-11-28 09:30:00+02:00", "2026-11-28T07:30:00+00:00"),
            ("2026-11-28T09:30:00-05:30", "2026-11-28T15:00:00+00:00"),
            ("2026-11-28T09:30:00-00:00", "2026-11-28T09:30:00+00:00"),
            ("2026-11-28T09:30:00.5Z", "2026-11-28T09:30:00.500+00:00"),
            (
                "2026-11-28T09:30:00.123456789012Z",
                "2026-11-28T09:30:00.123456789+00:00",
            ),
        ] {
            assert_eq!(shown(parse(text)), expected, "{text}");
            assert_eq!(shown(parse_in_query(text)), expected, "{text}");
            assert_eq!(shown(parse_bound(text)), expected, "{text}");
        }
        let leap = parse("2016-12-31T23:59:60Z").unwrap();
        assert_eq!(leap.timestamp_micros(), 1_483_228_800_000_000);
    }

    #[test]
    fn in_a_query_a_plus_that_was_not_encoded_will_do_and_a_bound_may_be_a_date() {
        for text in ["2026-11-28T09:30:00 02:00", "2026-11-28 09:30:00 02:00"] {
            let expected = "2026-11-28T07:30:00+00:00";
            assert_eq!(shown(parse_in_query(text)), expected, "{text}");
            assert_eq!(shown(parse_bound(text)), expected, "{text}");
            assert_eq!(parse(text), None, "{text}");
        }
        let date = "2026-11-28";
        assert_eq!(shown(parse_bound(date)), "2026-11-28T00:00:00+00:00");
        assert_eq!((parse_in_query(date), parse(date)), (None, None));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-28T09:30:00",
            "2026-11-28T09:30Z",
            "2026-11-28T24:00:00Z",
            "2026-11-28T09:30:00+0200",
            "2026-11-28T09:30:00 Z",
            "2026-11-28  09:30:00Z",
            "2026-11-28_09:30:00Z",
            "2026-13-01",
            "2026-02-30",
            "2026-2-3",
            "20261128",
            "+12026-11-28T09:30:00Z",
            "2026-11-28T09:30:00.Z",
            "2026-11-28T09:30:00,5Z",
            "２026-11-28",
        ] {
            assert_eq!(parse(text), None, "{text}");
            assert_eq!(parse_in_query(text), None, "{text}");
            assert_eq!(parse_bound(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = (parse(&text), parse_bound(&text));
        }
    }
}
