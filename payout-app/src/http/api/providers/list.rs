//! `GET /api/providers/`

use payout_core::access::Scope;
use payout_core::usecase::providers::{KnownBalances, ListedProvider, ProviderActivity};
use salvo::{Depot, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::{BalanceBody, ProviderBody};
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
    results: Vec<ListedBody<'a>>,
}

/// A provider, with the calls to it and its balances.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedProvider)]
struct ListedBody<'a> {
    #[serde(flatten)]
    provider: ProviderBody<'a>,
    /// The calls of all workers within the last hour. They are counted every ten seconds.
    calls: CallsBody,
    /// The balances with which the provider can pay, asked for at most every half minute; null if it does not tell them,
    /// or did not answer.
    #[schema(required = true)]
    balances: Option<Vec<BalanceBody>>,
}

/// The calls to a provider within the last hour.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = ProviderCalls)]
struct CallsBody {
    /// The number of calls: submissions and look-ups.
    #[schema(example = 1800)]
    count: u64,
    /// The number of those that were not answered: not sent, refused, or with an unknown outcome.
    #[schema(example = 2)]
    errors: u64,
}

impl<'a> ListedBody<'a> {
    fn of(provider: &'a ListedProvider, activity: &[ProviderActivity], context: &Context) -> Self {
        let mut activity = activity.iter();
        let activity = activity.find(|activity| activity.provider.as_ref() == Some(&provider.name));
        let calls = activity.map(|activity| activity.calls).unwrap_or_default();
        let told = activity.and_then(|activity| match &activity.balances {
            KnownBalances::Told(balances) => Some(balances),
            KnownBalances::NotTold | KnownBalances::Unavailable => None,
        });
        Self {
            provider: ProviderBody::of(provider, calls.is_failing, context),
            calls: CallsBody {
                count: calls.calls,
                errors: calls.errors,
            },
            balances: told.map(|balances| balances.iter().map(BalanceBody::of).collect()),
        }
    }
}

/// List the providers
///
/// The providers that the operator's file names, with the calls to them and their balances. Empty in a service that has
/// only one provider, whose payouts name none.
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
    let activity = context.provider_watch()?.activity().await?;
    Answer::json(&ProvidersBody {
        count: providers.len(),
        results: providers
            .iter()
            .map(|provider| ListedBody::of(provider, &activity, context))
            .collect(),
    })
}
