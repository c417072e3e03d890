//! Access control: each route declares the scopes that it needs, and a request is authorized before its handler runs.
//!
//! Without any API key the service is open, but only to this host: see [`open`](crate::http::middleware::open).

use std::sync::Arc;

use payout_core::access::{Principal, Scope};
use payout_core::usecase::api_keys::{ApiKeyCache, Found};
use salvo::http::HeaderMap;
use salvo::http::header::AUTHORIZATION;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};
use tokio::time::timeout;

use crate::http::admission::{Limits, Place};
use crate::http::extract::{body, conditions, headers};
use crate::http::middleware::context::Context;
use crate::http::middleware::open::{OpenTo, is_from_here, way_through_a_proxy};
use crate::http::policy::{RateClass, RoutePolicy};
use crate::http::problem::{Kind, Problem};
use crate::metrics::{Metrics, Refused};

/// The access that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No access is required.
    Anyone,
    /// No access is required, but a service without API keys refuses requests through a proxy.
    Documentation,
    /// One of these scopes is required. The handler checks further scopes that depend on the body.
    OneOf(&'static [Scope]),
    /// The scope `read` is required. Cached keys are accepted even if they could not be checked for a long time, since
    /// that is when operators look at metrics.
    Metrics,
    /// A valid signature of the body is required, which the handler verifies. API keys are ignored.
    Signature,
}

impl Access {
    /// Returns the scopes, one of which is required; empty if none is.
    pub(crate) fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Anyone | Self::Documentation | Self::Signature => &[],
            Self::OneOf(scopes) => scopes,
            Self::Metrics => &[Scope::Read],
        }
    }

    /// Returns the kinds of problems that the check may answer with.
    pub(crate) fn refusals(self) -> &'static [Kind] {
        match self {
            Self::Anyone => &[],
            Self::Documentation => &[Kind::Forbidden],
            Self::OneOf(_) => &[Kind::Unauthorized, Kind::Forbidden, Kind::Unavailable, Kind::Busy],
            Self::Metrics => &[Kind::Unauthorized, Kind::Forbidden, Kind::Unavailable],
            Self::Signature => &[Kind::InvalidSignature, Kind::Unavailable, Kind::Busy],
        }
    }
}

/// Authenticates callers and checks their scopes.
pub(crate) struct Authenticator {
    pub(crate) keyring: Arc<ApiKeyCache>,
    pub(crate) open_to: OpenTo,
    open: Arc<Principal>,
}

impl Authenticator {
    pub(crate) fn new(keyring: Arc<ApiKeyCache>, open_to: OpenTo) -> Self {
        Self {
            keyring,
            open_to,
            open: Arc::new(Principal::open()),
        }
    }

    /// Returns the authenticated caller, if it may use the route.
    fn admit(&self, request: &Request, access: Access, limits: &Limits) -> Result<Arc<Principal>, Problem> {
        let shown = shown(request.headers());
        let stale_will_do = access == Access::Metrics;
        match self.keyring.ask(shown.token(), stale_will_do) {
            Found::Unknown { stale: false } => Err(Problem::not_ready()),
            Found::Unknown { stale: true } => {
                let detail = "The API keys could not be checked for a minute: the database is unavailable.";
                Err(Problem::new(Kind::Unavailable, detail).retry_after(1))
            }
            Found::NoKeys => self.open(request, limits, shown),
            Found::Known(principal) => {
                allows(&principal, access.scopes())?;
                Ok(principal)
            }
            Found::Nobody => Err(unauthorized(shown)),
        }
    }

    /// Returns the caller of a service without API keys; `None` if it has keys, so that the caller must show who it is.
    ///
    /// # Errors
    /// 403 to a caller that such a service does not answer; 503 while the keys are not known.
    pub(crate) fn without_keys(
        &self,
        request: &Request,
        limits: &Limits,
    ) -> Result<Option<Arc<Principal>>, Problem> {
        match self.keyring.ask(None, false) {
            Found::NoKeys => self.open(request, limits, Shown::Nothing).map(Some),
            Found::Unknown { .. } => Err(Problem::not_ready()),
            Found::Known(_) | Found::Nobody => Ok(None),
        }
    }

