//! The event feed: the public events of all payouts, batches, providers and webhooks, in one order that never changes.
//!
//! The audit trail of a payout has every event. The feed has those that tell somebody outside that the payout changed,
//! each once, with a [position](FeedPosition) among all others. A change after which a payout waits for approval, or for
//! its date, tells that in a [second](FeedPosition::is_second) event. Events of other subjects are
//! [stored](Announcement) by the changes that they tell.

mod event;
mod event_type;
mod position;

pub use event::{After, Announcement, BatchFacts, Before, EventId, PayoutFacts, PublicEvent, Subject};
pub use event_type::{EventType, UnknownEventType};
pub use position::{FeedPosition, InvalidPosition};
