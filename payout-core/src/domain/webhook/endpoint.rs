//! Endpoints.

use std::time::Duration;

use super::id::WebhookId;
use super::secret::{Secrets, WebhookSecret};
use super::url::EndpointUrl;
use crate::Timestamp;
use crate::feed::{EventType, FeedPosition};
use crate::payout::Description;

/// The reason why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownDisabledWhy, parse_err_fn = UnknownDisabledWhy::of)]
pub enum DisabledWhy {
    /// An operator disabled it.
    Operator,
    /// It answered 410.
    Gone,
    /// It failed for five days.
    Failing,
}

/// The text is not a reason why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason for a disabled endpoint")]
pub struct UnknownDisabledWhy;

impl UnknownDisabledWhy {
    fn of(_: &str) -> Self {
        Self
    }
}

impl DisabledWhy {
    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The state of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It gets deliveries.
    Enabled,
    /// It gets none. What happens meanwhile is delivered once it is enabled again.
    Disabled {
        /// The reason.
        why: DisabledWhy,
        /// The time since which it is disabled.
        at: Timestamp,
    },
}

/// An endpoint, as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The id.
    pub id: WebhookId,
    /// The address.
    pub url: EndpointUrl,
    /// The types of the events that it gets; every type if it is empty.
    pub types: Vec<EventType>,
    /// A text for people.
    pub description: Description,
    /// True if the masked recipient is among the data.
    pub include_recipient: bool,
    /// The secrets.
    pub secrets: Secrets,
    /// The state.
    pub state: EndpointState,
    /// The time of its creation.
    pub created_at: Timestamp,
    /// The number of its changes, by which a change is guarded.
    pub revision: u64,
}

impl Endpoint {
    /// Returns whether the endpoint is enabled.
    pub fn is_enabled(&self) -> bool {
        match self.state {
            EndpointState::Enabled => true,
            EndpointState::Disabled { .. } => false,
        }
    }

    /// Enables the endpoint.
    #[must_use]
    pub fn enabled(self) -> Self {
        Self {
            state: EndpointState::Enabled,
            ..self
        }
    }

    /// Disables the endpoint. One that is disabled keeps its reason.
    #[must_use]
    pub fn disabled(self, why: DisabledWhy, at: Timestamp) -> Self {
        match self.state {
            EndpointState::Enabled => Self {
                state: EndpointState::Disabled { why, at },
                ..self
            },
            EndpointState::Disabled { .. } => self,
        }
    }

    /// Gives the endpoint another secret; the one before it signs too for `overlap`.
    #[must_use]
    pub fn rotated(self, to: WebhookSecret, now: Timestamp, overlap: Duration) -> Self {
        Self {
            secrets: self.secrets.rotated(to, now, overlap),
            ..self
        }
    }
}

/// A range of the feed that is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// The position after which it goes on.
    pub after: FeedPosition,
    /// The last position.
    pub until: FeedPosition,
}
