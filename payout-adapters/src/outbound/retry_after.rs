//! The wait that the provider asks for with `Retry-After`.

use std::time::Duration;

use chrono::DateTime;
use payout_core::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// The longest wait that is honoured. A longer one is an error of the provider: payouts would wait until an operator
/// notices.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `Retry-After` as seconds or as a date (RFC 9110 §10.2.3). Anything else counts as absent.
///
/// A date is measured from the answer's own `Date` header, where there is one, so that the two clocks need not agree.
pub(crate) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows is still a long wait.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let then = date(text)?;
    let sent = header(headers, &DATE).and_then(date).unwrap_or(now);
    Some((then - sent).to_std().unwrap_or_default().min(LONGEST))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Parses the HTTP date format in use since 1995. The two obsolete formats count as absent.
fn date(text: &str) -> Option<Timestamp> {
    text.ends_with(" GMT")
        .then(|| DateTime::parse_from_rfc2822(text).ok())?
        .map(|date| date.to_utc())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn after(value: &str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::try_from(value).unwrap())]);
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        read(&headers, "2026-11-24T09:00:00Z".parse().unwrap()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_are_taken_up_to_a_day() {
        assert_eq!(after("0", None), Some(0));
        assert_eq!(after(" 120 ", None), Some(120));
        assert_eq!(after("86401", None), Some(86_400));
        assert_eq!(after("99999999999999999999999", None), Some(86_400));
    }

    #[test]
    fn a_date_is_counted_from_the_answers_own_or_from_now() {
        let then = "Tue, 24 Nov 2026 09:00:30 GMT";
        assert_eq!(after(then, None), Some(30));
        assert_eq!(after(then, Some("Tue, 24 Nov 2026 09:00:20 GMT")), Some(10));
        assert_eq!(after(then, Some("nonsense")), Some(30));
        assert_eq!(after("Tue, 24 Nov 2026 08:00:00 GMT", None), Some(0));
        assert_eq!(after("Fri, 24 Nov 2028 09:00:00 GMT", None), Some(86_400));
    }

    #[test]
    fn garbage_is_ignored() {
        for value in [
            "",
            "soon",
            "-1",
            "1.5",
            "+5",
            "1e3",
            "0x10",
            "Tue, 99 Nov 2026 09:00:30 GMT",
            "2026-11-24",
        ] {
            assert_eq!(after(value, None), None, "{value}");
        }
        assert_eq!(read(&HeaderMap::new(), Timestamp::default()), None);
    }
}
