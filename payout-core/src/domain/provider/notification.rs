//! Notifications that a provider pushes. Each is a hint: the worker looks the named payments up, and believes nothing
//! because it was pushed.

use uuid::Uuid;

use crate::payout::{PayoutId, ProviderKey, ProviderReference};

/// A notification as it arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// The headers, with names in lower case, in the order in which they arrived.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Notification {
    /// Returns the only value of a header; `None` if it is absent or repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}

/// The name of a payment in a notification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PaymentName {
    /// The idempotency key, as [`ProcessorKey`](crate::provider::ProcessorKey) writes it.
    Key(String),
    /// The provider's reference.
    Reference(ProviderReference),
    /// The id of the payout, where the provider repeats it.
    Payout(PayoutId),
}

impl PaymentName {
    /// Returns the id of the payout, where the name contains one: the key of a payout without a
    /// [`provider_key`](Self::provider_key) begins with it.
    pub fn payout_id(&self) -> Option<PayoutId> {
        match self {
            Self::Payout(id) => Some(*id),
            Self::Key(key) => base(key).map(PayoutId::from),
            Self::Reference(_) => None,
        }
    }

    /// Returns the provider key of the payout, where the name contains one: the key of a payout whose client sent an
    /// idempotency key, or that came in a batch, begins with it.
    pub fn provider_key(&self) -> Option<ProviderKey> {
        match self {
            Self::Key(key) => base(key).map(ProviderKey::from),
            Self::Reference(_) | Self::Payout(_) => None,
        }
    }
}

/// Returns the base of an idempotency key. The key alone does not reveal whether it is a payout's id or a provider key.
fn base(key: &str) -> Option<Uuid> {
    key.split(':').next()?.parse().ok()
}

/// A notification that is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// The provider sends no notifications, or the key that verifies them is not configured.
    #[error("this provider takes no notifications")]
    NotConfigured,
    /// The signature is missing or wrong, or too old.
    #[error("the signature is not valid")]
    InvalidSignature,
    /// The signature is valid, but the body cannot be read.
    #[error("the notification cannot be read: {0}")]
    Unreadable(String),
    /// The signature cannot be verified at the moment, such as when its certificate cannot be fetched.
    #[error("the signature cannot be verified now: {0}")]
    Unavailable(String),
}
