//! The real adapters with their stand-ins: calls for judges that stand between the two, and a generated table of what
//! becomes of each lost answer.
//!
//! - [`providers`] has what differs between the providers: the adapter, the stand-in and the payments.
//! - [`calls`] makes the calls that the judges of `make conformance` watch.
//! - [`lost_answers`] drives payouts through each fault with [`work`], and writes the table.
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a judge fails by panicking"
)]

pub mod calls;
pub mod lost_answers;
pub mod outcome;
pub mod providers;
pub mod work;
