//! `GET /api/schema/`

use std::sync::LazyLock;

use salvo::http::HeaderValue;
use salvo::http::header::{CONTENT_TYPE, VARY};
use salvo::{Depot, Request, Response, handler};
use url::form_urlencoded;
use utoipa::IntoParams;

use crate::http::extract::negotiation::wants_media_type;
use crate::http::openapi::Form;
use crate::http::problem::{Errors, Problem};

const YAML_TYPE: &str = "application/vnd.oai.openapi";
const JSON_TYPE: &str = "application/vnd.oai.openapi+json";

/// The document in both its forms, written once.
static TEXTS: LazyLock<Result<Texts, String>> = LazyLock::new(|| {
    let document = crate::http::document();
    let yaml = crate::http::yaml(&document)?;
    let json = document.to_pretty_json().map_err(|error| error.to_string())?;
    Ok(Texts { yaml, json })
});

struct Texts {
    yaml: String,
    json: String,
}

/// How the document can be asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the query that `wants_json` reads")]
pub(crate) struct SchemaQuery {
    /// The form: `yaml` or `json`.
    #[param(inline)]
    format: Option<Form>,
}

/// Get this document
///
/// OpenAPI 3.1, as YAML; as JSON with `?format=json`, or when `Accept` asks for JSON. A service may be set up not to show it.
#[utoipa::path(
    get,
    path = "/api/schema/",
    impl_for = get_schema,
    operation_id = "get_schema",
    tag = "Service",
    params(SchemaQuery),
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
    let query = request.uri().query().unwrap_or_default();
    let format = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "format")
        .last();
    match format.as_ref().map(|(_, format)| &**format) {
        Some("json") => Ok(true),
        Some("yaml") => Ok(false),
        None | Some("") => {
            let wants = |names| wants_media_type(request.headers(), names);
            Ok(
                wants(&[JSON_TYPE, "application/json"])
                    > wants(&[YAML_TYPE, "application/yaml", "text/yaml"]),
            )
        }
        Some(_) => Err(Problem::invalid(Errors::of("format", "Use yaml or json."))),
    }
}
