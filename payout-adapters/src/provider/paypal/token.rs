//! The access token: fetched by OAuth 2 client credentials, kept until shortly before it expires, and fetched once for
//! all callers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use payout_core::ports::{Clock, System};
use payout_core::provider::ProcessorError;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::settings::PaypalSetupError;
use crate::Secret;
use crate::outbound::{Outbound, Received};

/// The longest time before its end at which a token is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);
/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A value of the header `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(HeaderValue);

impl Token {
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// The source of tokens.
pub(super) struct Tokens {
    url: Url,
    credentials: HeaderValue,
    held: Mutex<Held>,
    /// The number of fetches that have ended.
    fetches: AtomicU64,
    clock: System,
}

#[derive(Default)]
struct Held {
    /// The token, and the monotonic time at which it is renewed.
    token: Option<(Token, Duration)>,
    /// The error of the last fetch, if it failed.
    failure: Option<Failure>,
}

/// A failed fetch, which all callers that waited for it receive. It proves that no payment was sent.
#[derive(Debug, Clone)]
enum Failure {
    /// PayPal gave no token.
    Missing { why: String },
    /// PayPal refused to give a token now.
    Refused {
        why: String,
        retry_after: Option<Duration>,
    },
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(url: Url, client_id: &str, client_secret: &Secret) -> Result<Self, PaypalSetupError> {
        // RFC 6749 §2.3.1 and RFC 7617: a client id with a colon could not be told from the secret.
        let usable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !usable(client_id) || client_id.contains(':') || !usable(client_secret.expose()) {
            return Err(PaypalSetupError::InvalidCredentials);
        }
        let pair = Secret::from(format!("{client_id}:{}", client_secret.expose()));
        let basic = Secret::from(format!("Basic {}", STANDARD.encode(pair.expose())));
        Ok(Self {
            url,
            credentials: secret_header(basic.expose()).ok_or(PaypalSetupError::InvalidCredentials)?,
            held: Mutex::default(),
            fetches: AtomicU64::new(0),
            clock: System::default(),
        })
    }

    /// Returns the token. It is fetched first if it is missing, about to expire, or the one that PayPal has refused.
    /// Callers that wait for a fetch receive its result, an error included.
    ///
    /// # Errors
    /// [`ProcessorError::NeverSent`] or [`ProcessorError::Refused`]: without a token, no payment is sent.
    pub(super) async fn get(
        &self,
        client: &Outbound,
        refused: Option<&Token>,
    ) -> Result<Token, ProcessorError> {
        let seen = self.fetches.load(Ordering::Acquire);
        let mut held = self.held.lock().await;
        if let Some((token, renewed_at)) = &held.token
            && Some(token) != refused
            && self.clock.monotonic() < *renewed_at
        {
            return Ok(token.clone());
        }
        if let Some(failure) = &held.failure
            && self.fetches.load(Ordering::Acquire) > seen
        {
            return Err(failure.clone().into());
        }
        let fetched = self.fetch(client).await;
        self.fetches.fetch_add(1, Ordering::AcqRel);
        match fetched {
            Ok((token, life)) => {
                let renewed_at = self.clock.monotonic() + (life - RENEWED_BEFORE.min(life / 10));
                *held = Held {
                    token: Some((token.clone(), renewed_at)),
                    failure: None,
                };
                Ok(token)
            }
            Err(failure) => {
                *held = Held {
                    token: None,
                    failure: Some(failure.clone()),
                };
                Err(failure.into())
            }
        }
    }

    async fn fetch(&self, client: &Outbound) -> Result<(Token, Duration), Failure> {
        let request = client
            .request(Method::POST, self.url.clone())
            .header(AUTHORIZATION, self.credentials.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        match client.ask(request).await {
            Ok(received) => granted(&received),
            Err(error) => Err(Failure::Missing {
                why: format!("no access token: {error}"),
            }),
        }
    }
}

/// Interprets the answer of the token endpoint.
fn granted(received: &Received) -> Result<(Token, Duration), Failure> {
    if received.status == 200 {
        let missing = || Failure::Missing {
            why: "no access token: PayPal's answer cannot be read".to_owned(),
        };
        let granted: Granted = received.object().map_err(|_| missing())?;
        let bearer = Secret::from(format!("Bearer {}", granted.access_token));
        let usable = granted.token_type.eq_ignore_ascii_case("bearer")
            && !granted.access_token.is_empty()
            && granted.expires_in > 0;
        return secret_header(bearer.expose())
            .filter(|_| usable)
            .map(|header| {
                (
                    Token(header),
                    Duration::from_secs(granted.expires_in).min(LONGEST_LIFE),
                )
            })
            .ok_or_else(missing);
    }
    let is_not_now = received.no_answer().is_not_now();
    let why = format!("no access token: the provider answered {}", received.status);
    match received.retry_after {
        None if !is_not_now => Err(Failure::Missing { why }),
        retry_after => Err(Failure::Refused { why, retry_after }),
    }
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

impl From<Failure> for ProcessorError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing { why } => Self::NeverSent { why },
            Failure::Refused { why, retry_after } => Self::Refused { why, retry_after },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Body;

    fn answer(status: u16, retry_after: Option<Duration>, body: &str) -> ProcessorError {
        let received = Received {
            status,
            retry_after,
            body: Body::Whole(body.as_bytes().to_vec()),
        };
        granted(&received).unwrap_err().into()
    }

    #[test]
    fn a_missing_token_proves_that_no_payment_was_sent() {
        let wait = Some(Duration::from_secs(9));
        for (status, retry_after) in (100..=599)
            .filter(|status| *status != 200)
            .flat_map(|status| [(status, None), (status, wait)])
        {
            let error = answer(status, retry_after, "{}");
            assert!(
                !error.may_have_arrived() && error.is_not_now(),
                "{status}: {error:?}"
            );
            assert_eq!(error.retry_after(), retry_after, "{status}");
        }
        for body in [
            "",
            "{}",
            r#"{"access_token":"","token_type":"Bearer","expires_in":9}"#,
            r#"{"access_token":"a","token_type":"Basic","expires_in":9}"#,
            r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#,
            r#"{"access_token":"a\nb","token_type":"Bearer","expires_in":9}"#,
        ] {
            assert!(
                matches!(answer(200, None, body), ProcessorError::NeverSent { .. }),
                "{body}"
            );
        }
    }

    #[test]
    fn credentials_that_no_header_can_carry_are_refused() {
        let url: Url = "https://api-m.paypal.com".parse().unwrap();
        for (id, secret) in [
            ("", "s"),
            ("i", ""),
            ("i:j", "s"),
            ("i\n", "s"),
            ("i", "hunter2\n"),
            ("ä", "s"),
        ] {
            let error = Tokens::new(url.clone(), id, &Secret::from(secret)).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
