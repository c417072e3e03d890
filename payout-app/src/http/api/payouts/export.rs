//! `GET /api/payouts/export/`

use std::io;
use std::sync::Arc;

use futures::stream;
use payout_core::access::{Principal, Scope};
use payout_core::ports::{ExportQuery, ExportedRows, RepositoryError};
use salvo::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use salvo::http::{HeaderValue, Method};
use salvo::{Depot, Request, Response, handler};

use super::list;
use super::query::{self, ListIdentity};
use crate::export::{ExportFormat, UnreadableBody};
use crate::http::SharedState;
use crate::http::answer::PayoutBody;
use crate::http::extract::fields::Message;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy, QueryValue};
use crate::http::extract::query_values::one_of;
use crate::http::middleware::context::Context;
use crate::http::openapi::ValueSchema;
use crate::http::policy::RoutePolicy;
use crate::http::problem::Problem;

/// The policy of the query.
pub(crate) const QUERY: QueryPolicy = QueryPolicy::of::<ExportParams>();
/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QUERY),
    streaming: true,
    ..RoutePolicy::scoped(&[Scope::Read])
};

impl QueryValue for ExportFormat {
    fn read(text: &str) -> Result<Self, Message> {
        match text {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err("Use csv or ndjson.".into()),
        }
    }

    fn schema() -> ValueSchema {
        ValueSchema::inline(one_of(["csv", "ndjson"]))
    }
}

/// The query: the list that is exported, and the format.
struct ExportParams {
    query: ExportQuery,
    format: ExportFormat,
}

impl Query for ExportParams {
    fn of(form: &mut impl QueryForm) -> Self {
        let filter = query::filter(form, &mut ListIdentity::default());
        let order = query::order(form);
        Self {
            query: ExportQuery { filter, order },
            format: format(form),
        }
    }
}

/// Reads the format of an export.
pub(crate) fn format(form: &mut impl QueryForm) -> ExportFormat {
    let format = form.one(
        "format",
        "`csv` (the default): a header row and a row for each payout; `ndjson`: each payout on a line, as JSON.",
    );
    format.value().unwrap_or_default()
}

/// Export payouts
///
/// All payouts of a list, as they were at one moment, with the list's filters. The answer is streamed and has no
/// length: if it ends without a proper end, it is not whole, and the export must be repeated. In CSV, texts that a
/// spreadsheet would run (beginning with `=`, `+`, `-`, `@` or a control character) begin with an apostrophe. A payout
/// whose stored row cannot be read has a row with its id and `unreadable`. Recipients are masked unless the key has the
/// scope `reveal`. Only a few exports run at once; others are refused with 503.
#[utoipa::path(
    get,
    path = "/api/payouts/export/",
    impl_for = export_payouts,
    operation_id = "export_payouts",
    tag = "Payouts",
    responses((status = 200, description = "The payouts.", headers(
            ("Content-Disposition" = String, description = "The name of a file."),
        ), content(
            (String = "text/csv"),
            (ExportedLine = "application/x-ndjson"),
        ))),
)]
#[handler]
pub(crate) async fn export_payouts(
    request: &mut Request,
    depot: &mut Depot,
    response: &mut Response,
) -> Result<(), Problem> {
    let ExportParams { query, format } = ExportParams::parse(request.uri().query().unwrap_or_default())?;
    let context = Context::of(depot)?;
    list::allow(&query.filter, &context.principal)?;
    send(context, request, response, &query, format, "payouts").await
}

/// Begins an export, and sends it as a file of this name.
///
/// # Errors
/// The error of its beginning.
pub(crate) async fn send(
    context: &Context,
    request: &Request,
    response: &mut Response,
    query: &ExportQuery,
    format: ExportFormat,
    name: &str,
) -> Result<(), Problem> {
    let (media_type, extension) = match format {
        ExportFormat::Csv => (ExportFormat::CSV_TYPE, "csv"),
        ExportFormat::Ndjson => (ExportFormat::NDJSON_TYPE, "ndjson"),
    };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let disposition =
        HeaderValue::try_from(disposition).map_err(|error| Problem::internal(Box::new(error)))?;
    if *request.method() != Method::HEAD {
        let running = Running {
            rows: context.payouts()?.export(query).await?,
            format,
            principal: context.principal.clone(),
            app_state: context.app_state.clone(),
            begun: false,
        };
        response.stream(stream::try_unfold(running, Running::next));
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_DISPOSITION, disposition);
    Ok(())
}

/// A line of JSON in an export.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = ExportedLine)]
#[expect(dead_code, clippy::large_enum_variant, reason = "only its schema is used")]
pub(crate) enum ExportedLine<'a> {
    Payout(PayoutBody<'a>),
    Unreadable(UnreadableBody),
}

/// An export whose rows are being sent.
struct Running {
    rows: Box<dyn ExportedRows>,
    format: ExportFormat,
    principal: Arc<Principal>,
    app_state: SharedState,
    begun: bool,
}

impl Running {
    /// Returns the next part of the body. An error breaks the answer off, so that the client does not take it for whole.
    async fn next(mut self) -> io::Result<Option<(Vec<u8>, Self)>> {
        let mut part = if self.begun {
            Vec::new()
        } else {
            self.format.beginning()
        };
        let begins = !self.begun;
        self.begun = true;
        match self.rows.next().await.map_err(broken_off)? {
            Some(rows) => {
                let providers = &self.app_state.providers;
                part.extend(
                    self.format
                        .lines(&rows, &self.principal, |payout| providers.waiting_for(payout)),
                );
                Ok(Some((part, self)))
            }
            None if begins && !part.is_empty() => Ok(Some((part, self))),
            None => Ok(None),
        }
    }
}

fn broken_off(error: RepositoryError) -> io::Error {
    tracing::warn!(
        error = %payout_core::Causes(&error),
        "an export was broken off"
    );
    io::Error::other("the export was broken off")
}
