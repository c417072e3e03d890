//! A payment provider over HTTP that implements this project's provider contract.
//!
//! [`answer`] interprets the provider's answers by one rule: only what is certain is reported as certain. An answer that
//! does not match the contract exactly is *unknown*. So is every error, except a failure to connect.
//!
//! The client is [`crate::outbound`].

pub mod answer;
mod balances;
mod notification;
mod request;
mod settings;

use std::fmt;

use async_trait::async_trait;
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Balance, Capabilities, Instruction, LookUp, LookUpAnswer, Notification, NotificationError, PaymentName,
    ProcessorError, ProviderAnswer, ReturnWindow,
};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;

use self::request::{Endpoints, Wire};
pub use self::settings::{HttpSettings, HttpSetupError};
use crate::Secret;
use crate::outbound::{Outbound, OutboundSettings};

/// The longest answer that is read, in bytes. An answer of the contract has a few hundred bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The header that tells the provider which version of the contract the service speaks.
const CONTRACT: HeaderName = HeaderName::from_static("payout-contract");
/// The version: 2 has returned and waiting payments, and notifications.
const VERSION: HeaderValue = HeaderValue::from_static("2");

/// A [`Processor`] that calls a payment provider over HTTP.
pub struct HttpProcessor {
    client: Outbound,
    endpoints: Endpoints,
    notification_key: Option<Secret>,
    returns: ReturnWindow,
    clock: System,
}

impl HttpProcessor {
    /// Creates the processor without connecting to the provider.
    ///
    /// # Errors
    /// [`HttpSetupError`] when the URL or the token cannot be used, or when the system has no root certificates.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpSetupError> {
        let endpoints = Endpoints::new(&settings.url)?;
        let mut headers = HeaderMap::from_iter([(CONTRACT, VERSION)]);
        if let Some(token) = &settings.token {
            let value = Zeroizing::new(format!("Bearer {}", token.expose()));
            let mut value = HeaderValue::from_str(&value).map_err(|_| HttpSetupError::InvalidToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = OutboundSettings {
            connect_timeout: settings.connect_timeout,
            timeout: settings.timeout,
            idle_connections: settings.idle_connections,
            idle_timeout: settings.idle_timeout,
            longest_answer: LONGEST_ANSWER,
        };
        let client = Outbound::new(&client, headers).map_err(|error| HttpSetupError::Client(error.0))?;
        Ok(Self {
            client,
            endpoints,
            notification_key: settings.notification_key.clone(),
            returns: settings
                .returns_within
                .map_or(ReturnWindow::Never, ReturnWindow::Within),
            clock: System::default(),
        })
    }
}

#[async_trait]
impl Processor for HttpProcessor {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let request = self
            .client
            .request(Method::POST, self.endpoints.submit())
            .header("Idempotency-Key", instruction.key.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Wire::from(instruction).to_json());
        answer::of_submission(&self.client.ask(request).await?)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: "http",
            returns: self.returns,
            ..Capabilities::default()
        }
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let request = self
            .client
            .request(Method::GET, self.endpoints.look_up(&look_up.key));
        let found = answer::of_look_up(&self.client.ask(request).await?)?;
        Ok(found.map_or(LookUpAnswer::Absent, LookUpAnswer::Found))
    }

    async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
        let request = self.client.request(Method::GET, self.endpoints.balances());
        balances::read(&self.client.ask(request).await?)
    }

    async fn read_notification(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let key = self.notification_key.as_ref();
        let key = key.ok_or(NotificationError::NotConfigured)?;
        notification::read(notification, key, self.clock.now())
    }
}

impl fmt::Debug for HttpProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProcessor")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
