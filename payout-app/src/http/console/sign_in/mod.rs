//! `/console/sign-in/` and `/console/sign-out/`: the begin and the end of a session.

use askama::Template;
use payout_core::usecase::console_sessions::SignInError;
use salvo::http::StatusCode;
use salvo::{Depot, Request, handler};

use super::assets::{ASSETS, Assets};
use super::cookies::{self, Theme};
use super::guard::{Visit, session_problem};
use super::html::Reply;
use super::posted::Posted;
use crate::http::console::query::parameter;
use crate::http::middleware::context::Context;
use crate::http::problem::{Kind, Problem};
use crate::metrics::Refused;

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage<'a> {
    assets: &'static Assets,
    theme: &'static str,
    next: &'a str,
    message: Option<&'a str>,
}

/// Returns a path of the console; anything else leads to its first page, so that no link leads elsewhere.
pub(super) fn own_path(text: &str) -> &str {
    let is_own =
        text.starts_with("/console/") && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { text } else { "/console/" }
}

fn page(request: &Request, status: StatusCode, next: &str, message: Option<&str>) -> Result<Reply, Problem> {
    let page = SignInPage {
        assets: &ASSETS,
        theme: Theme::of(request).as_str(),
        next,
        message,
    };
    Reply::with_status(status, &page)
}

/// Shows the form.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let next = parameter(query, "next");
    let next = own_path(next.as_deref().unwrap_or("/console/"));
    if Visit::of(depot)?.is_in {
        return Ok(Reply::go(next));
    }
    // The form led here with a cookie that did not come back.
    let message = parameter(query, "kept").map(|_| {
        "Your browser did not keep the session: the console needs https, except on the service's own host."
    });
    page(request, StatusCode::OK, next, message)
}

/// Begins a session.
#[handler]
pub(super) async fn sign_in(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let app_state = &context.app_state;
    if Visit::of(depot)?.is_open {
        return Ok(Reply::go("/console/"));
    }
    let client = context.client.address().map(tracing::field::display);
    app_state
        .limits
        .take_sign_in(context.client)
        .map_err(|too_many| {
            app_state.metrics.refused(Refused::Address);
            let detail = "Too many people tried to sign in from this address. Wait a minute.";
            Problem::new(Kind::TooManyRequests, detail).retry_after(too_many.retry_after_seconds)
        })?;
    if !app_state.health.is_open() {
        return Err(Problem::not_ready());
    }
    let posted = Posted::of(depot)?;
    let next = own_path(posted.field("next"));
    let request_id = context.request_id.as_str();
    match app_state.sessions.sign_in(posted.field("key")).await {
        Ok((token, principal)) => {
            tracing::info!(
                by = principal.name(),
                client,
                request_id,
                "a person signed in to the console"
            );
            let separator = if next.contains('?') { '&' } else { '?' };
            let to = format!("{next}{separator}kept=1");
            Ok(Reply::go(to).with_cookie(cookies::begin(request, &token)))
        }
        Err(error @ (SignInError::Invalid | SignInError::NoOwner)) => {
            tracing::warn!(client, request_id, reason = %error, "a sign-in to the console was refused");
            let message = if matches!(error, SignInError::NoOwner) {
                "This key belongs to a program. A person's key has an owner: payout keys create NAME --owner PERSON."
            } else {
                "This is not a valid key. A key begins with payout_, and works until it is revoked or expires."
            };
            page(request, StatusCode::UNAUTHORIZED, next, Some(message))
        }
        Err(error) => Err(session_problem(error)),
    }
}

/// Ends a session.
#[handler]
pub(super) async fn sign_out(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    if let Some(token) = &Visit::of(depot)?.session {
        let ended = context.app_state.sessions.sign_out(token).await;
        ended.map_err(session_problem)?;
        tracing::info!(
            by = context.principal.name(),
            request_id = context.request_id.as_str(),
            "a person signed out of the console"
        );
    }
    Ok(Reply::go("/console/sign-in/").with_cookie(cookies::end(request)))
}

/// Keeps the choice of light or dark.
#[handler]
pub(super) async fn set_theme(depot: &mut Depot) -> Result<Reply, Problem> {
    let posted = Posted::of(depot)?;
    let theme = Theme::read(posted.field("theme"));
    Ok(Reply::go(own_path(posted.field("back"))).with_cookie(theme.cookie()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_never_begins_elsewhere() {
        for own in ["/console/", "/console/payouts/?status=failed&x=%20"] {
            assert_eq!(own_path(own), own);
        }
        for elsewhere in [
            "",
            "https://evil.example/",
            "//evil.example/console/",
            "/\\evil.example",
            "/console/\r\nset-cookie: x=1",
            "javascript:alert(1)",
            "/consoles/",
        ] {
            assert_eq!(own_path(elsewhere), "/console/", "{elsewhere}");
        }
    }
}
