//! Adyen's Transfers API, version 4: payouts from a balance account to bank accounts.
//!
//! - A submission is `POST /transfers` under the header `Idempotency-Key`, with the same key as `reference`. Adyen
//!   answers a repetition with the first answer, for at least 31 days.
//! - A look-up reads the transfer by its id, or else lists the transfers with this reference (`look_up`).
//! - [`answer`] maps Adyen's answers, and [`codes`] its reasons, by one rule: only what is certain is reported as
//!   certain.
//! - A notification is a hint, and names payments (`notification`).
//!
//! `docs/providers/adyen.md` has the tables.

mod amount;
pub mod answer;
mod balances;
pub mod codes;
mod look_up;
mod notification;
mod request;
mod settings;
mod text;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::RecipientType;
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Balance, Capabilities, Instruction, LookUp, LookUpAnswer, Notification, NotificationError, PaymentName,
    ProcessorError, ProviderAnswer, ReturnWindow,
};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use self::look_up::Window;
use self::notification::NotificationKey;
use self::request::Endpoints;
pub use self::settings::{AdyenPriority, AdyenSettings, AdyenSetupError, LIVE_URL};
use crate::outbound::{Outbound, OutboundSettings};

/// The time for which Adyen remembers a key: 31 days at least, of which one is kept back for clocks that differ.
const KEY_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The time after the booking of a transfer within which its return is expected. Adyen documents no limit.
const RETURN_WINDOW: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// The longest time until an accepted transfer is booked, a review at Adyen included.
const SETTLES_WITHIN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A [`Processor`] that pays through Adyen.
pub struct AdyenProcessor {
    client: Outbound,
    endpoints: Endpoints,
    balance_account: String,
    priority: AdyenPriority,
    notification_key: Option<NotificationKey>,
    poll_interval: Duration,
    clock: System,
}

impl AdyenProcessor {
    /// Creates the processor without connecting to Adyen.
    ///
    /// # Errors
    /// [`AdyenSetupError`] if a setting cannot be used, or if the system has no root certificates.
    pub fn new(settings: &AdyenSettings) -> Result<Self, AdyenSetupError> {
        let endpoints = Endpoints::new(&settings.url)?;
        let mut api_key =
            HeaderValue::from_str(settings.api_key.expose()).map_err(|_| AdyenSetupError::InvalidApiKey)?;
        if api_key.is_empty() {
            return Err(AdyenSetupError::InvalidApiKey);
        }
        api_key.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), api_key)]);
        if !settings::is_balance_account(&settings.balance_account) {
            return Err(AdyenSetupError::InvalidBalanceAccount);
        }
        let notification_key = settings
            .notification_key
            .as_ref()
            .map(|key| NotificationKey::new(key).ok_or(AdyenSetupError::InvalidNotificationKey))
            .transpose()?;
        let outbound = OutboundSettings {
            connect_timeout: settings.connect_timeout,
            timeout: settings.timeout,
            ..OutboundSettings::default()
        };
        let client = Outbound::new(&outbound, headers).map_err(|error| AdyenSetupError::Client(error.0))?;
        Ok(Self {
            client,
            endpoints,
            balance_account: settings.balance_account.clone(),
            priority: settings.priority,
            notification_key,
            poll_interval: settings.poll_interval,
            clock: System::default(),
        })
    }
}

#[async_trait]
impl Processor for AdyenProcessor {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: "adyen",
            key_window: Some(KEY_WINDOW),
            repeat_is_safe: true,
            currencies: Some(amount::currencies()),
            recipients: Some(vec![
                RecipientType::Iban,
                RecipientType::UsBank,
                RecipientType::GbBank,
            ]),
            returns: ReturnWindow::Within(RETURN_WINDOW),
            settles_within: Some(SETTLES_WITHIN),
            poll_interval: self.poll_interval,
            calls_per_second: None,
            concurrent_calls: None,
        }
    }

    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let body = match request::body(instruction, &self.balance_account, self.priority) {
            Ok(body) => body,
            Err(unpayable) => return Ok(ProviderAnswer::Declined(unpayable.into_failure())),
        };
        let request = self
            .client
            .request(Method::POST, self.endpoints.transfers())
            .header("Idempotency-Key", request::wire_key(&instruction.key))
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        answer::of_submission(&self.client.ask(request).await?, &instruction.key)
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let id = look_up.reference.as_ref().map(|reference| reference.as_str());
        // A payment without a reference of Adyen's is stored with its key in place of one.
        if let Some(id) = id.filter(|id| *id != look_up.key.as_str()) {
            let request = self.client.request(Method::GET, self.endpoints.transfer(id));
            let received = self.client.ask(request).await?;
            return answer::of_transfer(&received, &look_up.key).map(LookUpAnswer::Found);
        }
        let window = Window::new(look_up.first_sent_at, self.clock.now());
        let url = self.endpoints.list(&look_up.key, &self.balance_account, &window);
        let received = self.client.ask(self.client.request(Method::GET, url)).await?;
        Ok(match answer::of_list(&received, &look_up.key)? {
            Some(found) => LookUpAnswer::Found(found),
            None => window.without_transfer(),
        })
    }

    async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
        let Some(url) = self.endpoints.balance_account(&self.balance_account) else {
            return Ok(None);
        };
        balances::read(&self.client.ask(self.client.request(Method::GET, url)).await?)
    }

    async fn read_notification(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let key = self
            .notification_key
            .as_ref()
            .ok_or(NotificationError::NotConfigured)?;
        key.verify(notification)?;
        notification::read(&notification.body)
    }
}

impl fmt::Debug for AdyenProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdyenProcessor")
            .field("endpoints", &self.endpoints)
            .field("balance_account", &self.balance_account)
            .finish_non_exhaustive()
    }
}
