//! Reads the query of a list.
//!
//! Whatever has a wrong value is refused by name, all at once. What is unknown or given twice was refused before
//! ([`parameters`](crate::http::middleware::parameters)).

use std::fmt;

use payout_core::Timestamp;
use payout_core::money::Currency;
use payout_core::ports::{Deleted, Filter, Order, Position, Search};
use payout_core::service::{CountMode, PageRequest};
use payout_core::text::nfc;
use url::form_urlencoded;

use crate::http::api::payouts::cursor;
use crate::http::extract::moment;
use crate::http::problem::{Errors, Problem};

const DEFAULT_PAGE_SIZE: u32 = 20;
const MAX_PAGE_SIZE: u32 = 200;
/// Pages by number begin before this many payouts.
pub(crate) const DEEPEST: u64 = 10_000;

/// Which page of which list, as a query says it.
#[derive(PartialEq, Eq)]
pub(crate) struct ListParams {
    /// What the use case takes.
    pub(crate) request: PageRequest,
    /// The `page` parameter, where the client counts pages.
    pub(crate) page: Option<u64>,
    /// Every parameter but `cursor` and `page`, as it was given: links carry them on.
    pub(crate) kept: Vec<(String, String)>,
}

/// But for the parameters as they were given: a search is for an account or a name.
impl fmt::Debug for ListParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListParams")
            .field("request", &self.request)
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

impl ListParams {
    /// Reads a query.
    ///
    /// # Errors
    /// 400 with the messages by parameter.
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let mut reader = Reader {
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            errors: Errors::default(),
        };
        let filter = reader.filter();
        let order = reader
            .read("ordering", |text| match text {
                "created_at" => Ok(Order::OldestFirst),
                "-created_at" => Ok(Order::NewestFirst),
                _ => Err("Use created_at or -created_at.".to_owned()),
            })
            .unwrap_or_default();
        let count = reader
            .read("count", |text| match text {
                "exact" => Ok(CountMode::Exact),
                _ => Err("Use exact, or leave it away.".to_owned()),
            })
            .unwrap_or_default();
        let size = reader.read("page_size", page_size).unwrap_or(DEFAULT_PAGE_SIZE);
        let page = reader.read("page", page_number);
        let cursor = reader.read("cursor", |text| {
            cursor::decode(text, order, &filter).map_err(|error| error.to_string())
        });
        if reader.given("page").is_some() && reader.given("cursor").is_some() {
            reader.errors.add("page", "Use page or cursor, not both.");
        }
        if !reader.errors.is_empty() {
            return Err(Problem::invalid(reader.errors));
        }
        let position = match (cursor, page) {
            (Some(cursor), _) => cursor,
            (None, page) => Position::Offset((page.unwrap_or(1) - 1).saturating_mul(u64::from(size))),
        };
        let kept = reader
            .pairs
            .into_iter()
            .filter(|(name, _)| name != "cursor" && name != "page")
            .collect();
        Ok(Self {
            request: PageRequest {
                filter,
                order,
                position,
                size,
                count,
            },
            page,
            kept,
        })
    }
}

/// A query's pairs, and what was wrong with them.
struct Reader {
    pairs: Vec<(String, String)>,
    errors: Errors,
}

impl Reader {
    /// The value of a parameter. An empty one counts as absent.
    fn given(&self, name: &str) -> Option<&str> {
        let last = self.pairs.iter().rev().find(|(given, _)| given == name);
        last.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn read<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.given(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.add(name, message);
                None
            }
        }
    }

    fn filter(&mut self) -> Filter {
        Filter {
            statuses: self.statuses(),
            currency: self.read("currency", |text| {
                // Also one in which nobody is paid any more: there may be payouts of it.
                Currency::recorded(text).map_err(|error| error.to_string())
            }),
            created_after: self.read("created_after", moment),
            created_before: self.read("created_before", moment),
            needs_review: self.read("needs_review", |text| match text {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err("Use true or false.".to_owned()),
            }),
            search: self.read("search", search).flatten(),
            deleted: self.read("deleted", deletion).unwrap_or_default(),
        }
    }

    /// `status` may be repeated, and may be a list with commas.
    fn statuses(&mut self) -> Vec<payout_core::payout::Status> {
        let mut statuses = Vec::new();
        let mut refused = None;
        for (_, value) in self.pairs.iter().filter(|(name, _)| name == "status") {
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name.parse::<payout_core::payout::Status>() {
                    Ok(status) if !statuses.contains(&status) => statuses.push(status),
                    Ok(_) => (),
                    Err(error) => refused = Some(error.to_string()),
                }
            }
        }
        if let Some(message) = refused {
            self.errors.add("status", message);
        }
        statuses
    }
}

/// Whether deleted payouts are asked for.
pub(crate) fn deletion(text: &str) -> Result<Deleted, String> {
    match text {
        "only" => Ok(Deleted::Only),
        "with" => Ok(Deleted::With),
        _ => Err("Use only or with, or leave it away.".to_owned()),
    }
}

fn page_size(text: &str) -> Result<u32, String> {
    digits(text)
        .and_then(|size| u32::try_from(size).ok())
        .filter(|size| (1..=MAX_PAGE_SIZE).contains(size))
        .ok_or_else(|| format!("Use a number from 1 to {MAX_PAGE_SIZE}."))
}

