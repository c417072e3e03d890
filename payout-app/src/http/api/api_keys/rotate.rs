//! `POST /api/keys/{name}/rotate/`

use std::time::Duration;

use salvo::{Depot, Request, handler};
use utoipa::ToSchema;

use super::{KeyPath, ShownKeyBody, log, named, spread};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::fields::{self, Fields};
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// How long the secret before may still be used.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
#[expect(dead_code, reason = "it describes the body that `overlap` reads")]
pub(crate) struct RotationBody {
    /// For so many seconds more, so that clients can be moved one by one; at once no more when it is left away.
    #[schema(nullable = false, minimum = 0, maximum = 604_800, example = 3600)]
    overlap_seconds: Option<u32>,
}

/// Give an API key another secret
///
/// It stays the same key: its name, its scopes, its expiry and its idempotency keys. The new secret is in the answer, and
/// cannot be shown again.
#[utoipa::path(
    post,
    path = "/api/keys/{name}/rotate/",
    impl_for = rotate_key,
    operation_id = "rotate_key",
    tag = "Keys",
    params(KeyPath),
    request_body = Option<RotationBody>,
    responses((status = 200, description = "The key, and its new secret.", body = ShownKeyBody)),
)]
#[handler]
pub(crate) async fn rotate_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let name = named(request)?;
    let overlap = overlap(&body::read(request)?)?;
    let (key, token) = context.keys()?.rotate(&name, overlap).await?;
    log(context, &name, "rotated");
    spread(context).await;
    Answer::json(&ShownKeyBody::of(&key, &token))
}

fn overlap(body: &[u8]) -> Result<Duration, Problem> {
    let mut fields = Fields::of_optional(body)?;
    let seconds = fields.optional("overlap_seconds", fields::up_to_a_week);
    fields.finish()?;
    Ok(Duration::from_secs(seconds.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_whole_number_of_seconds_up_to_a_week() {
        for none in [&b""[..], b"null", b" null\n", b"{}"] {
            assert_eq!(overlap(none).unwrap(), Duration::ZERO);
        }
        assert_eq!(
            overlap(b"{\"overlap_seconds\": 604800}").unwrap().as_secs(),
            604_800
        );
        for odd in ["604801", "-1", "1.5", "\"1\"", "null", "1e3"] {
            let body = format!("{{\"overlap_seconds\": {odd}}}");
            assert!(overlap(body.as_bytes()).is_err(), "{odd}");
        }
    }
}
