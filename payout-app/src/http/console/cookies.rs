//! The console's cookies: the session's token, and the choice of light or dark.

use payout_core::access::{SESSION_LASTS, SessionToken};
use salvo::Request;
use salvo::http::header::COOKIE;

use crate::http::middleware::open::{is_addressed_here, way_through_a_proxy};

/// The prefix makes browsers refuse the cookie unless it is `Secure`, of this host alone and of every path, so that no
/// neighbour can plant one.
const SECURE: &str = "__Host-payout_console";
/// The name over HTTP on this host itself, where a cookie of the other name could not be set.
const ON_LOOPBACK: &str = "payout_console";
const THEME: &str = "payout_theme";

/// Returns the value of the only cookie with this name. Several of one name were not set by this service alone.
fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let lines = request
        .headers()
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(given, _)| *given == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => value,
        (_, Some(_)) => None,
    }
}

/// Returns the name and the attributes of the session's cookie for the address that the browser used.
fn of_session(request: &Request) -> (&'static str, &'static str) {
    // Some proxies on this host rewrite `Host`.
    if is_addressed_here(request) && way_through_a_proxy(request).is_none() {
        (ON_LOOPBACK, "")
    } else {
        (SECURE, "; Secure")
    }
}

/// Returns the session's token that the browser presents.
pub(super) fn session(request: &Request) -> Option<SessionToken> {
    let (name, _) = of_session(request);
    SessionToken::of_shown(cookie(request, name)?)
}

/// Returns the cookie that begins a session.
pub(super) fn begin(request: &Request, token: &SessionToken) -> String {
    let (name, secure) = of_session(request);
    let (token, seconds) = (token.expose(), SESSION_LASTS.as_secs());
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// Returns the cookie that ends a session in the browser.
pub(super) fn end(request: &Request) -> String {
    let (name, secure) = of_session(request);
    format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}")
}

/// The colours of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the browser prefers.
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads a name; any other text is as the browser prefers.
    pub(super) fn read(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    pub(super) fn of(request: &Request) -> Self {
        cookie(request, THEME).map_or(Self::Auto, Self::read)
    }

    /// Returns the cookie that keeps the choice for a year.
    pub(super) fn cookie(self) -> String {
        format!(
            "{THEME}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000",
            self.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, cookies: &[&str]) -> Request {
        let mut request = Request::new();
        request.headers_mut().insert("host", host.parse().unwrap());
        for line in cookies {
            request.headers_mut().append(COOKIE, line.parse().unwrap());
        }
        request
    }

    #[test]
    fn a_session_is_read_from_the_cookie_that_fits_the_address() {
        let token = "a5".repeat(32);
        let found =
            |host: &str, name: &str| session(&request(host, &[&format!("x=1; {name}={token}")])).is_some();
        assert!(found("127.0.0.1:8000", ON_LOOPBACK));
        assert!(found("pay.example", SECURE));
        assert!(
            !found("pay.example", ON_LOOPBACK),
            "a neighbour can plant that one"
        );
        assert!(!found("127.0.0.1:8000", SECURE));
    }

    #[test]
    fn two_cookies_of_one_name_are_none() {
        let (one, other) = ("a5".repeat(32), "b6".repeat(32));
        let both = format!("{SECURE}={one}; {SECURE}={other}");
        assert!(session(&request("pay.example", &[&both])).is_none());
        let lines = [format!("{SECURE}={one}"), format!("{SECURE}={other}")];
        assert!(session(&request("pay.example", &[&lines[0], &lines[1]])).is_none());
    }

    #[test]
    fn a_cookie_is_secure_except_on_this_host() {
        let token = SessionToken::of(&[1; 32]);
        let set = begin(&request("pay.example", &[]), &token);
        assert!(set.starts_with("__Host-payout_console=0101"), "{set}");
        assert!(
            set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure"),
            "{set}"
        );
        let set = begin(&request("localhost:8000", &[]), &token);
        assert!(
            set.starts_with("payout_console=0101") && !set.contains("Secure"),
            "{set}"
        );
        assert!(end(&request("pay.example", &[])).contains("Max-Age=0"));
    }
}
