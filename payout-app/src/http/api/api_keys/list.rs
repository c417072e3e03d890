//! `GET /api/keys/`

use salvo::{Depot, handler};
use serde::Serialize;
use utoipa::ToSchema;

use super::{KeyBody, MANAGED};
use crate::http::answer::Answer;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = MANAGED;

/// The keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
pub(crate) struct KeysBody<'a> {
    /// How many there are in this answer.
    #[schema(example = 1)]
    count: usize,
    /// Those not revoked, by name; then the revoked ones, the last one first.
    results: Vec<KeyBody<'a>>,
}

/// List the API keys
///
/// All of them, but for the oldest revoked ones beyond 2000. Nothing of their secrets is in it.
#[utoipa::path(
    get,
    path = "/api/keys/",
    impl_for = list_keys,
    operation_id = "list_keys",
    tag = "Keys",
    responses((status = 200, description = "The keys.", body = KeysBody)),
)]
#[handler]
pub(crate) async fn list_keys(depot: &mut Depot) -> Result<Answer, Problem> {
    let keys = Context::of(depot)?.keys()?.list().await?;
    Answer::json(&KeysBody {
        count: keys.len(),
        results: keys.iter().map(KeyBody::from).collect(),
    })
}
