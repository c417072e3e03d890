//! `GET /api/schema/`

use std::sync::LazyLock;

use salvo::http::HeaderValue;
use salvo::http::header::{CONTENT_TYPE, VARY};
use salvo::{Depot, Request, Response, handler};

use crate::http::extract::fields::Message;
use crate::http::extract::negotiation::wants_media_type;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy, QueryValue};
use crate::http::extract::query_values::one_of;
use crate::http::openapi::ValueSchema;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

const YAML_TYPE: &str = "application/vnd.oai.openapi";
const JSON_TYPE: &str = "application/vnd.oai.openapi+json";

/// The document in both formats, generated once.
static TEXTS: LazyLock<Result<Texts, String>> = LazyLock::new(|| {
    let document = crate::http::document();
    let yaml = crate::http::openapi::yaml(&document)?;
    let json = document.to_pretty_json().map_err(|error| error.to_string())?;
    Ok(Texts { yaml, json })
});

struct Texts {
    yaml: String,
    json: String,
}

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<SchemaQuery>()),
    ..RoutePolicy::DOCUMENTATION
};

/// A format of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Json,
}

impl QueryValue for Form {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "yaml" => Ok(Self::Yaml),
            "json" => Ok(Self::Json),
            _ => Err("Use yaml or json.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["yaml", "json"]))
    }
}

/// The query: the format of the document.
struct SchemaQuery(Option<Form>);

impl Query for SchemaQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        Self(form.one("format", "The form: `yaml` or `json`.").value())
    }
}

/// Get this document
///
/// OpenAPI 3.1, as YAML; as JSON with `?format=json`, or if `Accept` asks for JSON. A service can be configured not to
/// serve it.
#[utoipa::path(
    get,
    path = "/api/schema/",
    impl_for = get_schema,
    operation_id = "get_schema",
    tag = "Service",
    responses((status = 200, description = "The document.", headers(("Vary" = String, description = "`Accept`.")),
        content(
            (String = "application/vnd.oai.openapi"),
            (Object = "application/vnd.oai.openapi+json"),
        ))),
)]
#[handler]
pub(crate) async fn get_schema(
    request: &mut Request,
    _depot: &mut Depot,
    response: &mut Response,
) -> Result<(), Problem> {
    let texts = TEXTS
        .as_ref()
        .map_err(|error| Problem::internal(error.clone().into()))?;
    let (content_type, text) = if wants_json(request)? {
        (JSON_TYPE, &texts.json)
    } else {
        (YAML_TYPE, &texts.yaml)
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response.body(text.as_bytes());
    Ok(())
}

fn wants_json(request: &Request) -> Result<bool, Problem> {
    let SchemaQuery(form) = SchemaQuery::parse(request.uri().query().unwrap_or_default())?;
    let wants = |names| wants_media_type(request.headers(), names);
    Ok(match form {
        Some(form) => form == Form::Json,
        None => {
            wants(&[JSON_TYPE, "application/json"]) > wants(&[YAML_TYPE, "application/yaml", "text/yaml"])
        }
    })
}
