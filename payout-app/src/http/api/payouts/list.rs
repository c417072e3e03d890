//! `GET /api/payouts/`

use payout_core::keys::Scope;
use payout_core::ports::{Cursor, Deleted};
use payout_core::service::Page;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use crate::http::answer::{Answer, PayoutBody};
use crate::http::api::payouts::cursor::{self, Direction};
use crate::http::api::payouts::query::{self, ListParams};
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::openapi::{Counting, Deletion, Moment, Ordering, RecordedCurrencyCode, StatusName};
use crate::http::problem::{Kind, Problem};

/// One page of payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = PayoutPage)]
pub(crate) struct PageBody<'a> {
    /// How many payouts the whole list has.
    #[schema(example = 10_000)]
    count: u64,
    /// Whether `count` is exact. When false, the list has at least so many.
    count_exact: bool,
    /// The next page; null on the last. With scheme and host where the service knows by which it was reached, else from the
    /// root of this host.
    #[schema(
        required = true,
        example = "http://127.0.0.1:8000/api/payouts/?page_size=20&cursor=AWEABkRb5u0"
    )]
    next: Option<String>,
    /// The page before; null on the first.
    #[schema(required = true)]
    previous: Option<String>,
    /// The payouts of this page.
    results: Vec<PayoutBody<'a>>,
    /// The ids of those payouts of this page that are stored and cannot be read, since their rows were altered or their key
    /// is gone. Absent when all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<Uuid>)]
    unreadable: Vec<String>,
}

/// What a list can be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the query that `ListParams` reads")]
pub(crate) struct ListQuery {
    /// Only these statuses. May be repeated.
    #[param(required = false)]
    status: Vec<StatusName>,
    /// Only this currency of ISO 4217, in any case; also one in which nobody is paid any more.
    #[param(inline, required = false)]
    currency: RecordedCurrencyCode,
    /// Created at this time or later: RFC 3339, or a date such as `2026-11-01` (midnight UTC).
    #[param(inline, required = false)]
    created_after: Moment,
    /// Created before this time: RFC 3339 such as `2026-12-01T00:00:00Z`, or a date (midnight UTC).
    #[param(inline, required = false)]
    created_before: Moment,
    /// Only those that do, or do not, wait for a person.
    needs_review: Option<bool>,
    /// Exactly this account (an IBAN with or without spaces, in any case), or a recipient whose name begins with this, in any
    /// case; where names are encrypted, only a whole name is found. Needs the scope `reveal`.
    #[param(max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    search: Option<String>,
    /// `only` lists deleted payouts, `with` those beside the others; each then says when. Needs the scope `operate`.
    #[param(inline)]
    deleted: Option<Deletion>,
    /// By time of creation, oldest or (as by default) newest first.
    #[param(inline)]
    ordering: Option<Ordering>,
    /// How many payouts a page has.
    #[param(minimum = 1, maximum = 200, default = 20)]
    page_size: Option<u32>,
    /// The number of a page, from 1, among the first 10000 payouts of the list; for those behind them follow `next`, which
    /// then carries a cursor. Not together with `cursor`.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    page: Option<u64>,
    /// `exact` counts beyond 10000. Refused with 503 when that takes too long, or when too many count.
    #[param(inline)]
    count: Option<Counting>,
}

/// List payouts
///
/// Newest first. Follow `next` and `previous`: they carry an opaque `cursor` of this very list (not together with `page`), cost the same at any depth, and neither
/// repeat nor miss a payout while others are created. `page` also works, for clients of the old service.
#[utoipa::path(
    get,
    path = "/api/payouts/",
    impl_for = list_payouts,
    operation_id = "list_payouts",
    tag = "Payouts",
    params(ListQuery),
    // No client makes one by itself, and the document says nothing that could be one.
    extensions(("x-parameters-of-links" = json!(["cursor"]))),
    responses((status = 200, description = "A page.", body = PageBody)),
)]
#[handler]
pub(crate) async fn list_payouts(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let params = ListParams::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::of(depot)?;
    if params.request.filter.search.is_some() {
        // Whoever may search, letter by letter, need not be shown.
        access::allows(&context.principal, &[Scope::Reveal])?;
    }
    if params
        .page
        .is_some_and(|page| !query::is_shallow(page, params.request.size))
    {
        let detail = format!(
            "Pages by number end at payout {}: follow `next`, which carries a cursor, or narrow the list by created_before.",
            query::DEEPEST
        );
        return Err(Problem::new(Kind::NotFound, detail));
    }
    if params.request.filter.deleted != Deleted::Without {
        access::allows(&context.principal, &[Scope::Operate])?;
    }
    let page = context.payouts()?.list(&params.request).await?;
    if params.page.is_some_and(|page| page > 1) && page.payouts.is_empty() && page.unreadable.is_empty() {
        return Err(Problem::new(Kind::NotFound, "There is no such page."));
    }
    let links = Links {
        base: context.site.limits.base_address(request).unwrap_or_default(),
        params: &params,
    };
    Answer::json(&PageBody {
        count: page.count.count,
        count_exact: page.count.exact,
        next: links.next(&page),
        previous: links.previous(&page),
        results: page
            .payouts
            .iter()
            .map(|payout| {
                let deleted_at = page.deleted.get(&payout.id()).copied();
                PayoutBody::of(payout, &context.principal).deleted_at(deleted_at)
            })
            .collect(),
        unreadable: page.unreadable.iter().map(ToString::to_string).collect(),
    })
}

struct Links<'a> {
    base: String,
    params: &'a ListParams,
}

impl Links<'_> {
    fn next(&self, page: &Page) -> Option<String> {
        let cursor = page.next?;
        let size = self.params.request.size;
        Some(match self.params.page {
            Some(number) if query::is_shallow(number + 1, size) => {
                self.link("page", &(number + 1).to_string())
            }
            Some(_) | None => self.by_cursor(cursor, Direction::After),
        })
    }

    fn previous(&self, page: &Page) -> Option<String> {
        let cursor = page.previous?;
        Some(match self.params.page {
            Some(number) => self.link("page", &(number - 1).to_string()),
            None => self.by_cursor(cursor, Direction::Before),
        })
    }

    fn by_cursor(&self, cursor: Cursor, direction: Direction) -> String {
        let request = &self.params.request;
        self.link(
            "cursor",
            &cursor::encode(cursor, direction, request.order, &request.filter),
        )
    }

    /// The same list at another place.
    fn link(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.params.kept).append_pair(name, value);
        format!("{}/api/payouts/?{}", self.base, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_every_filter_and_encode_it() {
        let params = ListParams::parse("search=%C3%A9+%26&status=failed&page=2").unwrap();
        let links = Links {
            base: "http://host:1".to_owned(),
            params: &params,
        };
        let link = links.link("page", "3");
        assert_eq!(
            link,
            "http://host:1/api/payouts/?search=%C3%A9+%26&status=failed&page=3"
        );
    }
}
