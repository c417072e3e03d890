//! `/console/payouts/`: the list of payouts. Its filters are those of the API, and all of them are in the address.

pub(super) mod columns;
pub(super) mod row;
pub(super) mod rows;
mod search;
pub(super) mod selected;

use askama::Template;
use payout_core::access::Scope;
use payout_core::payout::Status;
use payout_core::ports::{Filter, PayoutStats};
use payout_core::usecase::Page;
use salvo::{Depot, Request, handler};
use url::form_urlencoded;

use self::columns::Columns;
use self::row::Row;
use super::bulk;
use super::format::count;
use super::html::Reply;
use super::needs_you::at_least;
use super::query::ONLY_PAGES;
use super::shell::{Place, Shell};
use super::words;
use crate::http::api::payouts::cursor::{self, Direction};
use crate::http::api::payouts::list::allow;
use crate::http::api::payouts::query::ListParams;
use crate::http::extract::query::Query;
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The parameters that a person may set in the form, besides the status.
const FIELDS: [&str; 12] = [
    "currency",
    "created_after",
    "created_before",
    "needs_review",
    "search",
    "external_id",
    "created_by",
    "batch_id",
    "recipient_id",
    "scheduled_after",
    "scheduled_before",
    "ordering",
];

/// A tab: the payouts of one status.
struct Tab {
    name: &'static str,
    path: String,
    count: Option<String>,
    is_here: bool,
}

/// The values in the form for filters.
#[derive(Default)]
struct Fields {
    currency: String,
    created_after: String,
    created_before: String,
    search: String,
    external_id: String,
    created_by: String,
    batch_id: String,
    recipient_id: String,
    scheduled_after: String,
    scheduled_before: String,
    ordering: String,
}

#[derive(Template)]
#[template(path = "payouts/payouts.html")]
struct PayoutsPage {
    shell: Shell,
    tabs: Vec<Tab>,
    status: Vec<&'static str>,
    needs_review: bool,
    approvable: bool,
    fields: Fields,
    is_filtered: bool,
    columns: Columns,
    rows: Vec<Row>,
    unreadable: Vec<String>,
    count: String,
    next: Option<String>,
    previous: Option<String>,
    export: Option<String>,
    /// The filter for a step with everything that matches; absent where no step is possible.
    everything: Option<Vec<(String, String)>>,
    /// The text that was searched for and not found.
    not_found: Option<String>,
    mistakes: Vec<(String, String)>,
}

/// The pairs of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Returns the path of a list with these parameters.
fn path(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    if query.is_empty() {
        "/console/payouts/".to_owned()
    } else {
        format!("/console/payouts/?{query}")
    }
}

