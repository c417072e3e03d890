//! `POST /api/keys/{name}/revoke/`

use salvo::{Depot, Request, handler};

use super::{KeyBody, KeyPath, log, named, spread};
use crate::http::answer::Answer;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// Revoke an API key
///
/// For good, and for every process within about two seconds. One that is revoked already stays so. A service whose keys
/// are all revoked is not open again.
#[utoipa::path(
    post,
    path = "/api/keys/{name}/revoke/",
    impl_for = revoke_key,
    operation_id = "revoke_key",
    tag = "Keys",
    params(KeyPath),
    responses((status = 200, description = "The key, revoked.", body = KeyBody)),
)]
#[handler]
pub(crate) async fn revoke_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let name = named(request)?;
    let key = context.keys()?.revoke(&name).await?;
    log(context, &name, "revoked");
    spread(context).await;
    Answer::json(&KeyBody::from(&key))
}
