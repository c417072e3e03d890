//! Who may call what: every route says which scopes open it, and a request is let in before its handler sees it.
//!
//! Without any key the service is open, and only at home: it is bound to loopback, and answers only requests that were
//! addressed to this host by themselves. A page in a browser can reach loopback too: by a name of its own that it has
//! made to mean 127.0.0.1 (DNS rebinding), which its `Host` tells, or across origins, which its `Origin` tells.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use payout_core::keys::{Principal, Scope};
use payout_core::service::keys::{Found, Keyring};
use salvo::http::HeaderMap;
use salvo::http::header::{AUTHORIZATION, HOST, ORIGIN};
use salvo::http::uri::Authority;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};
use tokio::time::timeout;
use url::{Host, Url};

use super::body;
use super::context::Context;
use super::problem::{Kind, Problem};
use crate::limits::{Limits, Place};
use crate::metrics::Refused;

/// What a route asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Anyone,
    /// One of these scopes. What further ones a body asks for is its handler's to say.
    OneOf(&'static [Scope]),
    /// The scope `read`; known well enough also while the keys have not been checked for long, since it is then that
    /// metrics are looked at.
    Metrics,
}

impl Access {
    /// The scopes, one of which is needed; none when nothing is.
    pub(super) fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Anyone => &[],
            Self::OneOf(scopes) => scopes,
            Self::Metrics => &[Scope::Read],
        }
    }
}

/// Whom a service without keys answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenTo {
    /// Whoever is on this host: it is bound to loopback.
    ThisHost,
    /// Whoever reaches it: `PAYOUT_AUTH=off`.
    Anyone,
    /// Nobody: it is bound to another address, and ends as soon as it knows that there are no keys.
    Nobody,
}

impl OpenTo {
    /// By where the service listens, and whether it was told to be open.
    pub(crate) fn of(bind: SocketAddr, auth_off: bool) -> Self {
        if auth_off {
            Self::Anyone
        } else if bind.ip().to_canonical().is_loopback() {
            Self::ThisHost
        } else {
            Self::Nobody
        }
    }
}

/// Lets requests in, or does not.
pub(crate) struct Gate {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) open_to: OpenTo,
    open: Arc<Principal>,
}

impl Gate {
    pub(crate) fn new(keyring: Arc<Keyring>, open_to: OpenTo) -> Self {
        Self {
            keyring,
            open_to,
            open: Arc::new(Principal::open()),
        }
    }

    /// Whoever sends this request, if that may pass.
    fn admit(&self, request: &Request, access: Access) -> Result<Arc<Principal>, Problem> {
        let shown = shown(request.headers());
        let stale_will_do = access == Access::Metrics;
        match self.keyring.ask(shown.token(), stale_will_do) {
            Found::Unknown { stale: false } => Err(Problem::not_ready()),
            Found::Unknown { stale: true } => {
                let detail = "The API keys could not be checked for a minute: the database is away.";
                Err(Problem::new(Kind::Unavailable, detail).retry_after(1))
            }
            Found::NoKeys => match self.open_to {
                OpenTo::Anyone => Ok(self.open.clone()),
                OpenTo::ThisHost if is_from_here(request) => Ok(self.open.clone()),
                OpenTo::ThisHost => {
                    let detail = "Without API keys this service answers only what is addressed to this host itself: \
                                  make a key (`payout keys create`) to reach it by another name or from a page elsewhere.";
                    Err(Problem::new(Kind::Forbidden, detail))
                }
                OpenTo::Nobody => Err(unauthorized(shown)),
            },
            Found::Known(principal) => {
                allows(&principal, access.scopes())?;
                Ok(principal)
            }
            Found::Nobody => Err(unauthorized(shown)),
        }
    }
}

/// Whether one of these scopes is open to the principal.
///
/// # Errors
/// 403, which names them.
pub(super) fn allows(principal: &Principal, scopes: &'static [Scope]) -> Result<(), Problem> {
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
    // The same words for a wrong, a revoked and an expired key.
    let (detail, challenge) = match shown {
        Shown::Nothing => (
            "Show an API key: `Authorization: Bearer payout_…`.",
            "Bearer realm=\"payout\"",
        ),
        Shown::Token(_) | Shown::Odd => (
            "This is no key that opens anything here, or not in the form `Authorization: Bearer payout_…`.",
            "Bearer realm=\"payout\", error=\"invalid_token\"",
        ),
    };
    Problem::new(Kind::Unauthorized, detail).challenge(challenge)
}

