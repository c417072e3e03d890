//! The query of a list. Each filter is defined once; its parser, its description in the document and its part of the
//! list's cursors come from that definition.

use std::fmt;

use payout_core::payout::MetadataEntry;
use payout_core::ports::{Filter, Order, Position};
use payout_core::usecase::{CountMode, PageRequest};
use url::form_urlencoded;

use super::cursor;
use crate::http::extract::query::{Query, QueryForm};
use crate::http::extract::query_values::{
    FilterValue, PageNumber, PageSize, SearchText, metadata_entries, metadata_entry,
};

/// The depth limit of pages by number: they must begin before this many payouts.
pub(super) const DEEPEST: u64 = 10_000;

/// The query of a list, parsed: the list, and the page of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListParams {
    /// The request for the use case.
    pub(crate) request: PageRequest,
    /// The `page` parameter, if the client pages by number.
    pub(crate) page: Option<u64>,
    /// Only payouts that the caller may approve.
    pub(crate) approvable: bool,
    /// The identity of the list, to which cursors are tied.
    pub(crate) list: ListIdentity,
}

/// Reads the filters, in the order of the document.
pub(super) fn filter(form: &mut impl QueryForm, list: &mut ListIdentity) -> Filter {
    Filter {
        statuses: list.filters(form, "status", "Only these statuses. May be repeated."),
        currency: list.filter(
            form,
            "currency",
            "Only this ISO 4217 currency, in any case; also one that new payouts no longer accept.",
        ),
        created_after: list.filter(
            form,
            "created_after",
            "Created at this time or later: RFC 3339, or a date such as `2026-11-01` (midnight UTC).",
        ),
        created_before: list.filter(
            form,
            "created_before",
            "Created before this time: RFC 3339 such as `2026-12-01T00:00:00Z`, or a date (midnight UTC).",
        ),
        needs_review: list.filter(
            form,
            "needs_review",
            "Only payouts that are, or are not, under review.",
        ),
        search: list
            .filter::<SearchText>(
                form,
                "search",
                "Exactly this account (an IBAN with or without spaces, in any case), or a recipient whose name begins with \
                 this, in any\ncase; where names are encrypted, only a whole name is found. Needs the scope `reveal`.",
            )
            .and_then(|search| search.0),
        external_id: list.filter(form, "external_id", "Only the payout with this external id."),
        metadata: list.entries(form),
        created_by: list.filter(form, "created_by", "Created by the API key of this name."),
        recipient_id: list.filter(form, "recipient_id", "Only payouts that were made from this stored recipient."),
        batch: list.filter(form, "batch_id", "Only payouts of this batch."),
        scheduled_after: list.filter(
            form,
            "scheduled_after",
            "Scheduled for this time or later: RFC 3339, or a date (midnight UTC).",
        ),
        scheduled_before: list.filter(
            form,
            "scheduled_before",
            "Scheduled for a time before this: RFC 3339, or a date (midnight UTC).",
        ),
        deleted: list
            .filter(
                form,
                "deleted",
                "`only` lists deleted payouts, `with` those beside the others; each then says when. Needs the scope `operate`.",
            )
            .unwrap_or_default(),
        // The caller decides, not the query.
        approvable_by: None,
    }
}

/// Reads the order.
pub(super) fn order(form: &mut impl QueryForm) -> Order {
    let order = form.one::<Order>(
        "ordering",
        "By time of creation, oldest or (as by default) newest first; or by `scheduled_at`, soonest or latest first, which\nlists only payouts that have one.",
    );
    order.value().unwrap_or_default()
}

impl Query for ListParams {
    fn of(form: &mut impl QueryForm) -> Self {
        let mut list = ListIdentity::default();
        let filter = filter(form, &mut list);
        let approvable = list.filter(
            form,
            "approvable",
            "`true` lists the payouts that this key's owner may still approve. Needs the scope `approve`.",
        );
        let order = order(form);
        list.note("ordering", &order.canonical());
        let size = form.one::<PageSize<20, 200>>("page_size", "The number of payouts on a page.");
        let size = size.value().unwrap_or_default().0;
        let page = form.one::<PageNumber>(
            "page",
            "The number of a page, from 1, among the first 10000 payouts of the list; for those behind them follow `next`, \
             which\nthen carries a cursor. Not together with `cursor`.",
        );
        let count = form.one::<CountMode>(
            "count",
            "`exact` counts beyond 10000. Refused with 503 when that takes too long, or when too many count.",
        );
        let cursor = form.of_links("cursor", |text| {
            cursor::decode(text, &list).map_err(|error| error.to_string().into())
        });
        if page.is_given() && cursor.is_given() {
            form.refuse("page", "Use page or cursor, not both.");
        }
        let page = page.value().map(|page| page.0);
        let first = (page.unwrap_or(1) - 1).saturating_mul(u64::from(size));
        Self {
            request: PageRequest {
                filter,
                order,
                position: cursor.value().unwrap_or(Position::Offset(first)),
                size,
                count: count.value().unwrap_or_default(),
            },
            page,
            approvable: approvable.unwrap_or(false),
            list,
        }
    }
}

/// The identity of a list: its order and filters by name. It is equal for equal lists, however a client wrote them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ListIdentity(String);

/// Without the text, which may contain an account or a name that was searched for.
impl fmt::Debug for ListIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListIdentity({} bytes)", self.0.len())
    }
}

impl ListIdentity {
    /// Returns the identity in the form of a query, so that no value can be mistaken for another name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn note(&mut self, name: &str, value: &str) {
        let mut query = form_urlencoded::Serializer::new(std::mem::take(&mut self.0));
        query.append_pair(name, value);
        self.0 = query.finish();
    }

    /// Reads a filter by one value.
    fn filter<T: FilterValue>(
        &mut self,
        form: &mut impl QueryForm,
        name: &'static str,
        about: &'static str,
    ) -> Option<T> {
        let value = form.one::<T>(name, about).value()?;
        self.note(name, &value.canonical());
        Some(value)
    }

    /// Reads the filters by entries of the metadata.
    fn entries(&mut self, form: &mut impl QueryForm) -> Vec<MetadataEntry> {
        let mut entries = form.entries(
            "metadata",
            "Only payouts with exactly this value of this entry: `metadata[team]=payroll`. Several must all match.",
            metadata_entries,
            metadata_entry,
        );
        entries.sort_unstable();
        for entry in &entries {
            self.note(&format!("metadata[{}]", entry.name()), entry.value());
        }
        entries
    }

    /// Reads a filter by any of several values.
    fn filters<T: FilterValue + PartialEq>(
        &mut self,
        form: &mut impl QueryForm,
        name: &'static str,
        about: &'static str,
    ) -> Vec<T> {
        let values = form.many::<T>(name, about);
        let mut texts: Vec<String> = values.iter().map(FilterValue::canonical).collect();
        texts.sort_unstable();
        if !texts.is_empty() {
            self.note(name, &texts.join(","));
        }
        values
    }
}

/// Returns whether a page by number begins within the first payouts of a list. Such a page costs more the more payouts
/// it skips; a cursor skips none.
pub(super) fn is_shallow(page: u64, size: u32) -> bool {
    page.saturating_sub(1).saturating_mul(u64::from(size)) < DEEPEST
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
        assert!(params.list.as_str().contains("CANARY-1"));
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in "\\PC{0,120}") {
            let _ = ListParams::parse(&query);
        }
    }
}
