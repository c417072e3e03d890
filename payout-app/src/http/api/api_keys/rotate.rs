//! `POST /api/keys/{name}/rotate/`

use std::time::Duration;

use salvo::{Depot, Request, handler};

use super::{ONE_KEY, ShownKeyBody, log, spread};
use crate::http::answer::Answer;
use crate::http::extract::body;
use crate::http::extract::field::Field;
use crate::http::extract::json::{BodyPolicy, JsonBody, JsonForm};
use crate::http::extract::path::path;
use crate::http::extract::values::{ExistingKey, Overlap};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Kind, Problem};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    body: Some(BodyPolicy::optional::<Rotation>()),
    refusals: &[Kind::KeyDead],
    ..ONE_KEY
};

/// The body of a rotation: the time for which the previous secret is still accepted.
struct Rotation {
    overlap: Field<Overlap>,
}

impl JsonBody for Rotation {
    const NAME: &'static str = "Rotation";
    const ABOUT: &'static str = "The time for which the previous secret is still accepted.";

    fn of(form: &mut impl JsonForm) -> Self {
        let overlap = form.optional(
            "overlap_seconds",
            "The overlap in seconds, so that clients can be moved one by one. If omitted, the previous secret is \
             refused at once.",
        );
        Self { overlap }
    }
}

/// Give an API key another secret
///
/// The key keeps its name, its scopes, its expiry and its idempotency keys. The answer contains the new secret, which
/// cannot be shown again.
#[utoipa::path(
    post,
    path = "/api/keys/{name}/rotate/",
    impl_for = rotate_key,
    operation_id = "rotate_key",
    tag = "Keys",
    responses((status = 200, description = "The key, and its new secret.", body = ShownKeyBody)),
)]
#[handler]
pub(crate) async fn rotate_key(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let ExistingKey(name) = path(request)?;
    let overlap = overlap(&body::read(request)?)?;
    let (key, token) = context.keys()?.rotate(&name, overlap).await?;
    log(context, &name, "rotated");
    spread(context).await;
    Answer::json(&ShownKeyBody::of(&key, &token))
}

fn overlap(body: &[u8]) -> Result<Duration, Problem> {
    let overlap = Rotation::parse_optional(body)?.overlap.value();
    Ok(Duration::from_secs(overlap.map_or(0, |overlap| overlap.0)))
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
