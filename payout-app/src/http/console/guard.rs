//! The guard of every page: who asks, whether they may, and whether a change comes from a page of the console.

use std::sync::Arc;

use payout_core::access::{Principal, Scope, SessionToken};
use payout_core::usecase::console_sessions::SignInError;
use salvo::http::header::{HOST, ORIGIN};
use salvo::http::{HeaderMap, Method, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};
use subtle::ConstantTimeEq;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::cookies;
use super::html::Reply;
use super::posted::Posted;
use crate::http::admission::{Limits, Place};
use crate::http::extract::{body, encoding};
use crate::http::middleware::access::{allows, count_of_key, take_place};
use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};

/// The requirements of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// One of these scopes is required; none if it is empty.
    pub(super) scopes: &'static [Scope],
    /// False for pages that a person sees before signing in.
    pub(super) signed_in: bool,
    /// The largest body of a form.
    pub(super) most_bytes: usize,
    /// True for an answer that goes on for as long as the browser listens.
    pub(super) streaming: bool,
}

/// The largest ordinary form.
const FORM_BYTES: usize = 256 * 1024;

impl Rules {
    /// Builds the rules of a page for people with one of these scopes.
    pub(super) const fn scoped(scopes: &'static [Scope]) -> Self {
        Self {
            scopes,
            signed_in: true,
            most_bytes: FORM_BYTES,
            streaming: false,
        }
    }

    /// The rules of a page for everybody.
    pub(super) const OPEN: Self = Self {
        signed_in: false,
        ..Self::scoped(&[])
    };
}

/// The visitor of a page, as the guard has found out.
pub(super) struct Visit {
    /// The token that changes carry.
    pub(super) change_token: String,
    /// The session; absent in a service without API keys, and before signing in.
    pub(super) session: Option<SessionToken>,
    /// True if the service has no API keys.
    pub(super) is_open: bool,
    /// True if somebody may look at pages for people who are signed in.
    pub(super) is_in: bool,
}

impl Visit {
    /// Returns the visit that the guard has found.
    ///
    /// # Errors
    /// 500 on a route without the guard.
    pub(super) fn of(depot: &Depot) -> Result<&Self, Problem> {
        depot
            .get_typed::<Self>()
            .map_err(|_| Problem::internal("no guard of the console".into()))
    }
}

/// A page behind its rules.
pub(super) struct Guarded {
    rules: Rules,
    handler: Arc<dyn Handler>,
}

/// The reason for which a page is not shown.
enum Stopped {
    Refused(Problem),
    /// Nobody is signed in.
    SignIn,
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl Guarded {
    pub(super) fn behind(rules: Rules, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Self { rules, handler })
    }

    async fn let_in(
        &self,
        request: &mut Request,
        depot: &mut Depot,
    ) -> Result<(Arc<Limits>, Option<Place>), Stopped> {
        let context = Context::of_mut(depot)?;
        let limits = context.app_state.limits.clone();
        let (visit, principal) = visit(request, context).await?;
        if self.rules.signed_in && !visit.is_in {
            return Err(Stopped::SignIn);
        }
        if let Some(principal) = principal {
            context.principal = principal;
        }
        if !self.rules.scopes.is_empty() {
            allows(&context.principal, self.rules.scopes)?;
        }
        count_of_key(context)?;
        let undecodable = encoding::mistakes(request.uri().query().unwrap_or_default().as_bytes());
        if !undecodable.is_empty() {
            return Err(Problem::invalid(undecodable).into());
        }
        let metrics = context.app_state.metrics.clone();
        if *request.method() == Method::POST {
            if !is_from_own_page(request.headers(), limits.base_address(request).as_deref()) {
                return Err(elsewhere().into());
            }
            body::receive(request, self.rules.most_bytes, limits.config.body_timeout).await?;
            let posted = Posted::read(request)?;
            if self.rules.signed_in && !same(posted.field("token"), &visit.change_token) {
                return Err(stale().into());
            }
            depot.insert_typed(posted);
        }
        depot.insert_typed(visit);
        let place = take_place(&limits, &metrics)?;
        Ok((limits, Some(place)))
    }
}

/// Finds out who asks.
async fn visit(request: &Request, context: &Context) -> Result<(Visit, Option<Arc<Principal>>), Problem> {
    let app_state = &context.app_state;
    if let Some(open) = app_state.authenticator.without_keys(request, &app_state.limits)? {
        let visit = Visit {
            change_token: super::OPEN_TOKEN.clone(),
            session: None,
            is_open: true,
            is_in: true,
        };
        return Ok((visit, Some(open)));
    }
    let nobody = Visit {
        change_token: String::new(),
        session: None,
        is_open: false,
        is_in: false,
    };
    let Some(token) = cookies::session(request) else {
        return Ok((nobody, None));
    };
    if !app_state.health.is_open() {
        return Err(Problem::not_ready());
    }
    match app_state.sessions.find(&token).await {
        Ok(Some(principal)) => {
            let visit = Visit {
                change_token: token.change_token(),
                session: Some(token),
                is_open: false,
                is_in: true,
            };
            Ok((visit, Some(principal)))
        }
        Ok(None) => Ok((nobody, None)),
        Err(error) => Err(session_problem(error)),
    }
}

