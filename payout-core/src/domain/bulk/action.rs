//! Bulk actions, as they are requested and as they are stored.

use crate::Timestamp;
use crate::access::{ApiKeyId, Principal};
use crate::bulk::{BulkActionId, BulkFilter, BulkStep};
use crate::payout::{Actor, PayoutId};

/// The person who started a bulk action. The rights of the API key are read again whenever the action goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BulkStarter {
    /// The name, for the audit trail.
    pub name: Actor,
    /// The API key. Absent in a service without API keys.
    pub api_key: Option<ApiKeyId>,
}

impl BulkStarter {
    /// Returns the caller as the starter of an action.
    pub fn of(principal: &Principal) -> Self {
        Self {
            name: Actor::new(principal.name()),
            api_key: principal.api_key(),
        }
    }
}

/// A bulk action that a person confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBulkAction {
    /// The id, chosen when the payouts were counted: a confirmation that is sent twice starts one action.
    pub id: BulkActionId,
    /// The step.
    pub step: BulkStep,
    /// The filter.
    pub filter: BulkFilter,
    /// The person.
    pub starter: BulkStarter,
    /// The reason, for the audit trail of each payout.
    pub reason: Option<String>,
    /// The time at which the payouts were counted, by the store's clock. Later payouts are no part of the action.
    pub counted_at: Timestamp,
    /// The number of payouts that matched then.
    pub matched: u64,
}

/// The state of a bulk action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BulkState {
    /// It goes on as soon as a worker is free.
    Running,
    /// It ended before all payouts.
    Stopped {
        /// The reason.
        why: String,
        /// The time.
        at: Timestamp,
    },
    /// It has come to every payout.
    Finished {
        /// The time.
        at: Timestamp,
    },
}

impl BulkState {
    /// Returns whether the action goes on.
    pub fn is_running(&self) -> bool {
        match self {
            Self::Running => true,
            Self::Stopped { .. } | Self::Finished { .. } => false,
        }
    }
}

/// The way in which a running action ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BulkEnd {
    /// It has come to every payout.
    Finished,
    /// It is stopped, for this reason.
    Stopped(String),
}

/// A position in the payouts of an action, by time of creation and then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BulkPlace {
    /// The time of creation.
    pub created_at: Timestamp,
    /// The payout.
    pub payout: PayoutId,
}

/// A bulk action as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkAction {
    /// The id.
    pub id: BulkActionId,
    /// The step.
    pub step: BulkStep,
    /// The filter.
    pub filter: BulkFilter,
    /// The person who started it.
    pub starter: BulkStarter,
    /// The reason that the person gave.
    pub reason: Option<String>,
    /// The time at which the payouts were counted.
    pub counted_at: Timestamp,
    /// The number of payouts that matched then.
    pub matched: u64,
    /// The time of the confirmation.
    pub created_at: Timestamp,
    /// The state.
    pub state: BulkState,
    /// The last payout that was planned. Absent before the first.
    pub place: Option<BulkPlace>,
    /// The number of payouts that were planned.
    pub planned: u64,
    /// The number of payouts that were changed.
    pub changed: u64,
    /// The number of payouts that were not changed.
    pub refused: u64,
}

impl NewBulkAction {
    /// Returns the action as stored at `now`, by the store's clock.
    pub fn stored_at(&self, now: Timestamp) -> BulkAction {
        BulkAction {
            id: self.id,
            step: self.step,
            filter: self.filter.clone(),
            starter: self.starter.clone(),
            reason: self.reason.clone(),
            counted_at: self.counted_at,
            matched: self.matched,
            created_at: now,
            state: BulkState::Running,
            place: None,
            planned: 0,
            changed: 0,
            refused: 0,
        }
    }
}

impl BulkAction {
    /// Returns the id that every event of the action has in place of a request's.
    pub fn request_id(&self) -> String {
        format!("bulk-{}", self.id)
    }

    /// Returns the action whose events have this id in place of a request's; `None` for the id of a request.
    pub fn of_request_id(text: &str) -> Option<BulkActionId> {
        text.strip_prefix("bulk-")?.parse().ok()
    }

    /// Returns the number of payouts that have an outcome.
    pub fn done(&self) -> u64 {
        self.changed + self.refused
    }

    /// Returns the number of payouts that matched and have no outcome yet. Payouts that stop matching meanwhile are
    /// counted until the action has ended.
    pub fn remaining(&self) -> u64 {
        self.matched.saturating_sub(self.done())
    }

    /// Returns the number of payouts that are planned and have no outcome yet.
    pub fn unsettled(&self) -> u64 {
        self.planned.saturating_sub(self.done())
    }
}