/// What a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    Token(&'a str),
    /// Another scheme, or two of them.
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

/// The bearer token of the one `Authorization` header. Nothing else is looked at: an address ends up in logs and
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

/// Whether a request is addressed to this host by itself, and comes from no page of another.
fn is_from_here(request: &Request) -> bool {
    let headers = request.headers();
    let host_is_local = match headers.get(HOST) {
        Some(host) => host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok())
            .is_some_and(|authority| is_local(authority.host())),
        // HTTP/2 has it in its address. HTTP/1.0 may leave it away; no browser does.
        None => request
            .uri()
            .authority()
            .is_none_or(|authority| is_local(authority.host())),
    };
    let origin_is_local = headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
        origin.is_some_and(|origin| match origin.host() {
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        })
    });
    host_is_local && origin_is_local
}

fn is_local(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A handler behind its route's access.
pub(super) struct Guarded {
    access: Access,
    handler: Arc<dyn Handler>,
}

impl Guarded {
    pub(super) fn behind(access: Access, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        match access {
            Access::Anyone => handler,
            Access::OneOf(_) | Access::Metrics => Arc::new(Self { access, handler }),
        }
    }
}

impl Guarded {
    /// Lets a request in that may pass and is whole, and gives it a place among those that are worked on.
    async fn let_in(
        &self,
        request: &mut Request,
        depot: &mut Depot,
    ) -> Result<(Arc<Limits>, Option<Place>), Problem> {
        let context = Context::of_mut(depot)?;
        let limits = context.site.limits.clone();
        context.principal = context.site.gate.admit(request, self.access)?;
        if self.access == Access::Metrics {
            return Ok((limits, None));
        }
        if let Some(key) = context.principal.api_key() {
            match limits.take_of_key(key, context.client) {
                Ok(allowance) => context.taken.of_key = allowance,
                Err(too_many) => {
                    context.taken.of_key = Some(too_many.allowance);
                    context.site.metrics.refused(Refused::Key);
                    return Err(too_many.into());
                }
            }
        }
        let metrics = context.site.metrics.clone();
        body::receive(request, limits.config.body_bytes, limits.config.body_timeout).await?;
        let Some(place) = limits.take_place() else {
            metrics.refused(Refused::InFlight);
            let most = limits.config.in_flight;
            let detail = format!("{most} requests are in flight, which is the most.");
            return Err(Problem::new(Kind::Busy, detail).retry_after(1));
        };
        Ok((limits, Some(place)))
    }
}

fn too_slow() -> Problem {
    let detail = "The answer took too long. The request may or may not have been done: repeat it under its idempotency key.";
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
            let (limits, _place) = self.let_in(request, depot).await?;
            let within = limits.config.handler_timeout;
            // What a handler writes it writes in a task of its own, which goes on.
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

    #[test]
    fn without_keys_only_what_is_addressed_to_this_host_is_from_here() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.8.0.1",
            "[::1]:8000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_from_here(&request(&[("host", host)])), "{host}");
        }
        for host in [
            "payouts.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0:8000",
            "[::]",
            "localhost@evil.example",
            "a b",
            "",
        ] {
            assert!(!is_from_here(&request(&[("host", host)])), "{host}");
        }
        assert!(is_from_here(&request(&[])));
    }

    #[test]
    fn without_keys_no_page_of_elsewhere_may_ask() {
        for origin in ["http://localhost:8000", "http://127.0.0.1:3000", "https://[::1]"] {
            assert!(
                is_from_here(&request(&[("host", "localhost"), ("origin", origin)])),
                "{origin}"
            );
        }
        for origin in [
            "https://evil.example",
            "null",
            "",
            "file://",
            "http://localhost.evil.example",
        ] {
            assert!(
                !is_from_here(&request(&[("host", "localhost"), ("origin", origin)])),
                "{origin}"
            );
        }
    }

    #[test]
    fn only_loopback_is_home() {
        let of = |bind: &str, off| OpenTo::of(bind.parse().unwrap(), off);
        for bind in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(of(bind, false), OpenTo::ThisHost, "{bind}");
        }
        for bind in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(of(bind, false), OpenTo::Nobody, "{bind}");
            assert_eq!(of(bind, true), OpenTo::Anyone, "{bind}");
        }
    }
}
