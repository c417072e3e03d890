//! Settings and setup errors of the Stripe processor.

use payout_core::provider::ProviderName;

use crate::Secret;
use crate::outbound::OutboundSettings;

/// The address of Stripe's API.
pub const LIVE_URL: &str = "https://api.stripe.com";

/// An invalid setup of the Stripe processor. No message shows the URL or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StripeSetupError {
    /// The URL is not a valid address of the API.
    #[error("not an address of Stripe's API (https:// or http://, without user, query and fragment)")]
    InvalidUrl,
    /// The secret key has characters that are not allowed in a header.
    #[error("the secret key cannot be sent in a header")]
    InvalidSecretKey,
    /// The HTTP client could not be created.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Settings of a [`StripeProcessor`](super::StripeProcessor).
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// The name of the configured provider. Recipients' accounts name it, or the kind `stripe`.
    pub name: ProviderName,
    /// The address of the API.
    pub url: String,
    /// The secret key of the platform's account: `sk_…` or `rk_…`.
    pub secret_key: Secret,
    /// The signing secret of the webhook endpoint: `whsec_…`. Absent: no notifications are accepted.
    pub notification_key: Option<Secret>,
    /// The settings of the HTTP client.
    pub outbound: OutboundSettings,
}

impl StripeSettings {
    /// Creates settings with the defaults: the live address, no notifications.
    pub fn new(name: ProviderName, secret_key: Secret) -> Self {
        Self {
            name,
            url: LIVE_URL.to_owned(),
            secret_key,
            notification_key: None,
            outbound: OutboundSettings::default(),
        }
    }
}
