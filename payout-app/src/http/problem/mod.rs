//! Problems (RFC 9457): one type for every refusal, and one exhaustive map from the use cases' errors to it.

mod errors;
mod kind;
mod rows;

use std::borrow::Cow;
use std::error::Error;

use payout_core::Causes;
use payout_core::access::{Principal, Scope};
use payout_core::payout::{PayoutId, StepError};
use payout_core::ports::RepositoryError;
use payout_core::provider::NoRoute;
use payout_core::spending::OverLimit;
use payout_core::usecase::{EditError, ServiceError};
use salvo::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, Request, Response, Writer, async_trait};
use utoipa::ToSchema;

use crate::http::admission::{TooMany, whole_seconds};
use crate::http::middleware::context::Context;

pub(crate) use self::errors::Errors;
pub(crate) use self::kind::Kind;
pub(crate) use self::rows::{RowMistake, WrongRows};

/// The media type of every problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The seconds that a client is asked to wait before another expensive read.
const OVERLOAD_OVER_SECONDS: u64 = 2;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Errors,
    /// The wrong rows of a batch.
    rows: Option<Box<WrongRows>>,
    retry_after_seconds: Option<u64>,
    /// The challenge in `WWW-Authenticate`.
    challenge: Option<Box<str>>,
    no_encoding: bool,
    /// The other payout that the request conflicts with.
    payout_id: Option<Box<PayoutId>>,
    /// The cause, for the log only.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Errors::default(),
            rows: None,
            retry_after_seconds: None,
            challenge: None,
            no_encoding: false,
            payout_id: None,
            source: None,
        }
    }

    /// Builds a refusal with the default detail of its kind.
    pub(crate) fn of(kind: Kind) -> Self {
        Self::new(kind, kind.row().text)
    }

    /// Builds a refusal of fields or parameters.
    pub(crate) fn invalid(errors: Errors) -> Self {
        let problem = Self::of(Kind::Invalid);
        Self { errors, ..problem }
    }

    /// Builds a 500. The client learns nothing of the cause; its request id leads to the log.
    pub(crate) fn internal(source: Box<dyn Error + Send + Sync>) -> Self {
        Self {
            source: Some(source),
            ..Self::of(Kind::Internal)
        }
    }

    /// Builds a 503: the database is not available yet, or does not have the schema of this version.
    pub(crate) fn not_ready() -> Self {
        Self::of(Kind::Unavailable).retry_after(1)
    }

    /// Builds a problem for an answer without a body from a lower layer.
    pub(crate) fn of_status(status: StatusCode, method: &str) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::of(Kind::UnknownPath),
            StatusCode::METHOD_NOT_ALLOWED => {
                let detail = format!("The path does not take {method}; `Allow` names what it takes.");
                Self::new(Kind::MethodNotAllowed, detail)
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Kind::BodyTooLarge, "The body is too large."),
            status if status.is_server_error() => {
                Self::internal(format!("a layer below answered {status}").into())
            }
            status => Self::of(Kind::Other(status)),
        }
    }

    /// Leaves out what the refusal reveals about a stored payment, for a caller that may not read it: the type of its
    /// recipient, or its currency.
    pub(crate) fn without_payment(self, principal: &Principal) -> Self {
        if principal.may(Scope::Read) {
            return self;
        }
        if self.kind == Kind::NoRoute {
            return Self::new(Kind::NoRoute, NoRoute::WITHOUT_OBSTACLE);
        }
        if self.kind == Kind::OverLimit {
            return Self::new(Kind::OverLimit, "The amount is more than a limit allows.");
        }
        self
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    pub(crate) fn challenge(self, challenge: impl Into<Box<str>>) -> Self {
        Self {
            challenge: Some(challenge.into()),
            ..self
        }
    }

    /// Names the wrong rows of a batch.
    pub(crate) fn with_rows(self, rows: WrongRows) -> Self {
        Self {
            rows: Some(Box::new(rows)),
            ..self
        }
    }

    /// States that no content coding is accepted (RFC 9110 §12.5.3).
    pub(crate) fn accepting_no_encoding(self) -> Self {
        Self {
            no_encoding: true,
            ..self
        }
    }

    pub(crate) fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..self
        }
    }

    /// Returns the status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Returns the messages for refused fields.
    pub(crate) fn errors(&self) -> &Errors {
        &self.errors
    }

    /// Returns the explanation.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Writes the whole answer. `in_outage` is true if the database is known to be down, which was logged already.
    pub(crate) fn render(self, path: &str, request_id: &str, in_outage: bool, response: &mut Response) {
        let status = self.status();
        if status.is_server_error() {
            self.log(request_id, in_outage);
        }
        let body = ProblemBody {
            kind: self.kind.uri(),
            title: self.kind.row().title,
            status: status.as_u16(),
            detail: &self.detail,
            instance: path,
            request_id,
            errors: (!self.errors.is_empty()).then_some(&self.errors),
            payout_id: self.payout_id.map(|id| id.to_string()),
            rows: self.rows.as_deref().map(WrongRows::listed),
            wrong_rows: self.rows.as_deref().map(WrongRows::count),
        };
        response.status_code(status);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.no_encoding {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(challenge) = self.challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let csv = self.rows.as_deref().and_then(WrongRows::csv);
        if csv.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        }
        response.body(match csv {
            Some(csv) => csv.into_bytes(),
            None => serde_json::to_vec(&body).unwrap_or_default(),
        });
    }

    fn log(&self, request_id: &str, in_outage: bool) {
        let error = self.source.as_deref().map(|source| Causes(source));
        let error = error.as_ref().map(tracing::field::display);
        if self.kind == Kind::Internal {
            tracing::error!(request_id, error, "a request failed");
        } else if self.kind == Kind::Unavailable && in_outage {
            tracing::debug!(request_id, error, "a request failed during the outage");
        } else if self.kind == Kind::Busy {
            // Clients cause this among themselves as often as they like: by their number, or by writes of the same rows.
            tracing::info!(
                request_id,
                error,
                detail = &*self.detail,
                "a request could not be done now"
            );
        } else {
            tracing::warn!(
                request_id,
                error,
                detail = &*self.detail,
                "a request could not be done now"
            );
        }
    }
}

