//! The OpenAPI document: what every endpoint file says of itself, and what they share.

use std::borrow::Cow;

use payout_core::payout::{EventKind, Status};
use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::schema::{Components, OneOfBuilder, Schema};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{PartialSchema, ToSchema};

use super::context::REQUEST_ID;
use super::problem::{PROBLEM_JSON, ProblemBody};

const DESCRIPTION: &str = "\
Sends money, once. Create a payout, and a worker hands it to the payment provider within moments; poll it until its \
status is final.

- **Statuses**: `pending` → `processing` → `completed` or `failed`; a pending payout can be `cancelled`, a failed one \
retried. A payout whose outcome nobody but a person can tell stays `processing` with `needs_review`.
- **Repeating a request** is safe under an `Idempotency-Key`.
- **Concurrent changes**: every payout has an `ETag`; a write with an `If-Match` that no longer matches is refused \
with 412.
- **Errors** are `application/problem+json` (RFC 9457); a refused body or query names every refused field at once in \
`errors`.
- **Slashes**: every path works with and without its last slash.
- Every answer has an `X-Request-Id`; send your own (1 to 128 visible ASCII characters) to find it in the service's \
log and in the audit trail.";

/// A document without any path yet.
pub(super) fn empty() -> OpenApi {
    let mut components = Components::new();
    add_schema::<ProblemBody<'_>>(&mut components);
    let mut responses: Vec<(&str, Response)> = PROBLEMS
        .iter()
        .map(|problem| (problem.name, problem.response()))
        .collect();
    responses.sort_by_key(|(name, _)| *name);
    for (name, response) in responses {
        components.responses.insert(name.to_owned(), response.into());
    }
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Payouts")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(license))
                .build(),
        )
        .tags(Some([
            TagBuilder::new()
                .name("Payouts")
                .description(Some("Money to be sent."))
                .build(),
            TagBuilder::new()
                .name("Service")
                .description(Some("What operators and tools look at."))
                .build(),
        ]))
        .components(Some(components))
        .build()
}

fn add_schema<S: ToSchema>(components: &mut Components) {
    components.schemas.insert(S::name().into_owned(), S::schema());
    let mut referenced = Vec::new();
    S::schemas(&mut referenced);
    components.schemas.extend(referenced);
}

/// Adds an operation, its schemas, and the problems that it may answer with.
pub(super) fn add(
    document: &mut OpenApi,
    path: &str,
    method: &HttpMethod,
    mut operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
    problems: &[u16],
) {
    for status in problems {
        if let Some(problem) = PROBLEMS.iter().find(|problem| problem.status == *status) {
            let reference = Ref::from_response_name(problem.name);
            operation
                .responses
                .responses
                .insert(status.to_string(), reference.into());
        }
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response
                .headers
                .insert(canonical_request_id(), request_id_header().into());
        }
    }
    let item = PathItem::new(method.clone(), operation);
    document
        .paths
        .paths
        .entry(path.to_owned())
        .or_default()
        .merge_operations(item);
    document
        .components
        .get_or_insert_default()
        .schemas
        .extend(schemas);
}

fn canonical_request_id() -> String {
    debug_assert_eq!(REQUEST_ID, "x-request-id");
    "X-Request-Id".to_owned()
}

fn request_id_header() -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some("Names this very request in the service's log."))
        .build()
}

/// A problem as any endpoint may answer with it.
struct ProblemDoc {
    status: u16,
    name: &'static str,
    description: &'static str,
    kind: &'static str,
    title: &'static str,
    detail: &'static str,
    retry_after: bool,
}

