//! `POST /api/keys/{name}/revoke/`

use salvo::{Depot, Request, handler};

use super::{KeyBody, ONE_KEY, log, spread};
use crate::http::answer::Answer;
use crate::http::extract::path::path;
use crate::http::extract::values::ExistingKey;
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = ONE_KEY;

/// Revoke an API key
///
/// The revocation is final, and takes effect in every process within about two seconds. Revoking a revoked key changes
/// nothing. A service whose keys are all revoked stays locked.
#[utoipa::path(
    post,
    path = "/api/keys/{name}/revoke/",
    impl_for = revoke_key,
    operation_id = "revoke_key",
    tag = "Keys",
    responses((status = 200, description = "The key, revoked.", body = KeyBody)),
)]
#[handler]
pub(crate) async fn revoke_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let ExistingKey(name) = path(request)?;
    let key = context.keys()?.revoke(&name).await?;
    log(context, &name, "revoked");
    spread(context).await;
    Answer::json(&KeyBody::from(&key))
}