/// Builds the answer to a failure of the store of sessions.
pub(super) fn session_problem(error: SignInError) -> Problem {
    match error {
        SignInError::Unknown => Problem::not_ready(),
        SignInError::Repository(error) => payout_core::usecase::ServiceError::from(error).into(),
        error @ (SignInError::Invalid | SignInError::NoOwner | SignInError::NoSecret(_) | _) => {
            Problem::internal(Box::new(error))
        }
    }
}

/// Returns whether the browser says that a page of this service sent the form. A browser that names neither the site
/// nor the origin of a form is too old to be believed.
fn is_from_own_page(headers: &HeaderMap, base: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return false;
    };
    let authority = Url::parse(origin).ok().map(|url| {
        let host = url.host_str().unwrap_or_default().to_owned();
        url.port().map_or(host.clone(), |port| format!("{host}:{port}"))
    });
    let host = text(HOST.as_str());
    base == Some(origin) || (authority.is_some() && authority.as_deref() == host)
}

/// Compares two tokens in a time that does not depend on where they differ.
fn same(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

fn elsewhere() -> Problem {
    let detail = "This form was not sent by a page of this console. Open the console, and do it there.";
    Problem::new(Kind::Forbidden, detail)
}

fn stale() -> Problem {
    let detail = "This form belongs to a session that has ended. Nothing was done: go back, reload the page, and send it again.";
    Problem::new(Kind::Forbidden, detail)
}

fn too_slow() -> Problem {
    let detail = "The answer took too long. What you asked for may or may not have been done: look before you repeat it.";
    Problem::new(Kind::Unavailable, detail).retry_after(1)
}

/// Leads to the page for signing in, which leads back.
fn sign_in(request: &Request) -> Reply {
    let asked_for = request
        .uri()
        .path_and_query()
        .map_or("/console/", |path| path.as_str());
    if *request.method() == Method::POST || asked_for == "/console/" {
        return Reply::go("/console/sign-in/");
    }
    let kept = if request
        .uri()
        .query()
        .is_some_and(|query| query.contains("kept=1"))
    {
        "&kept=0"
    } else {
        ""
    };
    let next: String = form_urlencoded::byte_serialize(asked_for.as_bytes()).collect();
    Reply::go(format!("/console/sign-in/?next={next}{kept}"))
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
        let (limits, place) = match self.let_in(request, depot).await {
            Ok(entered) => entered,
            Err(stopped) => {
                flow.skip_rest();
                match stopped {
                    // A part of a page cannot be replaced by another page.
                    Stopped::SignIn
                        if request.headers().contains_key("hx-request") || self.rules.streaming =>
                    {
                        response.status_code(StatusCode::UNAUTHORIZED);
                        response.body("Sign in again.");
                    }
                    Stopped::SignIn => sign_in(request).write(request, depot, response).await,
                    Stopped::Refused(problem) => problem.write(request, depot, response).await,
                }
                return;
            }
        };
        if self.rules.streaming {
            drop(place);
            self.handler.handle(request, depot, response, flow).await;
            return;
        }
        let within = limits.config.handler_timeout;
        // A handler writes in a separate task, which continues after the timeout.
        let done = timeout(within, self.handler.handle(request, depot, response, flow)).await;
        if done.is_err() {
            *response = Response::new();
            too_slow().write(request, depot, response).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(headers: &[(&'static str, &str)], base: Option<&str>) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        is_from_own_page(&map, base)
    }

    #[test]
    fn a_form_comes_from_a_page_of_the_same_origin() {
        for headers in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("origin", "http://127.0.0.1:8000"), ("host", "127.0.0.1:8000")],
            &[("origin", "https://pay.example"), ("host", "pay.example")],
        ] {
            assert!(own(headers, None), "{headers:?}");
        }
        assert!(own(
            &[("origin", "https://pay.example"), ("host", "web:8000")],
            Some("https://pay.example")
        ));
        for headers in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://pay.example"),
                ("host", "pay.example"),
            ],
            &[("origin", "null"), ("host", "pay.example")],
            &[("origin", "https://evil.example"), ("host", "pay.example")],
            &[("origin", "https://pay.example:8443"), ("host", "pay.example")],
            &[("host", "pay.example")],
        ] {
            assert!(!own(headers, None), "{headers:?}");
        }
    }

    #[test]
    fn tokens_are_the_same_or_not() {
        assert!(same("abc", "abc"));
        for wrong in ["", "ab", "abd", "abcd"] {
            assert!(!same(wrong, "abc"), "{wrong}");
        }
        assert!(!same("", ""), "nobody has no token");
    }
}
