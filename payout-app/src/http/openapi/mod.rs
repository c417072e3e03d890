//! The OpenAPI document: the descriptions in the endpoints' files, and the parts that they share.

mod described;
mod examples;
pub(crate) mod money;
mod problems;
pub(crate) mod recipients;
pub(crate) mod texts;
mod types;

use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::info::{InfoBuilder, LicenseBuilder};
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::schema::{AllOfBuilder, Components, Schema};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, Type};

pub(crate) use self::described::{About, Component, ValueSchema};
use self::problems::{PROBLEMS, ProblemDoc};
pub(crate) use self::types::{
    DeclineCodeName, EventName, EventTypeName, ScopeName, StatusName, WaitReasonName,
};
use super::policy::RoutePolicy;
use crate::http::extract::path::PathPolicy;
use crate::http::problem::ProblemBody;

/// The header with a request's id, as the document spells it.
const REQUEST_ID_SHOWN: &str = "X-Request-Id";

const DESCRIPTION: &str = "\
Sends money, once. Create a payout, and a worker hands it to the payment provider within moments; poll it until its \
status is final.

- **Statuses**: `pending` → `processing` → `completed` or `failed`; a pending payout can be `cancelled`, a failed one \
retried. A payout whose outcome nobody but a person can tell stays `processing` with `needs_review`.
- **Repeating a request** is safe under an `Idempotency-Key`, which is the API key's own: two API keys never meet, \
unless one succeeds the other. What was asked for before the first API key is answered to every one after it. Creates \
and retries of payouts take such a key. Every other request that changes something refuses it: batches and recipients are \
recognized by their `external_id`, edits of a payout by their `If-Match`.
- **Who may**: send `Authorization: Bearer payout_…`. A key in the address is not looked at.
- **Concurrent changes**: every payout has an `ETag`; a write with an `If-Match` that no longer matches is refused \
with 412. What has no `ETag` matches no `If-Match` but `*`.
- **Errors** are `application/problem+json` (RFC 9457); a refused body or query names every refused field at once in \
`errors`.
- **Limits**: an answer that was counted says in `RateLimit` and `RateLimit-Policy` what is left of which quota; beyond it \
429, with `Retry-After`.
- **Slashes**: every path works with and without its last slash.
- Every answer has an `X-Request-Id`; send your own (1 to 128 visible ASCII characters) to find it in the service's \
log and in the audit trail.";

/// The name of the authentication scheme in the document.
const BEARER: &str = "api_key";

/// Adds a constraint to the schema of a body. All constraints of a body stand beside each other: generators of clients
/// find the fields of a schema among the direct parts of an `allOf`, and no deeper.
pub(crate) fn constrained(body: RefOr<Schema>, constraint: impl Into<Schema>) -> Schema {
    let constraint = RefOr::T(constraint.into());
    match body {
        RefOr::T(Schema::AllOf(mut all)) => {
            all.items.push(constraint);
            Schema::AllOf(all)
        }
        body @ (RefOr::Ref(_) | RefOr::T(_)) => {
            AllOfBuilder::new().item(body).item(constraint).build().into()
        }
    }
}

/// Builds a document without paths.
pub(crate) fn empty() -> OpenApi {
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
    components.add_security_scheme(BEARER, SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("payout_ and 64 hexadecimal digits")
            .description(Some(
                "An API key, by `payout keys create` or `POST /api/keys/`. Each operation names the scopes that open it: \
                 `read`, `write`, `operate` (retry, cancel, resolve), `reveal` (account numbers in full), `admin` (keys, and \
                 every other scope). A service without any key needs none, and answers its own host alone, and nothing that \
                 came through a proxy.",
            ))
            .build(),
    ));
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
                .name("Batches")
                .description(Some("Payouts that are stored together, from a list or a file."))
                .build(),
            TagBuilder::new()
                .name("Recipients")
                .description(Some("Recipients that are stored for further payouts."))
                .build(),
            TagBuilder::new()
                .name("Events")
                .description(Some("The public events of all payouts, in one order."))
                .build(),
            TagBuilder::new()
                .name("Keys")
                .description(Some("The keys that clients authenticate with."))
                .build(),
            TagBuilder::new()
                .name("Providers")
                .description(Some("The payment providers that make the payouts."))
                .build(),
            TagBuilder::new()
                .name("Webhooks")
                .description(Some("Endpoints that receive the events, and their deliveries."))
                .build(),
            TagBuilder::new()
                .name("Service")
                .description(Some("Endpoints for operators and tools."))
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

/// Describes an operation by its policy: its parameters, its body, the scopes that it needs and the problems that it
/// may answer with. Returns the components that it refers to.
pub(super) fn governed(operation: &mut Operation, policy: &RoutePolicy) -> Vec<Component> {
    let mut components = Vec::new();
    let parameters = operation.parameters.get_or_insert_default();
    let of_path = policy.path.into_iter().flat_map(PathPolicy::parameters);
    parameters.extend(of_path.map(RefOr::T));
    if let Some(query) = policy.query {
        components.extend(query.parameters().describe(operation));
    }
    let headers = policy.headers.iter().copied().flatten();
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(headers.map(|header| RefOr::T(header.parameter())));
    if parameters.is_empty() {
        operation.parameters = None;
    }
    if let Some(body) = policy.body {
        components.extend(body.describe(operation));
    }
    let scopes = policy.access.scopes().iter();
    let alternatives = scopes.map(|scope| SecurityRequirement::new(BEARER, [scope.as_str()]));
    let alternatives: Vec<_> = alternatives.collect();
    operation.security = Some(alternatives).filter(|alternatives| !alternatives.is_empty());
    refuse_with(operation, policy);
    components
}

/// Adds an operation and its schemas.
pub(super) fn add(
    document: &mut OpenApi,
    path: &str,
    method: &HttpMethod,
    mut operation: Operation,
    schemas: Vec<Component>,
) {
    examples::add(&mut operation);
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response
                .headers
                .insert(REQUEST_ID_SHOWN.to_owned(), request_id_header().into());
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

/// Returns the document as YAML. Bare dates are quoted, because YAML 1.1 does not read them as texts.
pub(crate) fn yaml(document: &OpenApi) -> Result<String, String> {
    let text = document.to_yaml().map_err(|error| error.to_string())?;
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((before, date)) if before.ends_with([':', '-']) && begins_with_a_date(date) => {
            format!("{before} '{date}'\n")
        }
        Some(_) | None => format!("{line}\n"),
    });
    Ok(lines.collect())
}

fn begins_with_a_date(text: &str) -> bool {
    let mut bytes = text.bytes();
    let shape = "0000-00-00".bytes();
    text.len() >= 10
        && shape.zip(&mut bytes).all(|(shape, byte)| match shape {
            b'-' => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn refuse_with(operation: &mut Operation, policy: &RoutePolicy) {
    for status in policy.statuses() {
        if let Some(problem) = ProblemDoc::of(status, policy.refusals) {
            let reference = Ref::from_response_name(problem.name);
            let responses = &mut operation.responses.responses;
            responses.insert(status.as_str().to_owned(), reference.into());
        }
    }
}

fn request_id_header() -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some("The id of this request in the service's log."))
        .build()
}