#[async_trait]
impl Writer for Problem {
    async fn write(self, request: &mut Request, depot: &mut Depot, response: &mut Response) {
        let (request_id, in_outage) = match Context::of(depot) {
            Ok(context) => (context.request_id.as_str(), context.app_state.health.in_outage()),
            Err(_) => ("", false),
        };
        self.render(request.uri().path(), request_id, in_outage, response);
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::NotFound => Self::new(Kind::NotFound, detail),
            ServiceError::Step(StepError::AttemptInProgress { wait }) => {
                Self::new(Kind::AttemptInProgress, detail).retry_after(whole_seconds(wait).max(1))
            }
            ServiceError::Step(StepError::ExternalIdSet) => Self::new(Kind::ExternalIdSet, detail),
            ServiceError::Step(StepError::Approver(_)) => Self::new(Kind::NotAnApprover, detail),
            ServiceError::Step(_) => Self::new(Kind::IllegalStep, detail),
            ServiceError::ExternalIdTaken(holder) => Self {
                errors: Errors::of("external_id", "Another payout has this external id."),
                payout_id: Some(Box::new(holder)),
                ..Self::new(Kind::ExternalIdTaken, detail)
            },
            ServiceError::Schedule(_) => Self::invalid(Errors::of("scheduled_at", detail)),
            ServiceError::PreconditionFailed => Self::new(Kind::PreconditionFailed, detail),
            ServiceError::ChangedMeanwhile => Self::new(Kind::ChangedMeanwhile, detail),
            ServiceError::KeyReused => Self::new(Kind::KeyReused, detail),
            ServiceError::OverLimit(over) => {
                let message = match over {
                    OverLimit::PerPayout(limit) => {
                        format!("Ensure this value is less than or equal to {}.", limit.amount())
                    }
                    OverLimit::PerDay(_) => "This is more than is left of the day's limit.".to_owned(),
                };
                Self {
                    errors: Errors::of("amount", message),
                    ..Self::new(Kind::OverLimit, detail)
                }
            }
            ServiceError::NoRoute(_) => Self::new(Kind::NoRoute, detail),
            ServiceError::KeyInFlight => Self::new(Kind::KeyInFlight, detail).retry_after(1),
            ServiceError::Busy => Self::new(Kind::Busy, detail).retry_after(1),
            ServiceError::Repository(error @ RepositoryError::Unavailable(_)) => {
                let detail = "The database does not answer. The request may or may not have been done: \
                              repeat it, a create or a retry under its idempotency key.";
                Self::new(Kind::Unavailable, detail)
                    .retry_after(1)
                    .caused_by(error)
            }
            ServiceError::Repository(error @ RepositoryError::Locked { .. }) => {
                let detail = "Another session of the database holds a lock on what this would change. Nothing was written: \
                              try again.";
                Self::new(Kind::Busy, detail).retry_after(1).caused_by(error)
            }
            ServiceError::Repository(error @ RepositoryError::Overloaded(_)) => {
                let detail = "Too many lists, counts and audit trails are being read, or this one took too long: try again, \
                              with narrower filters and without count=exact.";
                Self::new(Kind::Busy, detail)
                    .retry_after(OVERLOAD_OVER_SECONDS)
                    .caused_by(error)
            }
            ServiceError::Repository(error) => Self::internal(Box::new(error)),
            error => Self::internal(Box::new(error)),
        }
    }
}

