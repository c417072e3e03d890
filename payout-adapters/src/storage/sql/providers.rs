//! The rows of providers as both dialects select them.

use payout_core::payout::Actor;
use payout_core::ports::{DueProvider, PausedProvider};
use sqlx::FromRow;

use super::stored::StoredTime;

/// A row of `paused_providers`.
#[derive(FromRow)]
pub(crate) struct PausedRow {
    name: String,
    paused_at: StoredTime,
    paused_by: String,
    reason: Option<String>,
}

impl PausedRow {
    /// Restores the row. A name that no provider can have was not written by this service, and pauses nothing.
    pub(crate) fn restore(self) -> Option<PausedProvider> {
        Some(PausedProvider {
            name: self.name.parse().ok()?,
            since: self.paused_at.0,
            by: Actor::new(&self.paused_by),
            reason: self.reason,
        })
    }
}

/// A provider with due payouts; the name is empty for payouts without a provider.
#[derive(FromRow)]
pub(crate) struct DueRow {
    name: String,
    since: StoredTime,
}

impl DueRow {
    /// Restores the row. A name that no provider can have is omitted.
    pub(crate) fn restore(self) -> Option<DueProvider> {
        let name = match self.name.as_str() {
            "" => None,
            name => Some(name.parse().ok()?),
        };
        Some(DueProvider {
            name,
            since: self.since.0,
        })
    }
}
