//! The port for reconciliation: reads all payouts of a store, deleted ones included, to compare them with the
//! provider's ledger.

use async_trait::async_trait;

use crate::Timestamp;
use crate::money::Money;
use crate::payout::{Actor, PayoutId, ProviderKey, ProviderReference, Status};
use crate::ports::{Cursor, RepositoryError};
use crate::provider::{LookUp, ProcessorKey, ProviderName};

/// The part of a payout that the provider knows too. It has neither the recipient's name nor the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The payout's id.
    pub id: PayoutId,
    /// The amount and the currency.
    pub money: Money,
    /// The digest of the payment details; absent if the row cannot be read.
    pub digest: Option<String>,
    /// The payout's status.
    pub status: Status,
    /// Set while the payout waits for an operator's review.
    pub needs_review: bool,
    /// Set if the payout is deleted, and so hidden.
    pub deleted: bool,
    /// The prefix of the provider's idempotency keys; absent if the payout's id is the prefix.
    pub provider_key: Option<ProviderKey>,
    /// The provider that makes the payment of the current generation; absent where the program names none. Earlier
    /// generations may have been at others.
    pub provider: Option<ProviderName>,
    /// The current generation. This generation and every earlier one may have been sent.
    pub generation: u32,
    /// The version, which grows with every write.
    pub version: u64,
    /// The provider's reference for the payment.
    pub provider_reference: Option<ProviderReference>,
    /// The earliest time at which this generation may have been sent; absent while it provably was not.
    pub first_submitted_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Timestamp,
}

impl Record {
    /// Returns the provider's idempotency key of a generation.
    pub fn key(&self, generation: u32) -> ProcessorKey {
        ProcessorKey::new(self.id, self.provider_key, generation)
    }

    /// Returns the look-up of a generation.
    pub fn look_up(&self, generation: u32) -> LookUp {
        let current = generation == self.generation;
        LookUp {
            key: self.key(generation),
            reference: self.provider_reference.clone().filter(|_| current),
            first_sent_at: self
                .first_submitted_at
                .filter(|_| current)
                .or(Some(self.created_at)),
            payout_id: self.id,
        }
    }
}

/// A query for one page of records, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconciliationQuery {
    /// Only records that follow this position.
    pub after: Option<Cursor>,
    /// Only payouts created at this time or later.
    pub since: Timestamp,
    /// Only payouts created before this time.
    pub until: Timestamp,
    /// The largest number of records in the page.
    pub limit: u32,
}

/// Reads the payouts of a store for reconciliation.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ReconciliationReader: Send + Sync {
    /// Returns one page: **all** payouts of the period, deleted ones included, by time of creation and then by id.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn records(&self, query: &ReconciliationQuery) -> Result<Vec<Record>, RepositoryError>;

    /// Presumes claims after a restore: workers may have claimed pending payouts after this copy of the store was made.
    ///
    /// Selects at most `limit` payouts that are pending and due, and at most as many that await approval, applies
    /// [`Payout::presume_claimed`](crate::payout::Payout::presume_claimed) to each and adds an event `claimed` by `by`.
    /// Returns the number of payouts it changed. Once it returns zero, the next claim of every payout looks its key up
    /// before it sends.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; repeating is harmless.
    async fn presume_claimed(&self, limit: u32, by: &Actor) -> Result<u64, RepositoryError>;
}
