//! `GET /api/payouts/`

use payout_core::access::{Principal, Scope};
use payout_core::ports::{Cursor, Deleted, Filter};
use payout_core::usecase::Page;
use salvo::{Depot, Request, handler};
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::cursor::{self, Direction};
use super::query::{self, ListParams};
use crate::http::answer::{Answer, PayoutBody};
use crate::http::extract::query::{Query, QueryPolicy};
use crate::http::middleware::access;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// A page of payouts.
#[derive(Serialize, ToSchema)]
#[schema(as = PayoutPage)]
pub(crate) struct PageBody<'a> {
    /// The number of payouts in the whole list.
    #[schema(example = 10_000)]
    count: u64,
    /// True if `count` is exact. If false, the list has at least `count` payouts.
    count_exact: bool,
    /// The next page; null on the last. With scheme and host if the service knows under which address the client
    /// reached it, else from the root of this host.
    #[schema(
        required = true,
        example = "http://127.0.0.1:8000/api/payouts/?page_size=20&cursor=AWEABkRb5u0"
    )]
    next: Option<String>,
    /// The previous page; null on the first.
    #[schema(required = true)]
    previous: Option<String>,
    /// The payouts of this page.
    results: Vec<PayoutBody<'a>>,
    /// The ids of payouts on this page whose stored rows cannot be read, because they were altered or their encryption
    /// key is gone. Absent if all can be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<Uuid>)]
    unreadable: Vec<String>,
}

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<ListParams>()),
    refusals: &[Kind::NotFound],
    ..RoutePolicy::scoped(&[Scope::Read])
};

/// List payouts
///
/// Newest first. Follow `next` and `previous`: each carries an opaque `cursor` of this list (not together with `page`).
/// A cursor costs the same at any depth, and no payout is repeated or missed while others are created. `page` also
/// works, for clients of the old service.
#[utoipa::path(
    get,
    path = "/api/payouts/",
    impl_for = list_payouts,
    operation_id = "list_payouts",
    tag = "Payouts",
    responses((status = 200, description = "A page.", body = PageBody)),
)]
#[handler]
pub(crate) async fn list_payouts(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let mut params = ListParams::parse(query)?;
    let context = Context::of(depot)?;
    if params.approvable {
        access::allows(&context.principal, &[Scope::Approve])?;
        params.request.filter.approvable_by = Some(context.principal.caller().person());
    }
    allow_search(&params.request.filter, &context.principal)?;
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
    allow_deleted(&params.request.filter, &context.principal)?;
    let page = context.payouts()?.list(&params.request).await?;
    if params.page.is_some_and(|page| page > 1) && page.payouts.is_empty() && page.unreadable.is_empty() {
        return Err(Problem::new(Kind::NotFound, "There is no such page."));
    }
    let links = Links {
        base: context.app_state.limits.base_address(request).unwrap_or_default(),
        query,
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
                let waiting_for = context.app_state.providers.waiting_for(payout);
                PayoutBody::of(payout, &context.principal)
                    .waiting_for(waiting_for)
                    .deleted_at(deleted_at)
            })
            .collect(),
        unreadable: page.unreadable.iter().map(ToString::to_string).collect(),
    })
}

/// Checks the scope that a search needs: a caller that may search letter by letter could find out what is masked.
fn allow_search(filter: &Filter, principal: &Principal) -> Result<(), Problem> {
    match filter.search {
        Some(_) => access::allows(principal, &[Scope::Reveal]),
        None => Ok(()),
    }
}

fn allow_deleted(filter: &Filter, principal: &Principal) -> Result<(), Problem> {
    match filter.deleted {
        Deleted::Without => Ok(()),
        Deleted::Only | Deleted::With => access::allows(principal, &[Scope::Operate]),
    }
}

/// Checks the scopes that a filter needs besides those of its route.
pub(in crate::http) fn allow(filter: &Filter, principal: &Principal) -> Result<(), Problem> {
    allow_search(filter, principal)?;
    allow_deleted(filter, principal)
}

struct Links<'a> {
    base: String,
    /// The query as the client sent it.
    query: &'a str,
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
        self.link("cursor", &cursor::encode(cursor, direction, &self.params.list))
    }

    /// Returns the link to another position in the list. It keeps every parameter except those that name a position.
    fn link(&self, name: &str, value: &str) -> String {
        let given = form_urlencoded::parse(self.query.as_bytes());
        let kept = given.filter(|(name, _)| name != "cursor" && name != "page");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair(name, value);
        format!("{}/api/payouts/?{}", self.base, query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_every_filter_and_encode_it() {
        let query = "search=%C3%A9+%26&status=failed&page=2";
        let params = ListParams::parse(query).unwrap();
        let links = Links {
            base: "http://host:1".to_owned(),
            query,
            params: &params,
        };
        let link = links.link("page", "3");
        assert_eq!(
            link,
            "http://host:1/api/payouts/?search=%C3%A9+%26&status=failed&page=3"
        );
    }
}
