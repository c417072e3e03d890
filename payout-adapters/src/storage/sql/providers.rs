//! The rows of providers as both dialects select them.

use payout_core::payout::Actor;
use payout_core::ports::{DueProvider, PausedProvider};
use payout_core::provider::ProviderCalls;
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

/// The calls to a provider; the name is empty where the program names none.
#[derive(FromRow)]
pub(crate) struct CallsRow {
    provider: String,
    calls: i64,
    errors: i64,
}

impl CallsRow {
    /// Restores the row. A name that no provider can have is omitted.
    pub(crate) fn restore(self) -> Option<ProviderCalls> {
        let provider = match self.provider.as_str() {
            "" => None,
            name => Some(name.parse().ok()?),
        };
        Some(ProviderCalls {
            provider,
            calls: u64::try_from(self.calls).ok()?,
            errors: u64::try_from(self.errors).ok()?,
        })
    }
}

/// The columns of calls, in the order of the names, so that two workers lock rows in the same order.
pub(crate) struct CallColumns {
    pub(crate) providers: Vec<String>,
    pub(crate) calls: Vec<i64>,
    pub(crate) errors: Vec<i64>,
}

impl CallColumns {
    pub(crate) fn of(calls: &[ProviderCalls]) -> Self {
        let mut sorted: Vec<&ProviderCalls> = calls.iter().collect();
        sorted.sort_by(|one, other| one.provider.cmp(&other.provider));
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let name = |calls: &&ProviderCalls| {
            let name = calls.provider.as_ref();
            name.map_or_else(String::new, |name| name.as_str().to_owned())
        };
        Self {
            providers: sorted.iter().map(name).collect(),
            calls: sorted.iter().map(|calls| number(calls.calls)).collect(),
            errors: sorted.iter().map(|calls| number(calls.errors)).collect(),
        }
    }
}
