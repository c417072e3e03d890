//! The audit trail: one event for every write to a payout.

use std::fmt;

use crate::Timestamp;
use crate::access::ApiKeyId;
use crate::payout::Status;
use crate::payout::fields::printable;
use crate::text::nfc;

/// What happened to a payout.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownEventKind, parse_err_fn = UnknownEventKind::of)]
pub enum EventKind {
    /// A client created it.
    Created,
    /// It was taken over from another service, as it stood there.
    Imported,
    /// A client changed a field while it was pending.
    Edited,
    /// A client that may not see whom it pays wrote an account or a name that could not be taken; evidence only, nothing was
    /// changed.
    EditRefused,
    /// A worker claimed it.
    Claimed,
    /// The provider paid.
    Completed,
    /// The provider declined for good.
    Failed,
    /// The provider accepted it and will settle later.
    Accepted,
    /// The worker learnt nothing definite and will look again.
    Postponed,
    /// Nothing was ever sent: back to pending.
    Released,
    /// A person must look.
    ReviewRequested,
    /// A person said how it ended.
    Resolved,
    /// A person retried it after a failure: a new generation.
    Retried,
    /// A person cancelled it.
    Cancelled,
    /// A person deleted it; the row stays, hidden.
    Deleted,
    /// A worker that had lost its lease reported an outcome; evidence only, no state was changed.
    LateOutcome,
}

/// The text names no kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of event")]
pub struct UnknownEventKind;

impl UnknownEventKind {
    fn of(_: &str) -> Self {
        Self
    }
}

impl EventKind {
    /// Every kind.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Who did it: a client, a worker by name, an operator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor(String);

impl Actor {
    /// Takes a name, cut at 128 characters and without control characters.
    pub fn new(name: &str) -> Self {
        Self(printable(name, 128))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks, in which request, and why: what the audit trail keeps of a person's step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// The API key that was shown, or the first of those that it succeeds; absent in a service without keys, and for whoever
    /// needs none. Idempotency keys and the day's limits are its own.
    pub api_key: Option<ApiKeyId>,
    /// The id of the request, so that a log line and an event can be matched.
    pub request_id: Option<String>,
    /// The person's own words in Normalization Form C, cut at 255 characters.
    pub reason: Option<String>,
}

impl Caller {
    /// A caller with no API key, no request id and no reason.
    pub fn named(name: &str) -> Self {
        Self {
            actor: Actor::new(name),
            api_key: None,
            request_id: None,
            reason: None,
        }
    }

    /// The same caller, with a reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        let reason = printable(&nfc(reason), 255);
        self.reason = (!reason.is_empty()).then_some(reason);
        self
    }

    /// The same caller, with the API key that it showed, or the first of those that this one succeeds.
    #[must_use]
    pub fn with_api_key(mut self, api_key: ApiKeyId) -> Self {
        self.api_key = Some(api_key);
        self
    }

    /// The same caller, with the id of its request.
    #[must_use]
    pub fn in_request(mut self, request_id: &str) -> Self {
        self.request_id = Some(printable(request_id, 128));
        self
    }
}

/// One entry of the audit trail. Entries are only ever added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The status right after it.
    pub status: Status,
    /// The generation it happened in.
    pub generation: u32,
    /// The claim it happened under: 0 before the first.
    pub fence: u64,
    /// Who did it.
    pub actor: Actor,
    /// The request it came with.
    pub request_id: Option<String>,
    /// The person's reason, or what the worker learnt.
    pub detail: Option<String>,
    /// When, by the repository's clock.
    pub at: Timestamp,
}
