//! Approvals: payouts that other people must agree to before they are sent.
//!
//! - [`ApprovalRules`] says how many people must approve a payout, by currency and amount.
//! - [`Approval`] is the part of a payout that has its approvals: how many are required, why, and who gave them.
//! - [`Person`] identifies the people who create, edit and approve, whichever of their API keys they use.
//! - [`ApprovalDigest`] is a digest of exactly what will be sent. A claim of a payout whose digest is not the approved
//!   one sends nothing.
//!
//! The steps themselves are those of a payout: [`Payout::approve`](crate::payout::Payout::approve) and
//! [`Payout::reject`](crate::payout::Payout::reject).

mod digest;
mod given;
mod person;
mod request;
mod rules;

pub use digest::ApprovalDigest;
pub use given::{Approval, ApprovalReason, ApproverError, GivenApproval, UnknownReason};
pub use person::Person;
pub use request::{ApprovalPolicy, ApprovalRequest};
pub use rules::{ApprovalRules, InvalidRules};
