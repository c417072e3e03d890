//! Problems that operations share, one for each status.

use salvo::http::StatusCode;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, Response, ResponseBuilder, Type};

use super::{REQUEST_ID_SHOWN, request_id_header};
use crate::http::problem::{Kind, PROBLEM_JSON, ProblemBody};

/// A problem that any endpoint may answer with.
pub(super) struct ProblemDoc {
    /// The name of its component in the document.
    pub(super) name: &'static str,
    description: &'static str,
    /// The kind of the example, whose status the problem has.
    example: Kind,
    retry_after: bool,
    challenge: bool,
}

impl ProblemDoc {
    /// Returns the status.
    pub(super) fn status(&self) -> StatusCode {
        self.example.status()
    }

    /// Returns the problem of a status: the one of a kind that the operation names, or else the one that all share.
    pub(super) fn of(status: StatusCode, refusals: &[Kind]) -> Option<&'static Self> {
        let of_status = || PROBLEMS.iter().filter(move |problem| problem.status() == status);
        of_status()
            .find(|problem| refusals.contains(&problem.example))
            .or_else(|| of_status().next())
    }

    /// Returns the response, with an example.
    pub(super) fn response(&self) -> Response {
        let row = self.example.row();
        let mut example = json!({
            "type": self.example.uri(),
            "title": row.title,
            "status": row.status.as_u16(),
            "detail": row.text,
            "instance": "/api/payouts/",
            "request_id": "5f0c3a9d21b7e468-1a",
        });
        if row.status == StatusCode::BAD_REQUEST {
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
        if self.example == Kind::WrongRows {
            let table = ContentBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build();
            return response.content("text/csv", table).build();
        }
        if self.challenge {
            let challenge = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("The authentication scheme (RFC 9110 §11.6.1)."));
            return response.header("WWW-Authenticate", challenge.build()).build();
        }
        if row.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
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
                "The number of seconds to wait before trying again. Absent where waiting does not help.",
            ));
        response.header("Retry-After", seconds.build()).build()
    }
}

/// The problems: one for each status that all operations share, and further ones of kinds that few operations name.
pub(super) static PROBLEMS: [ProblemDoc; 15] = [
    ProblemDoc {
        name: "BadRequest",
        description: "The body, the query or a header is refused; `errors` names every refused part at once.",
        example: Kind::Invalid,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "WrongRows",
        description: "The request is refused, or rows of the batch are wrong: `errors` or `rows` names each. Rows are CSV for a \
            client that prefers it.",
        example: Kind::WrongRows,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "Unauthorized",
        description: "No API key was sent, or the key is wrong, revoked or expired.",
        example: Kind::Unauthorized,
        retry_after: false,
        challenge: true,
    },
    ProblemDoc {
        name: "InvalidSignature",
        description: "The notification has no valid signature of the provider.",
        example: Kind::InvalidSignature,
        retry_after: false,
        challenge: true,
    },
    ProblemDoc {
        name: "Forbidden",
        description: "The key lacks the scope. In a service without keys: the request is not addressed to its own host, \
            comes from a page of another, or came through a proxy.",
        example: Kind::Forbidden,
        retry_after: false,
        challenge: true,
    },
    ProblemDoc {
        name: "NotFound",
        description: "There is no such payout, page or key.",
        example: Kind::NotFound,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "BodyTooSlow",
        description: "The body did not come in time.",
        example: Kind::BodyTooSlow,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "Conflict",
        description: "The payout's status does not allow this; or the payout changed at the same time; or the \
            first request under the idempotency key is still running; or (with `Retry-After`) an earlier attempt may \
            still be running. `type` tells which.",
        example: Kind::IllegalStep,
        retry_after: true,
        challenge: false,
    },
    ProblemDoc {
        name: "PreconditionFailed",
        description: "The payout is no longer at the version that `If-Match` names, or is at one that `If-None-Match` names; or \
            what the request is about has no versions.",
        example: Kind::PreconditionFailed,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "BodyTooLarge",
        description: "The body is too large: over 64 KiB, unless the service is set otherwise; a batch over 32 MiB.",
        example: Kind::BodyTooLarge,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "UnsupportedMediaType",
        description: "The body does not say that it is JSON in UTF-8; or it has a content coding, and `Accept-Encoding` says that \
            none is taken.",
        example: Kind::UnsupportedMediaType,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "Unprocessable",
        description: "The idempotency key was used for another request; or the amount is beyond the limit of one payout, or of \
            what one API key may pay out in a day (`over-limit`). `type` tells which.",
        example: Kind::KeyReused,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "TooManyRequests",
        description: "More requests came from this address, or under this API key, than the service allows; `RateLimit` says \
            of which (draft-ietf-httpapi-ratelimit-headers). A refused request does not count. Or more writes were refused of \
            accounts and names that this key may not see than 30 in a minute.",
        example: Kind::TooManyRequests,
        retry_after: true,
        challenge: false,
    },
    ProblemDoc {
        name: "InternalError",
        description: "A fault of this service; the answer discloses only the request's id.",
        example: Kind::Internal,
        retry_after: false,
        challenge: false,
    },
    ProblemDoc {
        name: "Unavailable",
        description: "The database is unavailable, or more requests are in flight or wait to be written than the \
            service takes, or the answer took too long. Nothing is half done; repeat the request, a create or a retry \
            under its idempotency key.",
        example: Kind::Unavailable,
        retry_after: true,
        challenge: false,
    },
];
