//! `/console/payouts/rows/`: rows of the list as they are now, to be put where they stand.

use askama::Template;
use payout_core::payout::PayoutId;
use payout_core::usecase::ServiceError;
use salvo::{Depot, Request, handler};

use super::columns::Columns;
use super::row::Row;
use crate::http::console::html::Reply;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The largest number of rows in one answer: those of a page.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "payouts/rows.html")]
struct RowsPart {
    columns: Columns,
    rows: Vec<Row>,
}

/// Shows the rows whose ids the query names. A payout that is gone is left out.
#[handler]
pub(in crate::http::console) async fn show(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let query = request.uri().query().unwrap_or_default();
    let named = super::pairs(query).into_iter().filter(|(name, _)| name == "id");
    let ids = named.filter_map(|(_, id)| id.parse::<PayoutId>().ok()).take(MOST);
    let payouts = context.payouts()?;
    // Reads at the same time share their statements.
    let found = futures::future::join_all(ids.map(|id| payouts.get(id))).await;
    let mut rows = Vec::new();
    for payout in found {
        match payout {
            Ok(payout) => rows.push(Row::of(&payout, context)),
            Err(ServiceError::NotFound) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Reply::page(&RowsPart {
        columns: Columns::of(query),
        rows,
    })
}