fn page_number(text: &str) -> Result<u64, String> {
    digits(text)
        .filter(|page| *page > 0)
        .ok_or_else(|| "Use a number from 1 on.".to_owned())
}

/// Whether a page by number begins within the first payouts of a list. What it costs grows with what it passes over; a
/// cursor passes over nothing.
pub(crate) fn is_shallow(page: u64, size: u32) -> bool {
    page.saturating_sub(1).saturating_mul(u64::from(size)) < DEEPEST
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

fn search(text: &str) -> Result<Option<Search>, String> {
    if nfc(text).chars().count() > 128 {
        return Err("Ensure this value has no more than 128 characters.".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("Control characters are not allowed.".to_owned());
    }
    Ok(Search::new(text))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    moment::parse_in_query(text)
        .ok_or_else(|| "Use RFC 3339, such as 2026-11-24T09:30:00Z, or a date.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str, name: &str) -> Vec<String> {
        let problem = ListParams::parse(query).unwrap_err();
        assert_eq!(problem.status(), 400);
        problem
            .errors()
            .get(name)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn an_empty_query_is_the_first_page_newest_first() {
        for query in ["", "status=&currency=&page=&cursor=&search="] {
            let params = ListParams::parse(query).unwrap();
            let request = params.request;
            assert_eq!(request.filter, Filter::default());
            assert_eq!((request.order, request.size), (Order::NewestFirst, 20));
            assert_eq!((request.position, params.page), (Position::Offset(0), None));
        }
    }

    #[test]
    fn filters_are_read() {
        let params = ListParams::parse(
            "status=failed&status=pending,completed&currency=eur&created_after=2026-01-02&needs_review=false\
             &created_before=2026-01-02T03:04:05%2B02:00&search=%20Ada%20&ordering=created_at&count=exact&page_size=7&page=3",
        )
        .unwrap();
        let PageRequest {
            filter,
            order,
            position,
            size,
            count,
        } = params.request;
        let names: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
        assert_eq!(names, ["failed", "pending", "completed"]);
        assert_eq!(filter.currency.unwrap().code(), "EUR");
        assert_eq!(
            filter.created_after.unwrap().to_rfc3339(),
            "2026-01-02T00:00:00+00:00"
        );
        assert_eq!(
            filter.created_before.unwrap().to_rfc3339(),
            "2026-01-02T01:04:05+00:00"
        );
        assert_eq!(filter.needs_review, Some(false));
        assert_eq!(filter.search.unwrap().account(), "Ada");
        assert_eq!((order, count, size), (Order::OldestFirst, CountMode::Exact, 7));
        assert_eq!(position, Position::Offset(14));
    }

    #[test]
    fn a_forgotten_encoding_of_plus_is_forgiven() {
        let params = ListParams::parse("created_after=2026-01-02T03:04:05+02:00").unwrap();
        assert!(params.request.filter.created_after.is_some());
    }

    #[test]
    fn every_wrong_parameter_is_named_at_once() {
        let query = "status=gone&currency=XXX&created_after=yesterday&created_before=2026-13-01&needs_review=yes\
                     &search=a%00b&deleted=yes&ordering=amount&count=about&page_size=0&page=0&cursor=x";
        let problem = ListParams::parse(query).unwrap_err();
        for name in [
            "status",
            "currency",
            "created_after",
            "created_before",
            "needs_review",
            "search",
            "deleted",
            "ordering",
            "count",
            "page_size",
            "page",
            "cursor",
        ] {
            assert!(!problem.errors().get(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn sizes_and_pages_are_plain_numbers_within_bounds() {
        for size in ["0", "201", "-1", "+5", "1.5", "x", "99999999999999999999"] {
            assert_eq!(
                refused(&format!("page_size={size}"), "page_size").len(),
                1,
                "{size}"
            );
        }
        for page in ["0", "-1", "+1", "x", "99999999999999999999"] {
            assert_eq!(refused(&format!("page={page}"), "page").len(), 1, "{page}");
        }
        assert_eq!(ListParams::parse("page_size=200").unwrap().request.size, 200);
        assert!(ListParams::parse("page=18446744073709551615").is_ok());
    }

    #[test]
    fn pages_by_number_end_where_passing_over_the_rows_before_them_grows_dear() {
        for (page, size) in [(1, 200), (500, 20), (50, 200), (10_000, 1)] {
            assert!(is_shallow(page, size), "{page} of {size}");
        }
        for (page, size) in [(501, 20), (51, 200), (10_001, 1), (u64::MAX, 200)] {
            assert!(!is_shallow(page, size), "{page} of {size}");
        }
    }

    #[test]
    fn page_and_cursor_exclude_each_other() {
        assert!(refused("page=1&cursor=x", "page").contains(&"Use page or cursor, not both.".to_owned()));
    }

    #[test]
    fn what_is_searched_for_is_not_printed() {
        let params = ListParams::parse("search=CANARY-1&page_size=3").unwrap();
        assert!(!format!("{params:?}").contains("CANARY"));
        assert_eq!(params.kept[0].1, "CANARY-1");
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "\\PC{0,120}") {
            let _ = ListParams::parse(&query);
        }
    }
}
