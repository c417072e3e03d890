//! Events of the audit trail: one for every write to a payout.

use std::fmt;

use crate::Timestamp;
use crate::access::{ApiKeyId, KeyOwner};
use crate::approval::Person;
use crate::payout::Status;
use crate::payout::fields::printable;
use crate::text::nfc;

/// The kind of an event: what happened to the payout.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownEventKind, parse_err_fn = UnknownEventKind::of)]
pub enum EventKind {
    /// A client created the payout.
    Created,
    /// The payout was imported from another service, in the state that it had there.
    Imported,
    /// A client changed the details of a pending payout.
    Edited,
    /// A person approved the payout. Once nobody else must, it is pending.
    Approved,
    /// A person rejected a payout that waited for approval: it is cancelled.
    Rejected,
    /// An edit was refused: a client without permission to see the recipient sent an account or a name that could not
    /// be accepted. Evidence only; the payout did not change.
    EditRefused,
    /// A person saw the recipient in full, in the console. Evidence only; the payout did not change.
    Revealed,
    /// A worker claimed the payout.
    Claimed,
    /// The provider paid.
    Completed,
    /// The payment was paid and came back.
    Returned,
    /// The provider declined the payment for good.
    Failed,
    /// The provider accepted the payment and will settle it later.
    Accepted,
    /// The worker got no definite answer and will look again.
    Postponed,
    /// Nothing was sent in this generation: the payout is pending again.
    Released,
    /// The provider refused the payment for now and keeps the refusal under the key: the payout is pending again in a
    /// new generation.
    KeySpent,
    /// The payout went under review: a person must decide.
    ReviewRequested,
    /// A person decided how the payout under review ended.
    Resolved,
    /// A person retried a failed payout, which started a new generation.
    Retried,
    /// A person cancelled the payout.
    Cancelled,
    /// A person deleted the payout. The row stays, hidden.
    Deleted,
    /// A worker that had lost its lease reported an outcome. Evidence only; the payout did not change.
    LateOutcome,
}

/// The text is not the name of a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of event")]
pub struct UnknownEventKind;

impl UnknownEventKind {
    fn of(_: &str) -> Self {
        Self
    }
}

impl EventKind {
    /// Every kind of event.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// An event that is evidence of what somebody did or tried, beside a payout that did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// An edit was refused: [`EventKind::EditRefused`].
    EditRefused,
    /// A person saw the recipient in full: [`EventKind::Revealed`].
    Revealed,
}

impl Evidence {
    /// Returns the kind of the event.
    pub fn kind(self) -> EventKind {
        match self {
            Self::EditRefused => EventKind::EditRefused,
            Self::Revealed => EventKind::Revealed,
        }
    }
}

/// The name of the actor: a client, a worker or an operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor(String);

impl Actor {
    /// Takes a name, cut to 128 characters and without control characters.
    pub fn new(name: &str) -> Self {
        Self(printable(name, 128))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The caller of a step: the actor, the API key, the request and the reason, as the audit trail keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The actor.
    pub actor: Actor,
    /// The owner of the caller's idempotency keys and daily limits: the caller's API key, or the first of the keys that
    /// it succeeds. Absent if the service has no API keys, or the caller needs none.
    pub api_key: Option<ApiKeyId>,
    /// The owner of the caller's API key, if it has one.
    pub owner: Option<KeyOwner>,
    /// The id of the request, which matches log lines to events.
    pub request_id: Option<String>,
    /// The reason that the person gave, in Normalization Form C and cut to 255 characters.
    pub reason: Option<String>,
}

impl Caller {
    /// Builds a caller without an API key, a request id or a reason.
    pub fn named(name: &str) -> Self {
        Self {
            actor: Actor::new(name),
            api_key: None,
            owner: None,
            request_id: None,
            reason: None,
        }
    }

    /// Sets the reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        let reason = printable(&nfc(reason), 255);
        self.reason = (!reason.is_empty()).then_some(reason);
        self
    }

    /// Sets the API key that the caller presented, or the first of the keys that it succeeds.
    #[must_use]
    pub fn with_api_key(mut self, api_key: ApiKeyId) -> Self {
        self.api_key = Some(api_key);
        self
    }

    /// Sets the owner of the API key that the caller presented.
    #[must_use]
    pub fn with_owner(mut self, owner: Option<KeyOwner>) -> Self {
        self.owner = owner;
        self
    }

    /// Returns the person who makes the request, as approvals tell people apart.
    pub fn person(&self) -> Person {
        Person::of_key(self.api_key, self.owner.as_ref())
    }

    /// Sets the id of the request.
    #[must_use]
    pub fn in_request(mut self, request_id: &str) -> Self {
        self.request_id = Some(printable(request_id, 128));
        self
    }
}

/// An entry of the audit trail. Entries are only ever added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The kind: what happened.
    pub kind: EventKind,
    /// The status right after the event.
    pub status: Status,
    /// The generation in which the event happened.
    pub generation: u32,
    /// The fence of the claim under which it happened: 0 before the first.
    pub fence: u64,
    /// The actor that caused the event.
    pub actor: Actor,
    /// The id of the request that caused the event.
    pub request_id: Option<String>,
    /// The person's reason, or the worker's finding.
    pub detail: Option<String>,
    /// The time of the event, by the repository's clock.
    pub at: Timestamp,
}