    /// Returns the caller of a service that has no keys.
    fn open(&self, request: &Request, limits: &Limits, shown: Shown<'_>) -> Result<Arc<Principal>, Problem> {
        self.refuse_proxied(request, limits)?;
        match self.open_to {
            OpenTo::Anyone => Ok(self.open.clone()),
            OpenTo::ThisHost if is_from_here(request) => Ok(self.open.clone()),
            OpenTo::ThisHost => {
                let detail = "Without API keys this service answers only what is addressed to this host itself: \
                              make a key (`payout keys create`) to reach it by another name or from a page \
                              elsewhere.";
                Err(Problem::new(Kind::Forbidden, detail))
            }
            OpenTo::Nobody => Err(unauthorized(shown)),
        }
    }

    /// Refuses requests through a proxy while there are no API keys. A request from this host and one that a proxy on
    /// it forwards can be told apart only by the headers that the proxy adds.
    ///
    /// # Errors
    /// 403, with the evidence of the proxy and the remedy.
    fn refuse_proxied(&self, request: &Request, limits: &Limits) -> Result<(), Problem> {
        let Some(way) = way_through_a_proxy(request) else {
            return Ok(());
        };
        if self.open_to == OpenTo::Anyone && limits.is_of_trusted_proxy(request) {
            return Ok(());
        }
        let detail = format!(
            "This request came through a proxy ({way}), and the service has no API keys yet: anyone who reaches the \
             proxy could do everything. Make the first key on its host, which locks the service, and send it: `payout \
             keys create NAME --scopes admin`."
        );
        Err(Problem::new(Kind::Forbidden, detail))
    }

    /// Refuses requests through a proxy on routes that are always open, while the service has no API keys.
    fn refuse_proxied_while_open(&self, request: &Request, limits: &Limits) -> Result<(), Problem> {
        self.refuse_proxied(request, limits).or_else(|problem| {
            if self.keyring.ask(None, true) == Found::NoKeys {
                Err(problem)
            } else {
                Ok(())
            }
        })
    }
}

/// Checks that the principal has one of these scopes.
///
/// # Errors
/// 403, which names the scopes.
pub(crate) fn allows(principal: &Principal, scopes: &[Scope]) -> Result<(), Problem> {
    if scopes.iter().any(|scope| principal.may(*scope)) {
        return Ok(());
    }
    let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let detail = format!("This key lacks the scope {}.", names.join(" or "));
    // Source: RFC 6750 §3.
    let challenge = format!(
        "Bearer realm=\"payout\", error=\"insufficient_scope\", scope=\"{}\"",
        names.join(" ")
    );
    Err(Problem::new(Kind::Forbidden, detail).challenge(challenge))
}

fn unauthorized(shown: Shown<'_>) -> Problem {
    // A wrong, a revoked and an expired key get identical words.
    let (detail, challenge) = match shown {
        Shown::Nothing => (
            "Show an API key: `Authorization: Bearer payout_…`.",
            "Bearer realm=\"payout\"",
        ),
        Shown::Token(_) | Shown::Odd => (
            "This is not a valid key, or not in the form `Authorization: Bearer payout_…`.",
            "Bearer realm=\"payout\", error=\"invalid_token\"",
        ),
    };
    Problem::new(Kind::Unauthorized, detail).challenge(challenge)
}

/// The credentials of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    Token(&'a str),
    /// Another scheme, or several headers.
    Odd,
}

impl<'a> Shown<'a> {
    fn token(self) -> Option<&'a str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Odd => None,
        }
    }
}

/// Returns the bearer token of the only `Authorization` header. Tokens in the URL are ignored: URLs end up in logs and
/// histories.
fn shown(headers: &HeaderMap) -> Shown<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Shown::Nothing;
    };
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() => {
            Shown::Token(token.trim_start_matches(' '))
        }
        Some(_) | None => Shown::Odd,
    }
}

/// A handler behind its route's policy.
pub(crate) struct Guarded {
    policy: RoutePolicy,
    handler: Arc<dyn Handler>,
}

impl Guarded {
    pub(crate) fn behind(policy: RoutePolicy, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        match policy.access {
            Access::Anyone => handler,
            Access::Documentation => Arc::new(Direct(handler)),
            Access::OneOf(_) | Access::Metrics | Access::Signature => Arc::new(Self { policy, handler }),
        }
    }
}

