//! Notifications: the verification of their signature, and the payments that they name.
//!
//! The signature covers the transmission's id and time, the webhook's id and the CRC-32 of the body. A CRC is no digest:
//! another body can be made to have the same one. Nothing depends on that, since a notification is only a hint.

use std::time::Duration;

use super::certificates::Certificates;
use super::settings::{PaypalSettings, PaypalSetupError, System};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use payout_core::Timestamp;
use payout_core::payout::ProviderReference;
use payout_core::ports::{Clock, System as SystemClock};
use payout_core::provider::{Notification, NotificationError, PaymentName};
use rustls_pki_types::UnixTime;
use serde::Deserialize;

/// The only algorithm that PayPal uses.
const ALGORITHM: &str = "SHA256withRSA";
/// The age up to which a transmission is accepted: PayPal repeats one for three days.
const OLDEST: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// The time by which PayPal's clock may be ahead of this one.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// The notifications of one webhook.
pub(super) struct Notifications {
    webhook_id: String,
    certificates: Certificates,
    clock: SystemClock,
}

impl Notifications {
    /// Returns `None` if no webhook is configured.
    pub(super) fn new(settings: &PaypalSettings, system: System) -> Result<Option<Self>, PaypalSetupError> {
        let Some(webhook_id) = settings.webhook_id.clone() else {
            return match (&settings.test_certificates, system) {
                (Some(_), System::Live | System::Sandbox) => Err(PaypalSetupError::TestCertificates),
                (Some(_), System::Test) | (None, _) => Ok(None),
            };
        };
        let plain = webhook_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain || !(1..=50).contains(&webhook_id.len()) {
            return Err(PaypalSetupError::InvalidWebhookId);
        }
        Ok(Some(Self {
            webhook_id,
            certificates: Certificates::new(settings, system)?,
            clock: SystemClock::default(),
        }))
    }

    /// Verifies a notification and returns the payments that it names.
    pub(super) async fn read(
        &self,
        notification: &Notification,
    ) -> Result<Vec<PaymentName>, NotificationError> {
        let header = |name| {
            notification
                .header(name)
                .ok_or(NotificationError::InvalidSignature)
        };
        let id = header("paypal-transmission-id")?;
        let time = header("paypal-transmission-time")?;
        let signature = STANDARD
            .decode(header("paypal-transmission-sig")?)
            .map_err(|_| NotificationError::InvalidSignature)?;
        let now = self.clock.now();
        if header("paypal-auth-algo")? != ALGORITHM || !is_recent(time, now) {
            return Err(NotificationError::InvalidSignature);
        }
        let checksum = crc32fast::hash(&notification.body);
        let message = format!("{id}|{time}|{}|{checksum}", self.webhook_id);
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        self.certificates
            .verify(
                header("paypal-cert-url")?,
                message.as_bytes(),
                &signature,
                UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            )
            .await?;
        payments(&notification.body)
    }
}

fn is_recent(time: &str, now: Timestamp) -> bool {
    time.parse::<Timestamp>()
        .is_ok_and(|time| time >= now - OLDEST && time <= now + AHEAD)
}

#[derive(Deserialize)]
struct Event {
    event_type: String,
    #[serde(default)]
    resource: serde_json::Value,
}

/// The parts of an item's or a batch's event that name a payment.
#[derive(Deserialize, Default)]
struct Resource {
    payout_batch_id: Option<String>,
    sender_batch_id: Option<String>,
    payout_item: Option<Item>,
    batch_header: Option<Header>,
}

#[derive(Deserialize)]
struct Item {
    sender_item_id: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    payout_batch_id: Option<String>,
    sender_batch_header: Option<Sender>,
}

#[derive(Deserialize)]
struct Sender {
    sender_batch_id: Option<String>,
}

/// Reads the payments that an event names. Events of other products name none.
fn payments(body: &[u8]) -> Result<Vec<PaymentName>, NotificationError> {
    let unreadable = || NotificationError::Unreadable("not of PayPal's form".to_owned());
    let event: Event = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let of_payouts = ["PAYMENT.PAYOUTS-ITEM.", "PAYMENT.PAYOUTSBATCH."]
        .iter()
        .any(|prefix| event.event_type.starts_with(prefix));
    if !of_payouts {
        return Ok(Vec::new());
    }
    let resource: Resource = serde_json::from_value(event.resource).map_err(|_| unreadable())?;
    let (header_batch, header_key) = match resource.batch_header {
        Some(header) => (
            header.payout_batch_id,
            header
                .sender_batch_header
                .and_then(|sender| sender.sender_batch_id),
        ),
        None => (None, None),
    };
    let payout = resource
        .payout_item
        .and_then(|item| item.sender_item_id)
        .and_then(|id| id.parse().ok())
        .map(PaymentName::Payout);
    let key = resource.sender_batch_id.or(header_key).map(PaymentName::Key);
    let reference = resource
        .payout_batch_id
        .or(header_batch)
        .and_then(|id| ProviderReference::new(&id))
        .map(PaymentName::Reference);
    let named: Vec<PaymentName> = [payout, key, reference].into_iter().flatten().collect();
    if named.is_empty() {
        return Err(unreadable());
    }
    Ok(named)
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
