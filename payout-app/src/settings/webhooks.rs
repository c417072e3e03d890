//! Webhooks: the networks that they may reach.

use payout_adapters::webhook::AllowedNetworks;

use super::ConfigError;
use super::parse::Reader;
use super::table::section;

section! {
    /// The rows of webhooks.
    pub(super) struct WebhookRows in SECTION, titled "Webhooks", read by Webhooks {
        /// Networks inside which the endpoints of webhooks may be called, comma-separated, such as `10.20.0.0/16`. There
        /// `http://` is allowed too. Everywhere else, only public addresses are called, by `https://`.
        pub(super) networks: Option<AllowedNetworks> = "PAYOUT_WEBHOOK_NETWORKS" {
            option: "webhook-networks", value: "NETWORKS", unset: "none: only public addresses",
        } => optional(networks),
    }
}

fn networks(text: Reader<'_>) -> Result<AllowedNetworks, ConfigError> {
    text.text.parse().map_err(|error| text.error(error))
}
