//! A payout: its row, its steps and its audit trail.
//!
//! [`Payout`] is the row. Its fields are private, and [`Payout::restore`] refuses a row that breaks an invariant.
//! `change` has the steps of a person, `approve` those of an approver, and [`attempt`](crate::attempt) those of a worker. Each step consumes the payout
//! and returns a description of the write, which a repository applies under a guard. `mask` hides the recipient from
//! callers that may not see it, and `redact` removes the recipient from other people's words.

mod approve;
mod change;
mod details;
mod event;
mod external_id;
mod fields;
mod iban;
mod id;
mod import;
mod mask;
mod metadata;
mod new;
mod provider_key;
mod recipient;
mod redact;
mod row;
mod schedule;
mod statement_text;
mod status;
mod trail;

pub use approve::NewApproval;
pub use change::{Change, Due, IllegalStep, Resolution, StepError};
pub use details::{LikelyPayment, PaymentDetails};
pub use event::{Actor, Caller, Event, EventKind, Evidence};
pub use external_id::ExternalId;
pub(crate) use fields::printable;
pub use fields::{Description, Failure, FieldError, ProviderReference, RecipientAccount, RecipientName};
pub use iban::normal_iban;
pub(crate) use iban::spellings;
pub use id::PayoutId;
pub(crate) use id::uuid_v7;
pub use import::{ForeignPayout, Standing};
pub use mask::MASK;
pub use metadata::{InvalidMetadata, Metadata, MetadataEntry, MetadataPatch};
pub use new::NewPayout;
pub use provider_key::ProviderKey;
pub(crate) use recipient::readable_forms;
pub use recipient::{
    Address, BankAccountNumber, Bic, EmailAddress, EntityType, GbAccountNumber, Iban, InvalidPart,
    PhoneNumber, ProviderAccountId, Recipient, RecipientError, RecipientField, RecipientFields,
    RecipientType, RoutingNumber, SortCode, TypedAccount, UsAccountType,
};
pub(crate) use redact::Redaction;
pub use row::{BrokenRow, Payout, PayoutParts};
pub use schedule::InvalidSchedule;
pub use statement_text::{InvalidStatementText, StatementText};
pub use status::{Status, UnknownStatus};

// The path from before the folder was split, until the imports change.
#[doc(hidden)]
pub use crate::attempt::{
    Claim, NotDue, SettledRow, Settlement, SettlementOutcome, UnreadableClaim, Verdict,
};
