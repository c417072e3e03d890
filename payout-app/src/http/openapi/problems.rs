//! The problems that operations share, one for each status.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, Response, ResponseBuilder, Type};

use super::{REQUEST_ID_SHOWN, request_id_header};
use crate::http::problem::{PROBLEM_JSON, ProblemBody};

/// A problem as any endpoint may answer with it.
pub(super) struct ProblemDoc {
    pub(super) status: u16,
    pub(super) name: &'static str,
    description: &'static str,
    kind: &'static str,
    title: &'static str,
    detail: &'static str,
    retry_after: bool,
    challenge: bool,
}

impl ProblemDoc {
    /// The response, with an example.
    pub(super) fn response(&self) -> Response {
        let mut example = json!({
            "type": format!("urn:payout:problem:{}", self.kind),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": "/api/payouts/",
            "request_id": "5f0c3a9d21b7e468-1a",
        });
        if self.status == 400 {
            example["errors"] = json!({"amount": ["Ensure this value is greater than zero."]});
        }
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemBody::name())))
            .example(Some(example))
            .build();
        let response = ResponseBuilder::new()
            .description(self.description)
            .content(PROBLEM_JSON, content)
            .header(REQUEST_ID_SHOWN, request_id_header());
        if self.challenge {
            let challenge = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("How to authenticate (RFC 6750)."));
            return response.header("WWW-Authenticate", challenge.build()).build();
        }
        if self.status == 415 {
            let codings = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("`identity`, where the body has a content coding."));
            return response.header("Accept-Encoding", codings.build()).build();
        }
        if !self.retry_after {
            return response.build();
        }
        let seconds = HeaderBuilder::new()
            .schema(Some(
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)),
            ))
            .description(Some(
                "How many seconds to wait before trying again. Absent where waiting does not help.",
            ));
        response.header("Retry-After", seconds.build()).build()
    }
}

/// One for each status.
pub(super) const PROBLEMS: [ProblemDoc; 13] = [
    ProblemDoc {
        status: 400,
        name: "BadRequest",
        description: "The body, the query or a header is refused; `errors` names every refused part at once.",
        kind: "invalid-request",
        title: "The request is not valid.",
        detail: "Some values were refused; `errors` names each.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 401,
        name: "Unauthorized",
        description: "No API key was shown, or none that opens anything: a wrong, a revoked or an expired one.",
        kind: "unauthorized",
        title: "An API key is needed.",
        detail: "Show an API key: `Authorization: Bearer payout_…`.",
        retry_after: false,
        challenge: true,
    },
    ProblemDoc {
        status: 403,
        name: "Forbidden",
        description: "The key lacks the scope. In a service without keys: the request is not addressed to its own host, \
            comes from a page of another, or came through a proxy.",
        kind: "forbidden",
        title: "This is not open to whoever asks.",
        detail: "This key lacks the scope write.",
        retry_after: false,
        challenge: true,
    },
    ProblemDoc {
        status: 404,
        name: "NotFound",
        description: "There is no such payout, page or key.",
        kind: "not-found",
        title: "There is no such thing here.",
        detail: "There is no such payout.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 408,
        name: "BodyTooSlow",
        description: "The body did not come in time.",
        kind: "body-too-slow",
        title: "The body did not come in time.",
        detail: "A body must be there within 20000 ms.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 409,
        name: "Conflict",
        description: "The payout's status does not allow this; or somebody else changed it at the same time; or the \
            first request under the idempotency key is still running; or (with `Retry-After`) an earlier attempt may \
            still be running. `type` tells which.",
        kind: "illegal-step",
        title: "The payout's status does not allow this.",
        detail: "A payout that is completed cannot be cancelled.",
        retry_after: true,
        challenge: false,
    },
    ProblemDoc {
        status: 412,
        name: "PreconditionFailed",
        description: "The payout is no longer at the version that `If-Match` names, or is at one that `If-None-Match` names.",
        kind: "precondition-failed",
        title: "The payout is at another version.",
        detail: "The payout is no longer at the version that the request names.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 413,
        name: "BodyTooLarge",
        description: "The body is too large: over 64 KiB, unless the service is set otherwise.",
        kind: "body-too-large",
        title: "The body is too large.",
        detail: "A body may have 65536 bytes.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 415,
        name: "UnsupportedMediaType",
        description: "The body does not say that it is JSON in UTF-8; or it has a content coding, and `Accept-Encoding` says that \
            none is taken.",
        kind: "unsupported-media-type",
        title: "The body's media type is not supported.",
        detail: "Send JSON, with `Content-Type: application/json`.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 422,
        name: "Unprocessable",
        description: "The idempotency key was used for another request; or the amount is beyond the limit of one payout, or of \
            what one API key may pay out in a day (`over-limit`). `type` tells which.",
        kind: "key-reused",
        title: "The idempotency key was used for another request.",
        detail: "This idempotency key was used for another request.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 429,
        name: "TooManyRequests",
        description: "More requests came from this address, or under this API key, than the service allows; `RateLimit` says \
            of which (draft-ietf-httpapi-ratelimit-headers). A refused request does not count. Or more writes were refused of \
            accounts and names that this key may not see than 30 in a minute.",
        kind: "too-many-requests",
        title: "Too many requests came.",
        detail: "More requests of this key than 1000 a second came.",
        retry_after: true,
        challenge: false,
    },
    ProblemDoc {
        status: 500,
        name: "InternalError",
        description: "A fault of this service; nothing is said of it but the request's id.",
        kind: "internal",
        title: "Something went wrong inside the service.",
        detail: "The request could not be done. Quote the request id when you report this.",
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        status: 503,
        name: "Unavailable",
        description: "The database is away, or more requests are in flight or wait to be written than the service takes, or the \
            answer took too long. Nothing is half done; repeat the request, a create or a retry under its idempotency key.",
        kind: "unavailable",
        title: "The service cannot do this right now.",
        detail: "The database is not ready.",
        retry_after: true,
        challenge: false,
    },
];
