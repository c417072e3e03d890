//! Stripe Connect: transfers from the platform's balance to connected accounts.
//!
//! One payout is one transfer. Stripe pays an `Idempotency-Key` at most once for as long as it keeps the key, and replays
//! the first answer, errors included. The key is also the transfer's `transfer_group`, by which it is looked up.
//! `docs/providers/stripe.md` has the tables.

pub mod answer;
mod balances;
mod codes;
mod currency;
pub mod look_up;
mod notification;
mod request;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::{Failure, RecipientType};
use payout_core::ports::{Clock, Processor, System};
use payout_core::provider::{
    Balance, Capabilities, DeclineCode, Instruction, LookUp, LookUpAnswer, Notification, NotificationError,
    PaymentName, ProcessorError, ProviderAnswer, ProviderName, ReturnWindow,
};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;

use self::request::{Endpoints, Impossible};
pub use self::settings::{LIVE_URL, StripeSettings, StripeSetupError};
use crate::Secret;
use crate::outbound::Outbound;

/// The kind of the provider.
pub const KIND: &str = "stripe";
/// The version of the API that the requests and answers are written for.
pub const API_VERSION: &str = "2020-08-27";
/// The duration for which Stripe keeps a key at least.
const KEY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The time after a transfer for which its reversal is looked for. The platform may reverse a transfer at any time.
const RETURNS_WITHIN: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// Stripe's limit of calls per second, in live mode and with test keys.
const CALLS_PER_SECOND: (u32, u32) = (100, 25);

/// A [`Processor`] that pays by transfers of Stripe Connect.
pub struct StripeProcessor {
    name: ProviderName,
    client: Outbound,
    endpoints: Endpoints,
    notification_key: Option<Secret>,
    is_live: bool,
    clock: System,
}

impl StripeProcessor {
    /// Creates the processor without connecting to Stripe.
    ///
    /// # Errors
    /// [`StripeSetupError`] when the URL or the secret key cannot be used, or when the system has no root certificates.
    pub fn new(settings: &StripeSettings) -> Result<Self, StripeSetupError> {
        let endpoints = Endpoints::new(&settings.url)?;
        let secret = settings.secret_key.expose();
        let value = Zeroizing::new(format!("Bearer {secret}"));
        let mut authorization =
            HeaderValue::from_str(&value).map_err(|_| StripeSetupError::InvalidSecretKey)?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (
                HeaderName::from_static("stripe-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        let client =
            Outbound::new(&settings.outbound, headers).map_err(|error| StripeSetupError::Client(error.0))?;
        Ok(Self {
            name: settings.name.clone(),
            client,
            endpoints,
            notification_key: settings.notification_key.clone(),
            is_live: !secret.contains("_test_"),
            clock: System::default(),
        })
    }
}

#[async_trait]
impl Processor for StripeProcessor {
    fn capabilities(&self) -> Capabilities {
        let (live, test) = CALLS_PER_SECOND;
        Capabilities {
            kind: KIND,
            key_window: Some(KEY_WINDOW),
            repeat_is_safe: true,
            currencies: Some(currency::supported()),
            recipients: Some(vec![RecipientType::ProviderAccount]),
            returns: ReturnWindow::Within(RETURNS_WITHIN),
            settles_within: None,
            poll_interval: POLL_INTERVAL,
            calls_per_second: Some(if self.is_live { live } else { test }),
            concurrent_calls: None,
        }
    }

    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        let form = match request::form(instruction, &self.name) {
            Ok(form) => form,
            Err(impossible) => return Ok(ProviderAnswer::Declined(never_payable(impossible))),
        };
        let request = self
            .client
            .request(Method::POST, self.endpoints.create())
            .header("Idempotency-Key", instruction.key.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        answer::of_creation(&self.client.ask(request).await?, &instruction.key)
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let reference = look_up.reference.as_ref();
        if let Some(url) = reference.and_then(|reference| self.endpoints.of_reference(reference)) {
            let received = self.client.ask(self.client.request(Method::GET, url)).await?;
            return look_up::of_transfer(&received, &look_up.key);
        }
        let url = self.endpoints.of_key(&look_up.key);
        let received = self.client.ask(self.client.request(Method::GET, url)).await?;
        let age = look_up::age(look_up.first_sent_at, self.clock.now());
        look_up::of_list(&received, &look_up.key, age)
    }

    async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
        let request = self.client.request(Method::GET, self.endpoints.balance());
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

/// Returns the decline of an instruction that is never sent. It depends on the instruction alone, so nothing was sent
/// under its key before.
fn never_payable(impossible: Impossible) -> Failure {
    match impossible {
        Impossible::Recipient => Failure::new(
            "recipient_not_at_stripe",
            "The recipient has no account at this provider.",
        )
        .because(DeclineCode::InvalidAccount),
        Impossible::Amount => Failure::new(
            "amount_not_representable",
            "Stripe cannot transfer this amount exactly in its currency.",
        )
        .because(DeclineCode::AmountLimit),
        Impossible::StatementText => Failure::new(
            "statement_text_not_supported",
            "A transfer at Stripe has no text for the recipient's statement.",
        )
        .because(DeclineCode::Other),
    }
}

impl fmt::Debug for StripeProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeProcessor")
            .field("name", &self.name)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
