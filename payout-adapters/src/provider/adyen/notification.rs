//! Notifications: webhooks of the types `balancePlatform.transfer.created` and `.updated`, signed with HMAC-SHA256 over the
//! raw body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use payout_core::payout::ProviderReference;
use payout_core::provider::{Notification, NotificationError, PaymentName};
use serde::Deserialize;
use sha2::Sha256;

use super::request;
use crate::Secret;

/// The header with the signature.
const SIGNATURE: &str = "hmacsignature";
/// The types that name a transfer.
const TYPES: [&str; 2] = [
    "balancePlatform.transfer.created",
    "balancePlatform.transfer.updated",
];

/// The key that signs the notifications.
#[derive(Clone)]
pub(super) struct NotificationKey(Hmac<Sha256>);

impl NotificationKey {
    /// Reads the hexadecimal key; `None` if it is not one.
    pub(super) fn new(hex: &Secret) -> Option<Self> {
        let hex = hex.expose().trim();
        if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
            return None;
        }
        let byte = |place: usize| u8::from_str_radix(hex.get(place..place + 2)?, 16).ok();
        let plain = |c: u8| c.is_ascii_hexdigit();
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
        let bytes = bytes.filter(|_| hex.bytes().all(plain))?;
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    /// Verifies the signature, in constant time.
    pub(super) fn verify(&self, notification: &Notification) -> Result<(), NotificationError> {
        let signature = notification
            .header(SIGNATURE)
            .and_then(|text| STANDARD.decode(text.trim()).ok())
            .ok_or(NotificationError::InvalidSignature)?;
        let mut mac = self.0.clone();
        mac.update(&notification.body);
        mac.verify_slice(&signature)
            .map_err(|_| NotificationError::InvalidSignature)
    }
}

/// A body: one event, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    One(Event),
    Several(Vec<Event>),
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    reference: Option<String>,
}

/// Returns the payments that a verified body names. A type that is unknown names none.
pub(super) fn read(body: &[u8]) -> Result<Vec<PaymentName>, NotificationError> {
    let events = match serde_json::from_slice(body) {
        Ok(Body::One(event)) => vec![event],
        Ok(Body::Several(events)) => events,
        Err(_) => {
            let why = "not of the form that Adyen documents";
            return Err(NotificationError::Unreadable(why.to_owned()));
        }
    };
    let known = |event: &Event| event.kind.as_deref().is_some_and(|kind| TYPES.contains(&kind));
    let mut names = Vec::new();
    for data in events.into_iter().filter(known).filter_map(|event| event.data) {
        let key = data.reference.as_deref().and_then(request::key_of);
        names.extend(key.map(PaymentName::Key));
        let id = data.id.as_deref().and_then(ProviderReference::new);
        names.extend(id.map(PaymentName::Reference));
    }
    Ok(names)
}

#[cfg(test)]
#[path = "notification_tests.rs"]
mod tests;