/// Shows the list, or the payout that is searched for.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let query = request.uri().query().unwrap_or_default();
    let pairs = pairs(query);
    let value = |name: &str| {
        let mut of_name = pairs.iter().filter(|(given, _)| given == name);
        of_name
            .next_back()
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let sought = value("q");
    if !sought.is_empty() {
        match search::find(context, &sought).await? {
            Some(to) => return Ok(Reply::go(to)),
            None if context.principal.may(Scope::Reveal) => {
                return Ok(Reply::go(path([("search".to_owned(), sought)])));
            }
            None => (),
        }
    }
    let shell = Shell::of(request, depot, Place::Payouts, "Payouts")?;
    let selects = shell.may.approve || shell.may.operate;
    let columns = Columns::of(query).selecting(selects);
    let fields = Fields {
        currency: value("currency"),
        created_after: value("created_after"),
        created_before: value("created_before"),
        search: value("search"),
        external_id: value("external_id"),
        created_by: value("created_by"),
        batch_id: value("batch_id"),
        recipient_id: value("recipient_id"),
        scheduled_after: value("scheduled_after"),
        scheduled_before: value("scheduled_before"),
        ordering: value("ordering"),
    };
    let is_filtered = FIELDS.iter().any(|name| !value(name).is_empty());
    let kept =
        |name: &str| FIELDS.contains(&name) || name == "status" || name == "approvable" || name == "column";
    let list: Vec<(String, String)> = pairs.iter().filter(|(name, _)| kept(name)).cloned().collect();
    let mut page = PayoutsPage {
        tabs: Vec::new(),
        status: Vec::new(),
        needs_review: value("needs_review") == "true",
        approvable: value("approvable") == "true",
        fields,
        is_filtered,
        columns,
        rows: Vec::new(),
        unreadable: Vec::new(),
        count: String::new(),
        next: None,
        previous: None,
        export: None,
        everything: None,
        not_found: (!sought.is_empty()).then_some(sought),
        mistakes: Vec::new(),
        shell,
    };
    let read = match bulk::filter::mistakes(&filters(&pairs)) {
        mistakes if mistakes.is_empty() => ListParams::parse(&with_size(&pairs)),
        mistakes => Err(Problem::invalid(mistakes)),
    };
    let mut params = match read {
        Ok(params) => params,
        Err(problem) => {
            let mistakes = problem.errors().iter();
            page.mistakes = mistakes
                .map(|(name, message)| (name.to_owned(), message.to_owned()))
                .collect();
            page.tabs = tabs(&list, &Filter::default(), None, None);
            return Reply::with_status(problem.status(), &page);
        }
    };
    if params.approvable {
        access::allows(&context.principal, &[Scope::Approve])?;
        params.request.filter.approvable_by = Some(context.principal.caller().person());
    }
    allow(&params.request.filter, &context.principal)?;
    let found = context.payouts()?.list(&params.request).await?;
    let link = |place, direction| {
        let cursor = cursor::encode(place, direction, &params.list);
        path(list.iter().cloned().chain([("cursor".to_owned(), cursor)]))
    };
    let census = context
        .app_state
        .health
        .census()
        .filter(|_| !is_filtered && !params.approvable);
    page.tabs = tabs(&list, &params.request.filter, Some(&found), census.as_deref());
    page.status = params
        .request
        .filter
        .statuses
        .iter()
        .map(|status| status.as_str())
        .collect();
    page.count = at_least(found.count);
    page.next = found.next.map(|place| link(place, Direction::After));
    page.previous = found.previous.map(|place| link(place, Direction::Before));
    page.unreadable = found.unreadable.iter().map(ToString::to_string).collect();
    page.rows = found
        .payouts
        .iter()
        .map(|payout| Row::of(payout, context))
        .collect();
    let keeps_filter = params.request.filter.search.is_none() && !params.request.filter.deleted.has_deleted();
    page.everything = (selects && keeps_filter).then(|| bulk::filter::pairs(query));
    page.export = (!params.approvable).then(|| {
        let filters = list.iter().filter(|(name, _)| name != "column").cloned();
        path(filters.chain([("format".to_owned(), "csv".to_owned())])).replacen(
            "/console/payouts/",
            "/console/payouts/export/",
            1,
        )
    });
    Reply::page(&page)
}

/// Returns the query without the parameters that only pages have, and without fields of the form that were left empty.
fn filters(pairs: &[(String, String)]) -> String {
    let kept = pairs
        .iter()
        .filter(|(name, value)| !value.trim().is_empty() && !ONLY_PAGES.contains(&name.as_str()));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .finish()
}

/// The rows of a page, and of one with many columns: either has less than 60 KB.
const ROWS: &str = "50";
const WIDE_ROWS: &str = "40";
/// The number of chosen columns above which a page is wide.
const WIDE: usize = 4;

/// Returns the query of the API's list.
fn with_size(pairs: &[(String, String)]) -> String {
    let columns = pairs.iter().filter(|(name, _)| name == "column").count();
    let rows = if columns > WIDE { WIDE_ROWS } else { ROWS };
    let kept = pairs
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "page_size" | "page" | "count"));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept).append_pair("page_size", rows);
    query.finish()
}

/// Returns the tabs: every status, each with the other filters as they are.
fn tabs(
    list: &[(String, String)],
    filter: &Filter,
    found: Option<&Page>,
    census: Option<&PayoutStats>,
) -> Vec<Tab> {
    let others = || {
        let kept = |name: &str| !matches!(name, "status" | "needs_review" | "approvable");
        list.iter().filter(move |(name, _)| kept(name)).cloned()
    };
    let is_review = filter.needs_review == Some(true);
    let here = found.map(|page| at_least(page.count));
    let of_census = |status: Status| {
        let counts = census?.counts.iter().filter(|counted| counted.status == status);
        Some(count(counts.map(|counted| counted.count).sum()))
    };
    let mut tabs = Vec::new();
    let is_all = filter.statuses.is_empty() && !is_review;
    tabs.push(Tab {
        name: "All",
        path: path(others()),
        count: here.clone().filter(|_| is_all),
        is_here: is_all,
    });
    for status in Status::ALL.iter().copied() {
        let is_here = filter.statuses == [status] && !is_review;
        let chosen = others().chain([("status".to_owned(), status.as_str().to_owned())]);
        tabs.push(Tab {
            name: words::status(status, false),
            path: path(chosen),
            count: if is_here { here.clone() } else { of_census(status) },
            is_here,
        });
        if status == Status::Processing {
            let pairs = [("status", "processing"), ("needs_review", "true")];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            tabs.push(Tab {
                name: "Under review",
                path: path(others().chain(pairs)),
                count: if is_review {
                    here.clone()
                } else {
                    census.map(|census| count(census.in_review))
                },
                is_here: is_review,
            });
        }
    }
    tabs
}