impl Guarded {
    /// Checks access, quota, and the conditions and idempotency keys that no handler reads, receives the body, and takes a
    /// place among the requests in flight.
    async fn let_in(
        &self,
        request: &mut Request,
        depot: &mut Depot,
    ) -> Result<(Arc<Limits>, Option<Place>), Problem> {
        let context = Context::of_mut(depot)?;
        let limits = context.app_state.limits.clone();
        if self.policy.access == Access::Signature {
            let counted = limits.take_notification(context.client);
            counted.inspect_err(|_| context.app_state.metrics.refused(Refused::Address))?;
        } else {
            context.principal =
                context
                    .app_state
                    .authenticator
                    .admit(request, self.policy.access, &limits)?;
        }
        if self.policy.rate == RateClass::Unmetered {
            return Ok((limits, None));
        }
        count_of_key(context)?;
        if self.policy.changes_unversioned() {
            conditions::refuse_unversioned(request.headers())?;
        }
        if self.policy.keeps_no_key() {
            headers::no_idempotency_key(request.headers(), self.policy.recognized)?;
        }
        let metrics = context.app_state.metrics.clone();
        if let Some(body) = self.policy.body {
            let most_bytes = body.most_bytes.unwrap_or(limits.config.body_bytes);
            body::receive(request, most_bytes, limits.config.body_timeout).await?;
        }
        let place = take_place(&limits, &metrics)?;
        Ok((limits, Some(place)))
    }
}

/// Counts a request against the quota of its API key.
///
/// # Errors
/// 429 when that is used up.
pub(crate) fn count_of_key(context: &mut Context) -> Result<(), Problem> {
    let Some(key) = context.principal.api_key() else {
        return Ok(());
    };
    match context.app_state.limits.take_of_key(key, context.client) {
        Ok(allowance) => {
            context.taken.of_key = allowance;
            Ok(())
        }
        Err(too_many) => {
            context.taken.of_key = Some(too_many.allowance);
            context.app_state.metrics.refused(Refused::Key);
            Err(too_many.into())
        }
    }
}

/// Takes a place among the requests in flight.
///
/// # Errors
/// 503 when none is free.
pub(crate) fn take_place(limits: &Limits, metrics: &Metrics) -> Result<Place, Problem> {
    limits.take_place().ok_or_else(|| {
        metrics.refused(Refused::InFlight);
        let most = limits.config.in_flight;
        let detail = format!("{most} requests are in flight, which is the most.");
        Problem::new(Kind::Busy, detail).retry_after(1)
    })
}

/// A handler that is open to all callers; without API keys, not through a proxy.
struct Direct(Arc<dyn Handler>);

#[async_trait]
impl Handler for Direct {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let refused = Context::of(depot).and_then(|context| {
            let app_state = &context.app_state;
            app_state
                .authenticator
                .refuse_proxied_while_open(request, &app_state.limits)
        });
        match refused {
            Ok(()) => self.0.handle(request, depot, response, flow).await,
            Err(problem) => {
                flow.skip_rest();
                problem.write(request, depot, response).await;
            }
        }
    }
}

fn too_slow() -> Problem {
    let detail = "The answer took too long. The request may or may not have been done: repeat it, a create \
                  or a retry under its idempotency key.";
    Problem::new(Kind::Unavailable, detail).retry_after(1)
}

#[async_trait]
impl Handler for Guarded {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let done = async {
            let (limits, place) = self.let_in(request, depot).await?;
            if self.policy.streaming {
                // It may go on for long, and has a limit of its own.
                drop(place);
                self.handler.handle(request, depot, response, flow).await;
                return Ok(());
            }
            let within = limits.config.handler_timeout;
            // A handler writes in a separate task, which continues after the timeout.
            timeout(within, self.handler.handle(request, depot, response, flow))
                .await
                .map_err(|_| too_slow())
        };
        if let Err(problem) = done.await {
            flow.skip_rest();
            *response = Response::new();
            problem.write(request, depot, response).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn a_token_is_shown_in_one_bearer_header_and_nowhere_else() {
        let shown_by = |headers: &[(&'static str, &str)]| format!("{:?}", shown(request(headers).headers()));
        assert_eq!(shown_by(&[]), "Nothing");
        for value in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(shown_by(&[("authorization", value)]), "Token(\"abc\")", "{value}");
        }
        for value in ["", "Bearer", "abc", "Basic abc", "Bearer\tabc"] {
            assert_eq!(shown_by(&[("authorization", value)]), "Odd", "{value:?}");
        }
        let twice = [("authorization", "Bearer abc"), ("authorization", "Bearer abc")];
        assert_eq!(shown_by(&twice), "Odd");
        let elsewhere = [
            ("x-api-key", "abc"),
            ("proxy-authorization", "Bearer abc"),
            ("cookie", "key=abc"),
        ];
        assert_eq!(shown_by(&elsewhere), "Nothing");
    }
}
