//! A payout and everything that can happen to it.
//!
//! [`Payout`] is the row: private fields, restored only through [`Payout::restore`], which refuses a row that
//! breaks an invariant. What a person does with it is in `change`, what a worker does in [`attempt`](crate::attempt); both
//! consume what they start from and yield a description of the write, which a repository applies under its guard.
//! `mask` says how who is paid is shown to whoever may not see it, and `redact` keeps it out of others' words.

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

// The path of before the folder was made, while the imports change.
#[doc(hidden)]
pub use crate::attempt::{Claim, Guarded, NotDue, SettledRow, Settlement, UnreadableClaim, Verdict};
