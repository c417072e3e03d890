//! A payout: its row, its steps and its audit trail.
//!
//! [`Payout`] is the row. Its fields are private, and [`Payout::restore`] refuses a row that breaks an invariant.
//! `change` has the steps of a person, and [`attempt`](crate::attempt) those of a worker. Each step consumes the payout
//! and returns a description of the write, which a repository applies under a guard. `mask` hides the recipient from
//! callers that may not see it, and `redact` removes the recipient from other people's words.

mod change;
mod details;
mod event;
mod fields;
mod iban;
mod id;
mod import;
mod mask;
mod new;
mod provider_key;
mod redact;
mod row;
mod status;
mod trail;

pub use change::{Change, Due, IllegalStep, Resolution, StepError};
pub use details::{PaymentDetails, Recipient};
pub use event::{Actor, Caller, Event, EventKind};
pub(crate) use fields::printable;
pub use fields::{Description, Failure, FieldError, ProviderReference, RecipientAccount, RecipientName};
pub use iban::normal_iban;
pub(crate) use iban::spellings;
pub use id::PayoutId;
pub(crate) use id::uuid_v7;
pub use import::{ForeignPayout, Standing};
pub use mask::MASK;
pub use new::NewPayout;
pub use provider_key::ProviderKey;
pub(crate) use redact::Redaction;
pub use row::{BrokenRow, Payout, PayoutParts};
pub use status::{Status, UnknownStatus};

// The path from before the folder was split, until the imports change.
#[doc(hidden)]
pub use crate::attempt::{
    Claim, NotDue, SettledRow, Settlement, SettlementOutcome, UnreadableClaim, Verdict,
};
