//! Settings and setup errors of the Adyen processor.

use std::time::Duration;

use payout_core::provider::ProviderName;

use crate::Secret;

/// The address of the live Transfers API.
pub const LIVE_URL: &str = "https://balanceplatform-api-live.adyen.com/btl/v4";

/// An invalid setup of the Adyen processor. No message shows a setting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdyenSetupError {
    /// The URL is not a valid provider URL.
    #[error("not a provider URL (http:// or https://, without user, query and fragment)")]
    InvalidUrl,
    /// The API key is empty, or has characters that are not allowed in a header.
    #[error("the API key cannot be sent in a header")]
    InvalidApiKey,
    /// The balance account is not an id of Adyen's.
    #[error("not the id of a balance account (letters and digits)")]
    InvalidBalanceAccount,
    /// The key of the notifications is not hexadecimal.
    #[error("the notification key is not the hexadecimal key of a webhook")]
    InvalidNotificationKey,
    /// The HTTP client could not be created.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The speed of a bank transfer, which decides its fee.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "camelCase")]
pub enum AdyenPriority {
    /// Normal speed.
    #[default]
    Regular,
    /// Faster, at a higher fee.
    Fast,
    /// The fastest, at the highest fee.
    Wire,
    /// Instant, within the United States and in SEPA countries.
    Instant,
    /// To another country.
    CrossBorder,
    /// To an account that Adyen issued.
    Internal,
}

impl AdyenPriority {
    /// Every priority.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Settings of an [`AdyenProcessor`](super::AdyenProcessor).
#[derive(Debug, Clone)]
pub struct AdyenSettings {
    /// The name of the configured provider.
    pub name: ProviderName,
    /// The address of the Transfers API, [`LIVE_URL`] by default.
    pub url: String,
    /// The API key, sent as `X-API-Key`.
    pub api_key: Secret,
    /// The id of the balance account that pays.
    pub balance_account: String,
    /// The hexadecimal key that signs the notifications. Absent: notifications are refused.
    pub notification_key: Option<Secret>,
    /// The speed of the transfers.
    pub priority: AdyenPriority,
    /// The shortest time between two look-ups of one transfer.
    pub poll_interval: Duration,
    /// The limit for establishing a connection, TLS included. A call that exceeds it was never sent.
    pub connect_timeout: Duration,
    /// The limit for the whole call.
    pub timeout: Duration,
}

impl AdyenSettings {
    /// Creates settings with the defaults: the live address, regular speed, no notifications, a look-up at most every
    /// 30 s, 2 s to connect, 30 s for a call.
    pub fn new(name: ProviderName, api_key: Secret, balance_account: impl Into<String>) -> Self {
        Self {
            name,
            url: LIVE_URL.to_owned(),
            api_key,
            balance_account: balance_account.into(),
            notification_key: None,
            priority: AdyenPriority::default(),
            poll_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(30),
        }
    }
}

/// Returns whether a text can be the id of a balance account.
pub(super) fn is_balance_account(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