impl ProblemDoc {
    fn response(&self) -> Response {
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
            .header(canonical_request_id(), request_id_header());
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

const PROBLEMS: [ProblemDoc; 9] = [
    ProblemDoc {
        status: 400,
        name: "BadRequest",
        description: "The body, the query or a header is refused; `errors` names every refused part at once.",
        kind: "invalid-request",
        title: "The request is not valid.",
        detail: "Some values were refused; `errors` names each.",
        retry_after: false,
    },
    ProblemDoc {
        status: 404,
        name: "NotFound",
        description: "There is no such payout or page.",
        kind: "not-found",
        title: "There is no such thing here.",
        detail: "There is no such payout.",
        retry_after: false,
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
    },
    ProblemDoc {
        status: 412,
        name: "PreconditionFailed",
        description: "The payout is no longer at the version that `If-Match` names.",
        kind: "precondition-failed",
        title: "The payout is at another version.",
        detail: "The payout is no longer at the version that the request names.",
        retry_after: false,
    },
    ProblemDoc {
        status: 413,
        name: "BodyTooLarge",
        description: "The body has more than 64 KiB.",
        kind: "body-too-large",
        title: "The body is too large.",
        detail: "A body may have 65536 bytes.",
        retry_after: false,
    },
    ProblemDoc {
        status: 415,
        name: "UnsupportedMediaType",
        description: "The body does not say that it is JSON.",
        kind: "unsupported-media-type",
        title: "The body's media type is not supported.",
        detail: "Send JSON, with `Content-Type: application/json`.",
        retry_after: false,
    },
    ProblemDoc {
        status: 422,
        name: "KeyReused",
        description: "The idempotency key was used for another request.",
        kind: "key-reused",
        title: "The idempotency key was used for another request.",
        detail: "This idempotency key was used for another request.",
        retry_after: false,
    },
    ProblemDoc {
        status: 500,
        name: "InternalError",
        description: "A fault of this service; nothing is said of it but the request's id.",
        kind: "internal",
        title: "Something went wrong inside the service.",
        detail: "The request could not be done. Quote the request id when you report this.",
        retry_after: false,
    },
    ProblemDoc {
        status: 503,
        name: "Unavailable",
        description: "The database is away, or too many writes wait. Nothing is half done; repeat the request, a \
            create or a retry under its idempotency key.",
        kind: "unavailable",
        title: "The service cannot do this right now.",
        detail: "The database is not ready.",
        retry_after: true,
    },
];

/// A type that stands for what several bodies and queries have in common.
macro_rules! documented {
    ($($(#[$doc:meta])* $name:ident as $shown:literal = $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                RefOr::T(Schema::from($schema))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                $shown.into()
            }
        }
    )*};
}

documented! {
    /// A status of a payout.
    StatusName as "Status" = text_of(Status::ALL.map(Status::as_str))
        .description(Some("Where a payout stands: `pending` waits for a worker; `processing` is with one, and money may be \
            on its way; `completed` is paid, for good; `failed` was declined, and may be retried; `cancelled` was never \
            sent, for good."))
        .examples([json!("pending")])
        .build();
    /// The one status that a new payout may say it has.
    Pending as "Pending" = text_of(["pending"])
        .description(Some("May be left away: a new payout is always `pending`."))
        .build();
    /// What may happen to a payout.
    EventName as "EventKind" = text_of(EventKind::ALL.map(EventKind::as_str))
        .description(Some("What may happen to a payout."))
        .examples([json!("created")])
        .build();
    /// An amount as it is sent in.
    Amount as "Amount" = OneOfBuilder::new()
        .description(Some("Above zero, at most 18 digits, and no more decimals than the currency has (2 for USD, 0 for JPY, \
            3 for BHD). A string is safest: some JSON writers round numbers."))
        .item(ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^\d+(\.\d+)?([eE][+-]?\d+)?$"))
            .examples([json!("125.50")]))
        .item(ObjectBuilder::new()
            .schema_type(Type::Number)
            .exclusive_minimum(Some(0.0))
            .examples([json!(125.5)]))
        .build();
    /// The orders of a list.
    Ordering as "Ordering" = text_of(["created_at", "-created_at"]).default(Some(json!("-created_at"))).build();
    /// How a list may be made to count.
    Counting as "Counting" = text_of(["exact"]).build();
    /// The forms of the document.
    Form as "Form" = text_of(["yaml", "json"]).build();
}

fn text_of(names: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
}