impl From<TooMany> for Problem {
    fn from(refused: TooMany) -> Self {
        Self::new(Kind::TooManyRequests, refused.to_string()).retry_after(refused.retry_after_seconds)
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Amount(error) => Self::invalid(Errors::of("amount", error.to_string())),
            EditError::Unfit => Self::invalid(Errors::of("amount", error.to_string())),
            EditError::Masked(field) => Self::invalid(Errors::of(field, error.to_string())),
            EditError::Metadata(error) => Self::invalid(Errors::of("metadata", error.to_string())),
            EditError::Schedule(error) => Self::invalid(Errors::of("scheduled_at", error.to_string())),
            EditError::Service(error) => error.into(),
            error => Self::internal(Box::new(error)),
        }
    }
}

/// A problem (RFC 9457): the body of every refused or failed request.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// The type of the problem, for programs: a URI that never changes. `about:blank` if the status is enough.
    #[serde(rename = "type")]
    #[schema(example = "urn:payout:problem:invalid-request")]
    kind: String,
    /// The type of the problem, for people.
    #[schema(example = "The request is not valid.")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// The explanation of this occurrence.
    #[schema(example = "Some values were refused; `errors` names each.")]
    detail: &'a str,
    /// The path of the request, without its query.
    #[schema(example = "/api/payouts/")]
    instance: &'a str,
    /// The id of this request in the service's log.
    #[schema(example = "5f0c3a9d21b7e468-1a")]
    request_id: &'a str,
    /// The messages for each refused field, parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = std::collections::BTreeMap<String, Vec<String>>, required = false, nullable = false)]
    errors: Option<&'a Errors>,
    /// The id of the payout that has the `external_id`; only present where another payout has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = uuid::Uuid, required = false, nullable = false)]
    payout_id: Option<String>,
    /// The mistakes of the first thousand wrong rows of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    rows: Option<&'a [RowMistake]>,
    /// The number of wrong rows of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, example = 2)]
    wrong_rows: Option<u64>,
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use payout_core::access::Scopes;
    use payout_core::money::Money;
    use payout_core::ports::LockedPart;
    use payout_core::usecase::batches::BatchError;
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    /// Returns the levels of what is logged for a problem.
    fn logged(problem: Problem) -> Vec<Level> {
        let levels = Levels::default();
        let subscriber = tracing_subscriber::registry().with(levels.clone());
        tracing::subscriber::with_default(subscriber, || problem.log("id", false));
        std::mem::take(&mut *levels.0.lock().unwrap())
    }

    #[test]
    fn what_clients_cause_among_themselves_is_no_warning() {
        let of_store = |error: RepositoryError| Problem::from(ServiceError::from(error));
        let locked = RepositoryError::Locked {
            part: LockedPart::Row,
            source: "lock timeout".into(),
        };
        for caused in [
            Problem::from(BatchError::Contended),
            Problem::from(ServiceError::Busy),
            of_store(locked),
            of_store(RepositoryError::Overloaded("too much".into())),
        ] {
            assert_eq!(logged(caused), [Level::INFO]);
        }
        let away = of_store(RepositoryError::unavailable("connection refused"));
        assert_eq!(logged(away), [Level::WARN]);
        let broken = of_store(RepositoryError::refused("no such column"));
        assert_eq!(logged(broken), [Level::ERROR]);
    }

    #[test]
    fn without_read_a_refusal_tells_neither_the_type_of_a_recipient_nor_a_currency() {
        let no_route = || {
            Problem::from(ServiceError::NoRoute(NoRoute {
                missing: "no route is configured for 1 EUR to a recipient of type iban".to_owned(),
            }))
        };
        let over_limit = || {
            let limit = Money::new("100".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
            Problem::from(ServiceError::OverLimit(OverLimit::PerPayout(limit)))
        };
        let blind = Principal::operator(Scopes::from_iter([Scope::Write, Scope::Reveal]));
        let reader = Principal::operator(Scopes::from_iter([Scope::Read]));
        for (problem, told) in [(no_route(), "iban"), (over_limit(), "EUR")] {
            let problem = problem.without_payment(&reader);
            assert!(problem.detail().contains(told), "{problem:?}");
        }
        for problem in [no_route(), over_limit()] {
            let status = problem.status();
            let hidden = problem.without_payment(&blind);
            assert_eq!(hidden.status(), status);
            let text = format!("{hidden:?}");
            assert!(
                !text.contains("iban") && !text.contains("EUR") && !text.contains("100"),
                "{text}"
            );
        }
    }
}
