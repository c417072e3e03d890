//! PayPal Payouts v1.
//!
//! The idempotency key is the id of a batch (`sender_batch_id`), and each batch has one item. PayPal refuses a repeat
//! for 30 days and links to the first batch; this adapter follows the link. There is no look-up by the key, so a payment
//! of which no answer has arrived is submitted again, which is safe within those 30 days.
//!
//! [`answer`] interprets the answers, `token` keeps the access token, and `notification` verifies what PayPal pushes.

pub mod answer;
mod balances;
mod certificates;
mod codes;
mod notification;
mod request;
mod settings;
mod token;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::{ProviderReference, RecipientType};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Balance, Capabilities, Instruction, LookUp, LookUpAnswer, Notification, NotificationError, PaymentName,
    ProcessorError, ProcessorKey, ProviderAnswer, ProviderName, ReturnWindow,
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};

use self::answer::Submitted;
use self::notification::Notifications;
use self::request::{Endpoints, Order};
pub use self::settings::{LIVE_URL, PaypalSettings, PaypalSetupError, TestCertificates};
use self::token::Tokens;
use crate::outbound::{Outbound, Received};

/// The kind of this provider.
pub const KIND: &str = "paypal";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The time for which PayPal remembers the id of a batch.
const KEY_WINDOW: Duration = DAY.saturating_mul(30);
/// The longest time in which a batch is settled: 30 days for the recipient to claim it, and two weeks for reviews.
const SETTLES_WITHIN: Duration = DAY.saturating_mul(44);
/// The longest time after which a payment may come back: PayPal's period for refunds.
const RETURNS_WITHIN: Duration = DAY.saturating_mul(180);
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// A processor that pays through PayPal.
pub struct PaypalProcessor {
    name: ProviderName,
    client: Outbound,
    endpoints: Endpoints,
    tokens: Tokens,
    notifications: Option<Notifications>,
    clock: System,
}

impl PaypalProcessor {
    /// Creates the processor without connecting.
    ///
    /// # Errors
    /// [`PaypalSetupError`], of which no message shows a setting's value.
    pub fn new(settings: &PaypalSettings) -> Result<Self, PaypalSetupError> {
        let (base, system) = settings::base_url(&settings.url)?;
        let endpoints = Endpoints::new(base);
        let client = Outbound::new(&settings.outbound, HeaderMap::new())
            .map_err(|error| PaypalSetupError::Client(error.0))?;
        Ok(Self {
            name: settings.name.clone(),
            tokens: Tokens::new(endpoints.token(), &settings.client_id, &settings.client_secret)?,
            notifications: Notifications::new(settings, system)?,
            client,
            endpoints,
            clock: System::default(),
        })
    }

    /// Sends a request with a token. If PayPal refuses the token, it sends the request once more with another one: a
    /// request without a valid token does nothing.
    async fn ask(
        &self,
        request: impl Fn(&Outbound) -> RequestBuilder + Send + Sync,
    ) -> Result<Received, ProcessorError> {
        let token = self.tokens.get(&self.client, None).await?;
        let first = request(&self.client).header(AUTHORIZATION, token.header());
        let received = self.client.ask(first).await?;
        if received.status != 401 {
            return Ok(received);
        }
        let Ok(renewed) = self.tokens.get(&self.client, Some(&token)).await else {
            return Ok(received);
        };
        let second = request(&self.client).header(AUTHORIZATION, renewed.header());
        self.client.ask(second).await
    }

    async fn batch(&self, id: &str) -> Result<Received, ProcessorError> {
        self.ask(|client| client.request(Method::GET, self.endpoints.batch(id)))
            .await
    }

    /// Returns the answer to a repeat: the state of the batch that has the key already. If the batch cannot be read
    /// now, its id is kept, and the payment is looked up later. It is looked up soon in any case, since a submission does
    /// not know how old the batch is.
    async fn follow(
        &self,
        reference: ProviderReference,
        key: &ProcessorKey,
    ) -> Result<ProviderAnswer, ProcessorError> {
        match self.batch(reference.as_str()).await {
            Ok(received) if received.status == 200 => answer::of_look_up(&received, key)
                .map(|answer| answer::soon_while_young(answer, Duration::ZERO)),
            Ok(_) | Err(_) => Ok(ProviderAnswer::Accepted {
                reference,
                look_again: None,
            }),
        }
    }
}

#[async_trait]
impl Processor for PaypalProcessor {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: KIND,
            key_window: Some(KEY_WINDOW),
            repeat_is_safe: true,
            currencies: Some(request::currencies()),
            recipients: Some(vec![
                RecipientType::Email,
                RecipientType::Phone,
                RecipientType::ProviderAccount,
            ]),
            returns: ReturnWindow::Within(RETURNS_WITHIN),
            settles_within: Some(SETTLES_WITHIN),
            poll_interval: POLL_INTERVAL,
            calls_per_second: None,
            concurrent_calls: None,
        }
    }

    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let body = match Order::of(instruction, &self.name) {
            Ok(order) => order.to_json(),
            Err(failure) => return Ok(ProviderAnswer::Declined(failure)),
        };
        let received = self
            .ask(|client| {
                client
                    .request(Method::POST, self.endpoints.payouts())
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.clone())
            })
            .await?;
        match answer::of_submission(&received, &instruction.key)? {
            Submitted::Answer(answer) => Ok(answer),
            Submitted::Repeat(batch) => self.follow(batch, &instruction.key).await,
        }
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let Some(reference) = &look_up.reference else {
            // The token shows whether PayPal answers and knows the credentials, which is all that can be asked.
            self.tokens.get(&self.client, None).await?;
            return Ok(LookUpAnswer::CannotTell {
                why: "PayPal finds a batch only by the id that it gave it".to_owned(),
            });
        };
        let received = self.batch(reference.as_str()).await?;
        let answer = answer::of_look_up(&received, &look_up.key)?;
        let age = look_up
            .first_sent_at
            .and_then(|sent| (self.clock.now() - sent).to_std().ok());
        Ok(LookUpAnswer::Found(match age {
            Some(age) => answer::soon_while_young(answer, age),
            None => answer,
        }))
    }

    async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
        let received = self
            .ask(|client| client.request(Method::GET, self.endpoints.balances()))
            .await?;
        balances::read(&received)
    }

    async fn read_notification(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let Some(notifications) = &self.notifications else {
            return Err(NotificationError::NotConfigured);
        };
        notifications.read(notification).await
    }
}

impl fmt::Debug for PaypalProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaypalProcessor")
            .field("name", &self.name)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
