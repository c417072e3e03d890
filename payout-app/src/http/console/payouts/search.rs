//! The search for any id: a payout's, a batch's, a stored recipient's, or the client's own reference.

use payout_core::batch::BatchId;
use payout_core::payout::{ExternalId, PayoutId};
use payout_core::ports::{Filter, Order, Position};
use payout_core::usecase::batches::BatchError;
use payout_core::usecase::{CountMode, PageRequest, ServiceError};

use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Returns the page of what has this id; `None` if nothing has.
pub(super) async fn find(context: &Context, text: &str) -> Result<Option<String>, Problem> {
    let payouts = context.payouts()?;
    if let Ok(id) = text.parse::<PayoutId>() {
        match payouts.get(id).await {
            Ok(_) => return Ok(Some(format!("/console/payouts/{id}/"))),
            Err(ServiceError::NotFound) => (),
            Err(error) => return Err(error.into()),
        }
    }
    if let (Ok(id), Ok(batches)) = (text.parse::<BatchId>(), context.batches()) {
        match batches.get(id, &context.caller(None)).await {
            Ok(_) => return Ok(Some(format!("/console/batches/{id}/"))),
            Err(BatchError::NotFound) => (),
            Err(error) => return Err(error.into()),
        }
    }
    let Ok(external_id) = ExternalId::new(text) else {
        return Ok(None);
    };
    let request = PageRequest {
        filter: Filter {
            external_id: Some(external_id),
            ..Filter::default()
        },
        order: Order::default(),
        position: Position::Offset(0),
        size: 1,
        count: CountMode::Bounded,
    };
    let found = payouts.list(&request).await?;
    let found = found.payouts.first();
    Ok(found.map(|payout| format!("/console/payouts/{}/", payout.id())))
}
