//! The filter of a bulk action: the query of the list that the person saw, without what selects no payouts.

use payout_core::Timestamp;
use payout_core::bulk::BulkFilter;
use payout_core::ports::Filter;
use url::form_urlencoded;

use crate::http::api::payouts::query::ListParams;
use crate::http::console::query::ONLY_PAGES;
use crate::http::extract::encoding;
use crate::http::extract::query::{Query, QueryPolicy};
use crate::http::middleware::parameters::Known;
use crate::http::problem::{Errors, Problem};

/// The parameters of the API's list that select no payouts.
const PAGING: [&str; 4] = ["page", "page_size", "count", "cursor"];

/// Returns the parameters of a list that select its payouts.
pub(in crate::http::console) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .map(|(name, value)| (name, value.trim().to_owned()))
        .filter(|(name, value)| !value.is_empty() && !is_of_page(name))
        .collect()
}

fn is_of_page(name: &str) -> bool {
    PAGING.contains(&name) || ONLY_PAGES.contains(&name)
}

/// Names the parameters that no list has, and those that are given twice: they would select other payouts than the person
/// meant.
pub(in crate::http::console) fn mistakes(query: &str) -> Errors {
    Known::of(QueryPolicy::of::<ListParams>()).check(query)
}

/// Returns the filter of a list with this query.
///
/// # Errors
/// 400 if the query is no list's, or too long.
pub(super) fn of_query(query: &str) -> Result<BulkFilter, Problem> {
    let undecodable = encoding::mistakes(query.as_bytes());
    if !undecodable.is_empty() {
        return Err(Problem::invalid(undecodable));
    }
    let text = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs(query))
        .finish();
    let mistakes = mistakes(&text);
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    ListParams::parse(&text)?;
    BulkFilter::new(&text).map_err(|error| Problem::invalid(Errors::of("filter", error.to_string())))
}

/// Parses the filter of an action.
pub(crate) fn read(filter: &BulkFilter) -> Option<(Filter, bool)> {
    let params = ListParams::parse(filter.as_str()).ok()?;
    let mut filter = params.request.filter;
    if params.request.order.is_by_schedule() {
        // Such a list has only payouts with a schedule.
        filter.scheduled_after.get_or_insert(Timestamp::UNIX_EPOCH);
    }
    Some((filter, params.approvable))
}

#[cfg(test)]
mod tests {
    use payout_core::payout::Status;

    use super::*;

    fn kept(query: &str) -> (Filter, bool) {
        read(&of_query(query).unwrap()).unwrap()
    }

    #[test]
    fn what_selects_payouts_is_kept_and_read_again() {
        let query = "status=failed&currency=eur&needs_review=&cursor=x&column=created&page=3&done=approved&q=7\
                     &metadata%5Bteam%5D=pay%26roll&step=retry&created_after=2026-11-01";
        let text = of_query(query).unwrap();
        assert_eq!(
            text.as_str(),
            "status=failed&currency=eur&metadata%5Bteam%5D=pay%26roll&created_after=2026-11-01"
        );
        let (filter, approvable) = kept(query);
        assert_eq!((&filter.statuses[..], approvable), (&[Status::Failed][..], false));
        assert_eq!(filter.metadata[0].value(), "pay&roll");
        assert!(filter.created_after.is_some());
        assert!(kept("approvable=true").1);
    }

    #[test]
    fn a_list_by_schedule_has_only_payouts_with_one() {
        assert!(kept("ordering=-scheduled_at").0.scheduled_after.is_some());
        assert!(kept("ordering=created_at").0.scheduled_after.is_none());
    }

    #[test]
    fn a_filter_that_is_misspelt_or_doubled_selects_nothing() {
        for query in [
            "staus=failed",
            "Status=failed",
            "status%5B%5D=failed",
            "amount_min=1000000",
            "metadata=x",
            "currency=EUR&currency=USD",
            "zzz=1",
            "external_id=Gr%fcn",
            "status=failed%",
        ] {
            assert!(of_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn what_is_no_list_is_no_filter() {
        assert!(of_query("currency=XXX").is_err());
        assert!(of_query(&format!("created_by={}", "x".repeat(5_000))).is_err());
        assert_eq!(read(&BulkFilter::new("status=gone").unwrap()), None);
    }
}
