//! Signed webhooks: endpoints that receive the events of the feed, by the specification
//! [Standard Webhooks](https://www.standardwebhooks.com), version 1.0.0.
//!
//! An endpoint gets each event of its types at least once, and a payout's events in their order. Every try has the same
//! id and the same body; it has a signature of its own, since the signature covers the time.

mod answer;
mod delivery;
mod endpoint;
mod id;
mod payload;
mod retry;
mod secret;
mod signature;
mod url;

pub use answer::AnswerText;
pub use delivery::{
    AttemptRecord, Delivery, DeliveryStatus, NewDelivery, Next, SendOutcome, UnknownDeliveryStatus,
};
pub use endpoint::{DisabledWhy, Endpoint, EndpointState, Replay, UnknownDisabledWhy};
pub use id::WebhookId;
pub use payload::{TEST_EVENT, of_event, of_test};
pub use retry::{ATTEMPTS_MAX, FAILING_LIMIT, LONGEST_RETRY_AFTER, wait_after};
pub use secret::{InvalidSecret, Secrets, WebhookSecret};
pub use signature::Signature;
pub use url::{EndpointUrl, InvalidUrl};
