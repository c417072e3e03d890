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

/// The API keys.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyList)]
pub(crate) struct KeysBody<'a> {
    /// The number of keys in this answer.
    #[schema(example = 1)]
    count: usize,
    /// The keys that are not revoked, by name; then the revoked ones, the latest first.
    results: Vec<KeyBody<'a>>,
}

/// List the API keys
///
/// All keys, except the oldest revoked ones beyond 2000. The answer contains nothing of their secrets.
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
