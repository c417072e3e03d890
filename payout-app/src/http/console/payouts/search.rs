//! The search for any id: a payout's, a batch's, the client's own reference, and the references of others: the provider's
//! reference, the key that it was sent, and the id of a request.

use payout_core::access::Scope;
use payout_core::batch::BatchId;
use payout_core::payout::{ExternalId, Payout, PayoutId};
use payout_core::ports::{Filter, Order, Position, RepositoryError, Search};
use payout_core::usecase::batches::BatchError;
use payout_core::usecase::{CountMode, PageRequest, ServiceError};

use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The shortest reference that is searched for.
const SHORTEST: usize = 6;

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
    let by_external_id = match ExternalId::new(text) {
        Ok(external_id) => {
            let filter = Filter {
                external_id: Some(external_id),
                ..Filter::default()
            };
            first(context, filter).await?
        }
        Err(_) => None,
    };
    match by_external_id {
        Some(payout) => Ok(Some(format!("/console/payouts/{}/", payout.id()))),
        None => by_reference(context, text).await,
    }
}

async fn first(context: &Context, filter: Filter) -> Result<Option<Payout>, Problem> {
    let request = PageRequest {
        filter,
        order: Order::default(),
        position: Position::Offset(0),
        size: 1,
        count: CountMode::Bounded,
    };
    let found = context.payouts()?.list(&request).await?;
    Ok(found.payouts.into_iter().next())
}

/// Finds a payout by a reference of others. Such a search looks at every row, so that it comes last, and words that are
/// no reference are left to the search for names.
async fn by_reference(context: &Context, text: &str) -> Result<Option<String>, Problem> {
    let is_word = text.len() >= SHORTEST && text.chars().all(|c| c.is_ascii_graphic());
    if !is_word || !text.contains(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    if context.principal.may(Scope::Reveal) {
        let filter = Filter {
            search: Search::new(text),
            ..Filter::default()
        };
        if first(context, filter).await?.is_some() {
            return Ok(None);
        }
    }
    // A key ends with the generation.
    let base = text.split_once(':').map(|(base, _)| base);
    let base = base.filter(|base| base.parse::<PayoutId>().is_ok());
    let payouts = context.payouts()?;
    if let Some(id) = base.and_then(|base| base.parse::<PayoutId>().ok())
        && payouts.get(id).await.is_ok()
    {
        return Ok(Some(format!("/console/payouts/{id}/")));
    }
    let found = match payouts.find_by_reference(base.unwrap_or(text), 2).await {
        Ok(found) => found,
        // It took too long: the page says that nothing was found, and how to search in less.
        Err(ServiceError::Repository(RepositoryError::Overloaded(_))) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(id) = found.first() else {
        return Ok(None);
    };
    let batch = payouts.get(*id).await?.parts().batch;
    Ok(Some(match batch {
        Some(batch) if found.len() > 1 => format!("/console/payouts/?batch_id={batch}"),
        Some(_) | None => format!("/console/payouts/{id}/"),
    }))
}
