//! `POST /api/batches/`

use std::sync::Arc;

use payout_core::Timestamp;
use payout_core::access::Scope;
use payout_core::payout::{Description, ExternalId};
use payout_core::usecase::batches::{BatchAnswer, BatchRequest, BatchSource};
use payout_core::usecase::providers::ToldBalances;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::answers::{BatchBody, ResultBody};
use super::bodies::{BODY, FileRows, NewBatch, shared};
use super::report::ReportBody;
use super::{address, refusal};
use crate::batch_file::{BatchFile, DecimalSign, FileError};
use crate::http::answer::Answer;
use crate::http::api::payouts::edit::sight;
use crate::http::api::payouts::guess;
use crate::http::extract::batch_values::Due;
use crate::http::extract::headers::Recognized;
use crate::http::extract::json::JsonBody;
use crate::http::extract::moment;
use crate::http::extract::query::{Query, QueryForm, QueryPolicy};
use crate::http::extract::upload::{self, Upload};
use crate::http::middleware::context::Context;
use crate::http::policy::RoutePolicy;
use crate::http::problem::{Errors, Kind, Problem, WrongRows};

/// The policy of the route.
pub(crate) const POLICY: RoutePolicy = RoutePolicy {
    query: Some(QueryPolicy::of::<CreateQuery>()),
    recognized: Recognized::ByExternalId,
    body: Some(BODY),
    refusals: &[Kind::WrongRows, Kind::OverLimit, Kind::BatchExists],
    ..RoutePolicy::scoped(&[Scope::Write])
};

/// The query: the choices of the request and, for a file, the fields of the batch.
struct CreateQuery {
    dry_run: bool,
    only_new: bool,
    decimal: Option<DecimalSign>,
    fields: BatchFields,
}

/// The fields of a batch.
#[derive(Default)]
struct BatchFields {
    external_id: Option<ExternalId>,
    description: Option<Description>,
    scheduled_at: Option<Timestamp>,
}

impl Query for CreateQuery {
    fn of(form: &mut impl QueryForm) -> Self {
        let dry_run = form.strict::<bool>(
            "dry_run",
            "`true` checks everything and stores nothing; the answer is the same, with what would be stored.",
        );
        let only_new = form.strict::<bool>(
            "only_new",
            "`true` leaves out rows whose `external_id` is stored already with the same content and schedule, and counts \
             them.",
        );
        let decimal = form.strict::<DecimalSign>(
            "decimal",
            "The decimal sign of amounts in a file; `point` by default.",
        );
        let external_id = form.strict::<ExternalId>(
            "external_id",
            "The client's own reference of the batch, if the body is a file. JSON has it in the body.",
        );
        let description =
            form.strict::<Description>("description", "The purpose of the batch, if the body is a file.");
        let scheduled_at = form.strict::<Due>(
            "scheduled_at",
            "The time at which payouts without a schedule of their own become due, if the body is a file.",
        );
        Self {
            dry_run: dry_run.value().unwrap_or_default(),
            only_new: only_new.value().unwrap_or_default(),
            decimal: decimal.value(),
            fields: BatchFields {
                external_id: external_id.value(),
                description: description.value(),
                scheduled_at: scheduled_at.value().map(|due| due.0),
            },
        }
    }
}

/// Create a batch
///
/// Stores all payouts of a list or a file, or none. If a row is wrong, the answer names every wrong row (400), as a
/// problem or as CSV by `Accept`. `?dry_run=true` tells what would be stored, and in `forecast` what would become of it:
/// approvals, likely duplicates (of stored payouts only with the scopes `read` and `reveal`) and daily limits.
///
/// A batch is recognized by its `external_id`, or else by its content: if it is sent again, nothing is stored, and the
/// answer is the batch (200, with `Idempotent-Replayed: true`). To pay the same file once more, give it another
/// `external_id`. An `Idempotency-Key` is refused.
///
/// Answers that compare a batch with what is stored are limited for a key without the scopes `read` and `reveal`: once
/// 30 in a minute told that the batch differs or is wrong, further ones are 429.
///
/// Payouts of a batch are sent beside all others: each batch and the payouts without one have an even share.
#[utoipa::path(
    post,
    path = "/api/batches/",
    impl_for = create_batch,
    operation_id = "create_batch",
    tag = "Batches",
    responses(
        (status = 201, description = "The batch was stored.", body = ResultBody,
            headers(("Location" = String, description = "The address of the batch."))),
        (status = 200, description = "Nothing was stored: the batch was stored before, no row was new, or `dry_run` was asked for.",
            body = ResultBody,
            headers(("Idempotent-Replayed" = String, description = "`true` if an earlier request stored the batch."))),
    ),
)]
#[handler]
pub(crate) async fn create_batch(request: &mut Request, depot: &mut Depot) -> Result<Answer, Problem> {
    let context = Context::of(depot)?;
    let CreateQuery {
        dry_run,
        only_new,
        decimal,
        fields,
    } = CreateQuery::parse(request.uri().query().unwrap_or_default())?;
    let (source, fields) = match upload::read(request)? {
        Upload::Json(body) => of_json(&body, &fields, decimal)?,
        Upload::File {
            bytes,
            fields: of_form,
        } => {
            let fields = fields.with(&of_form)?;
            let file = BatchFile::open(bytes, decimal.unwrap_or_default());
            let file = file.map_err(|error| unreadable(&error, request))?;
            (shared(FileRows(file)), fields)
        }
    };
    let batch = BatchRequest {
        external_id: fields.external_id,
        description: fields.description.unwrap_or_default(),
        scheduled_at: fields.scheduled_at,
        dry_run,
        only_new,
        sight: sight(&context.principal),
    };
    let created = context
        .batches()?
        .create(source, batch.clone(), context.caller(None))
        .await;
    guess::compared(context, batch.compared(&created))?;
    let created = created.map_err(|error| refusal(error, request.headers()))?;
    let balances = match &created {
        BatchAnswer::DryRun(_) if context.principal.may(Scope::Read) => {
            context.provider_watch()?.told_balances().await
        }
        BatchAnswer::DryRun(_)
        | BatchAnswer::Stored { .. }
        | BatchAnswer::Replayed(_)
        | BatchAnswer::NothingNew(_) => Vec::new(),
    };
    answer(created, &balances)
}

