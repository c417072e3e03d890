//! `GET /api/providers/`

use payout_core::access::Scope;
use salvo::{Depot, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::ProviderBody;
use crate::http::answer::Answer;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy::scoped(&[Scope::Read]);

/// The providers.
#[derive(Serialize, ToSchema)]
#[schema(as = ProviderList)]
pub(crate) struct ProvidersBody<'a> {
    /// The number of providers.
    #[schema(example = 1)]
    count: usize,
    /// The providers, by name.
    results: Vec<ProviderBody<'a>>,
}

/// List the providers
///
/// The providers that the operator's file names. Empty in a service that has only one, whose payouts name no provider.
#[utoipa::path(
    get,
    path = "/api/providers/",
    impl_for = list_providers,
    operation_id = "list_providers",
    tag = "Providers",
    responses((status = 200, description = "The providers.", body = ProvidersBody)),
)]
#[handler]
pub(crate) async fn list_providers(depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let providers = context.providers()?.list().await?;
    Answer::json(&ProvidersBody {
        count: providers.len(),
        results: providers
            .iter()
            .map(|provider| ProviderBody::of(provider, context))
            .collect(),
    })
}
