//! The commands for webhooks.

use clap::Subcommand;
use payout_core::feed::{EventType, FeedPosition};
use payout_core::payout::Description;
use payout_core::webhook::{DeliveryStatus, EndpointUrl, WebhookId};

/// A command for webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum WebhooksCommand {
    /// Make an endpoint, and print its secret on standard output: it cannot be shown again
    Create {
        /// Its address
        url: EndpointUrl,
        /// The types of the events that it gets, comma-separated; every type without it
        #[arg(long, value_delimiter = ',', value_name = "TYPES")]
        types: Vec<EventType>,
        /// A text for people
        #[arg(long, value_name = "TEXT", value_parser = described, default_value = "")]
        description: Description,
        /// Add the masked recipient to the data
        #[arg(long)]
        include_recipient: bool,
    },
    /// List the endpoints, and what waits for them
    List,
    /// Change an endpoint; what is not given stays
    Edit {
        /// Its id
        id: WebhookId,
        /// Its address
        #[arg(long, value_name = "URL")]
        url: Option<EndpointUrl>,
        /// The types of the events that it gets, comma-separated
        #[arg(
            long,
            value_delimiter = ',',
            value_name = "TYPES",
            conflicts_with = "all_types"
        )]
        types: Option<Vec<EventType>>,
        /// Get events of every type
        #[arg(long)]
        all_types: bool,
        /// A text for people
        #[arg(long, value_name = "TEXT", value_parser = described)]
        description: Option<Description>,
        /// Includes the masked recipient in the data
        #[arg(long, value_name = "BOOL")]
        include_recipient: Option<bool>,
    },
    /// Disable an endpoint: its events wait
    Disable {
        /// Its id
        id: WebhookId,
    },
    /// Enable an endpoint: it gets everything that it has not got yet
    Enable {
        /// Its id
        id: WebhookId,
    },
    /// Delete an endpoint with its deliveries
    Delete {
        /// Its id
        id: WebhookId,
    },
    /// Give an endpoint another secret, and print it on standard output: it cannot be shown again
    Rotate {
        /// Its id
        id: WebhookId,
        /// The minutes for which the previous secret signs too
        #[arg(long, value_name = "MINUTES", default_value_t = 1_440, value_parser = clap::value_parser!(u32).range(0..=10_080))]
        overlap_minutes: u32,
    },
    /// Send a test delivery
    Test {
        /// The endpoint's id
        id: WebhookId,
    },
    /// List deliveries, the newest first
    Deliveries {
        /// The endpoint's id
        id: WebhookId,
        /// Their status: pending, delivered or failed
        #[arg(long, value_name = "STATUS")]
        status: Option<DeliveryStatus>,
        /// The number below which the list begins
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// The largest number of deliveries
        #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Show the attempts of a delivery
    Attempts {
        /// The endpoint's id
        id: WebhookId,
        /// The delivery's number
        number: u64,
    },
    /// Deliver once more
    Redeliver {
        /// The endpoint's id
        id: WebhookId,
        /// The delivery's number
        number: u64,
    },
    /// Deliver the events of a range of the feed again
    Replay {
        /// The endpoint's id
        id: WebhookId,
        /// The position in the feed after which the range begins; 32 zeros for the beginning
        #[arg(long, value_name = "POSITION")]
        after: FeedPosition,
        /// The last position; the present end of the feed without it
        #[arg(long, value_name = "POSITION")]
        until: Option<FeedPosition>,
    },
}

/// Reads a description.
fn described(text: &str) -> Result<Description, String> {
    Description::new(text).map_err(|error| error.to_string())
}
