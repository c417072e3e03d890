//! Named places where a test makes the process die (feature `crash-points`): one on each side of every step of the
//! protocol that leaves a trace outside the process.
//!
//! Without the feature a point is nothing.

use std::fmt;
use std::str::FromStr;

/// A place to die at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// A batch of creates is about to be written.
    BeforeInsert,
    /// It is written; no client knows yet.
    AfterInsert,
    /// Hints are about to be sent.
    BeforeEnqueue,
    /// They are sent.
    AfterEnqueue,
    /// A person's step is about to be written.
    BeforeApply,
    /// It is written; nobody knows yet.
    AfterApply,
    /// Payouts are about to be claimed.
    BeforeClaim,
    /// They are claimed; no attempt has begun.
    AfterClaim,
    /// Hints are about to be acknowledged.
    BeforeAcknowledge,
    /// They are acknowledged.
    AfterAcknowledge,
    /// A key is about to be looked up.
    BeforeLookUp,
    /// It was looked up; nobody knows yet what was found.
    AfterLookUp,
    /// An instruction is about to be sent.
    BeforeSubmit,
    /// The provider has answered; nobody knows yet.
    AfterSubmit,
    /// Outcomes are about to be written.
    BeforeSettle,
    /// They are written.
    AfterSettle,
}

/// The text names no point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown crash point")]
pub struct UnknownPoint;

impl Point {
    /// Every point.
    pub const ALL: [Self; 16] = [
        Self::BeforeInsert,
        Self::AfterInsert,
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

/// Makes this process die, as by a power cut, when it first passes `point`. Once per process.
#[cfg(feature = "crash-points")]
pub fn arm(point: Point) {
    let _ = ARMED.set(point);
}

/// Passes a point.
#[cfg(feature = "crash-points")]
pub(crate) fn pass(point: Point) {
    if ARMED.get() == Some(&point) {
        std::process::abort();
    }
}

/// Passes a point.
#[cfg(not(feature = "crash-points"))]
pub(crate) const fn pass(_: Point) {}