fn answer(answer: BatchAnswer, balances: &[ToldBalances]) -> Result<Answer, Problem> {
    let body = |batch, report: Option<_>| ResultBody {
        batch,
        report: report.as_ref().map(|report| ReportBody::of(report, balances)),
    };
    match answer {
        BatchAnswer::Stored { batch, report } => {
            let body = body(Some(BatchBody::of(&batch)), Some(report));
            Ok(Answer::json(&body)?
                .status(StatusCode::CREATED)
                .at(address(batch.id)))
        }
        BatchAnswer::Replayed(batch) => {
            Ok(Answer::json(&body(Some(BatchBody::of(&batch)), None))?.replayed(true))
        }
        BatchAnswer::NothingNew(report) | BatchAnswer::DryRun(report) => {
            Answer::json(&body(None, Some(report)))
        }
    }
}

fn of_json(
    body: &[u8],
    query: &BatchFields,
    decimal: Option<DecimalSign>,
) -> Result<(Arc<dyn BatchSource>, BatchFields), Problem> {
    const IN_BODY: &str = "Send this in the body: the parameter is for files.";
    const OF_FILES: &str = "The parameter is for files: amounts in JSON have a decimal point.";
    let mut errors = Errors::default();
    for (name, is_given, message) in [
        ("external_id", query.external_id.is_some(), IN_BODY),
        ("description", query.description.is_some(), IN_BODY),
        ("scheduled_at", query.scheduled_at.is_some(), IN_BODY),
        // Generated clients send the default.
        ("decimal", matches!(decimal, Some(DecimalSign::Comma)), OF_FILES),
    ] {
        if is_given {
            errors.add(name, message);
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let NewBatch {
        external_id,
        description,
        scheduled_at,
        payouts,
    } = NewBatch::parse(body)?;
    let fields = BatchFields {
        external_id,
        description: Some(description),
        scheduled_at,
    };
    Ok((shared(payouts), fields))
}

impl BatchFields {
    /// Adds the fields of a form. An empty one counts as absent, since browsers send every field.
    fn with(mut self, form: &[(String, String)]) -> Result<Self, Problem> {
        let mut errors = Errors::default();
        for (name, text) in form {
            let result = match name.as_str() {
                "external_id" | "description" | "scheduled_at" if text.trim().is_empty() => Ok(()),
                "external_id" => set(
                    &mut self.external_id,
                    ExternalId::new(text).map_err(|error| error.to_string()),
                ),
                "description" => set(
                    &mut self.description,
                    Description::new(text).map_err(|error| error.to_string()),
                ),
                "scheduled_at" => {
                    let at = moment::parse(text.trim());
                    let at = at.ok_or(moment::EXPECTED.to_owned());
                    set(&mut self.scheduled_at, at)
                }
                _ => Err("Unknown field.".to_owned()),
            };
            if let Err(message) = result {
                errors.add(name.clone(), message);
            }
        }
        if errors.is_empty() {
            Ok(self)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

fn set<T>(field: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    if field.is_some() {
        return Err("This is given more than once.".to_owned());
    }
    *field = Some(value?);
    Ok(())
}

fn unreadable(error: &FileError, request: &Request) -> Problem {
    let mut mistakes = payout_core::batch::Mistakes::default();
    let found = error.mistakes();
    let problem = Problem::new(Kind::UnreadableFile, error.to_string());
    if found.is_empty() {
        return problem;
    }
    mistakes.add_row(found);
    problem.with_rows(WrongRows::new(&mistakes, request.headers()))
}
