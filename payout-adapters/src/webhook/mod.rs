//! The client that posts webhooks, which reaches no address inside.
//!
//! - `networks` says which addresses may be called.
//! - `resolver` looks names up for the client. The client dials exactly the addresses that were checked, so a name that
//!   stands for another address a moment later is of no use. An address that is written as a number, in any base, is
//!   parsed once, checked, and dialled.
//!
//! The client follows no redirects, uses no proxy of the environment, and reads a bounded answer in bounded time.

mod networks;
mod resolver;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::ports::{Clock, ForbiddenUrl, System, WEBHOOK_TIMEOUT, WebhookRequest, WebhookSender};
use payout_core::webhook::{AnswerText, EndpointUrl, SendOutcome};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, redirect, retry};
use url::{Host, Url};

pub use self::networks::{AllowedNetworks, InvalidNetwork};
use self::networks::{ForbiddenAddress, Rule};
use self::resolver::{CheckedResolver, Lookup, SystemLookup};
use crate::outbound::{OutboundError, retry_after};

/// The limit for establishing a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time that an idle connection is kept, shorter than most servers keep theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// The maximum number of idle connections to an endpoint.
const IDLE_CONNECTIONS: usize = 64;

/// Posts webhooks over HTTP.
pub struct HttpWebhookSender {
    encrypted: Client,
    encrypted_rule: Rule,
    plain: Client,
    plain_rule: Rule,
    clock: System,
}

impl HttpWebhookSender {
    /// Creates the clients without connecting. Endpoints within `networks` may be called although they are not public,
    /// and in plain text.
    ///
    /// # Errors
    /// [`OutboundError`] if the system has no root certificates.
    pub fn new(networks: &AllowedNetworks) -> Result<Self, OutboundError> {
        Self::with_lookup(networks, Arc::new(SystemLookup))
    }

    fn with_lookup(networks: &AllowedNetworks, lookup: Arc<dyn Lookup>) -> Result<Self, OutboundError> {
        let encrypted_rule = Rule::PublicOrAllowed(networks.clone());
        let plain_rule = Rule::Allowed(networks.clone());
        Ok(Self {
            encrypted: client(CheckedResolver::new(lookup.clone(), encrypted_rule.clone()), true)?,
            plain: client(CheckedResolver::new(lookup, plain_rule.clone()), false)?,
            encrypted_rule,
            plain_rule,
            clock: System::default(),
        })
    }

    /// Returns the parsed address with the client that may call it.
    fn permitted(&self, url: &EndpointUrl) -> Result<(Url, &Client), ForbiddenUrl> {
        let forbidden = |why: &str| ForbiddenUrl(why.to_owned());
        let parsed: Url = url
            .as_str()
            .parse()
            .map_err(|_| forbidden("this is not a valid address"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(forbidden("an address has no user name and no password"));
        }
        let (client, rule) = match parsed.scheme() {
            "https" => (&self.encrypted, &self.encrypted_rule),
            "http" => (&self.plain, &self.plain_rule),
            _ => return Err(forbidden("an address begins with https://")),
        };
        let literal = match parsed.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            // The resolver checks the addresses of a name.
            Some(Host::Domain(_)) => None,
            None => return Err(forbidden("an address has a host")),
        };
        if let Some(address) = literal {
            rule.check(address)
                .map_err(|refused| ForbiddenUrl(refused.to_string()))?;
        }
        if matches!(rule, Rule::Allowed(networks) if networks.is_empty()) {
            return Err(forbidden("an address begins with https://"));
        }
        Ok((parsed, client))
    }
}

fn client(resolver: CheckedResolver, is_encrypted: bool) -> Result<Client, OutboundError> {
    Client::builder()
        .user_agent(concat!("payout/", env!("CARGO_PKG_VERSION")))
        .https_only(is_encrypted)
        .dns_resolver(Arc::new(resolver))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(WEBHOOK_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .build()
        .map_err(|error| OutboundError(Box::new(error)))
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn check(&self, url: &EndpointUrl) -> Result<(), ForbiddenUrl> {
        self.permitted(url).map(drop)
    }

    async fn send(&self, request: WebhookRequest) -> SendOutcome {
        let (url, client) = match self.permitted(&request.url) {
            Ok(permitted) => permitted,
            Err(ForbiddenUrl(why)) => return SendOutcome::Failed { why },
        };
        let sent = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", request.message_id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", request.signature.as_str())
            .body(request.body)
            .send()
            .await;
        match sent {
            Ok(response) => SendOutcome::Answered {
                status: response.status().as_u16(),
                retry_after: retry_after::read(response.headers(), self.clock.now()),
                answer: read_answer(response).await,
            },
            Err(error) => SendOutcome::Failed { why: reason(&error) },
        }
    }
}

/// Reads the beginning of an answer. If it is longer, the connection is closed, not drained.
async fn read_answer(mut response: Response) -> AnswerText {
    let mut bytes = Vec::new();
    while bytes.len() < AnswerText::MAX_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = AnswerText::MAX_BYTES - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(None) | Err(_) => break,
        }
    }
    AnswerText::new(&bytes)
}

/// Describes why there was no answer, without the address, which may contain a secret.
fn reason(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<ForbiddenAddress>() {
            return refused.to_string();
        }
        cause = error.source();
    }
    let why = if error.is_timeout() && error.is_connect() {
        "no connection in time"
    } else if error.is_timeout() {
        "no answer in time"
    } else if error.is_dns() {
        "the name does not resolve"
    } else if error.is_connect() {
        "no connection (refused, unreachable, or no valid TLS)"
    } else {
        "the connection ended without an answer that is HTTP"
    };
    why.to_owned()
}

impl fmt::Debug for HttpWebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWebhookSender").finish_non_exhaustive()
    }
}
