//! Crash points: named points at which a test can kill the process (feature `crash-points`). There is one on each side
//! of every step of the protocol that has an effect outside the process.
//!
//! Without the feature a crash point does nothing.

use std::fmt;
use std::str::FromStr;

/// A point at which a test can kill the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before a batch of creates is written.
    BeforeInsert,
    /// After a batch of creates is written, before any client gets its answer.
    AfterInsert,
    /// Before a batch is stored.
    BeforeStoreBatch,
    /// After a batch is stored, before the client gets its answer.
    AfterStoreBatch,
    /// Before approvals of a batch are written.
    BeforeApproveBatch,
    /// After approvals of a batch are written, before the client gets its answer.
    AfterApproveBatch,
    /// Before retries of a batch are written.
    BeforeRetryBatch,
    /// After retries of a batch are written, before the client gets its answer.
    AfterRetryBatch,
    /// Before hints are sent.
    BeforeEnqueue,
    /// After hints are sent.
    AfterEnqueue,
    /// Before a person's step is written.
    BeforeApply,
    /// After a person's step is written, before the client gets its answer.
    AfterApply,
    /// Before payouts are claimed.
    BeforeClaim,
    /// After payouts are claimed, before the first attempt begins.
    AfterClaim,
    /// Before hints are acknowledged.
    BeforeAcknowledge,
    /// After hints are acknowledged.
    AfterAcknowledge,
    /// Before a key is looked up at the provider.
    BeforeLookUp,
    /// After the provider has answered a look-up, before anything is made of the answer.
    AfterLookUp,
    /// Before an instruction is sent to the provider.
    BeforeSubmit,
    /// After the provider has answered an instruction, before anything is made of the answer.
    AfterSubmit,
    /// Before settlements are written.
    BeforeSettle,
    /// After settlements are written.
    AfterSettle,
}

/// The text is not the name of a crash point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown crash point")]
pub struct UnknownPoint;

impl Point {
    /// Every crash point.
    pub const ALL: [Self; 22] = [
        Self::BeforeInsert,
        Self::AfterInsert,
        Self::BeforeStoreBatch,
        Self::AfterStoreBatch,
        Self::BeforeApproveBatch,
        Self::AfterApproveBatch,
        Self::BeforeRetryBatch,
        Self::AfterRetryBatch,
        Self::BeforeEnqueue,
        Self::AfterEnqueue,
        Self::BeforeApply,
        Self::AfterApply,
        Self::BeforeClaim,
        Self::AfterClaim,
        Self::BeforeAcknowledge,
        Self::AfterAcknowledge,
        Self::BeforeLookUp,
        Self::AfterLookUp,
        Self::BeforeSubmit,
        Self::AfterSubmit,
        Self::BeforeSettle,
        Self::AfterSettle,
    ];
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Point {
    type Err = UnknownPoint;

    fn from_str(name: &str) -> Result<Self, UnknownPoint> {
        Self::ALL
            .into_iter()
            .find(|point| point.to_string() == name)
            .ok_or(UnknownPoint)
    }
}

#[cfg(feature = "crash-points")]
static ARMED: std::sync::OnceLock<Point> = std::sync::OnceLock::new();

/// Aborts this process, as a power cut would, when it first passes `point`. Only the first call in a process counts.
#[cfg(feature = "crash-points")]
pub fn arm(point: Point) {
    let _ = ARMED.set(point);
}

/// Passes a crash point, and aborts the process if a test has armed it.
#[cfg(feature = "crash-points")]
pub(crate) fn pass(point: Point) {
    if ARMED.get() == Some(&point) {
        std::process::abort();
    }
}

/// Passes a crash point, which does nothing without the feature.
#[cfg(not(feature = "crash-points"))]
pub(crate) const fn pass(_: Point) {}
