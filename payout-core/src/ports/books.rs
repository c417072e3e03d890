//! The books: what it takes to hold a store against the provider's ledger, deleted payouts included.

use async_trait::async_trait;

use crate::Timestamp;
use crate::money::Money;
use crate::payout::{Actor, PayoutId, ProviderKey, ProviderReference, Status};
use crate::ports::{Cursor, RepositoryError};
use crate::provider::ProcessorKey;

/// A payout as far as the provider knows it too: not who is paid, nor where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Identity.
    pub id: PayoutId,
    /// How much, of what.
    pub money: Money,
    /// The digest of what is to be paid; absent where the row cannot be read.
    pub digest: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Whether it waits for a person.
    pub needs_review: bool,
    /// Whether it is hidden.
    pub deleted: bool,
    /// What the provider's idempotency keys begin with; its id where absent.
    pub provider_key: Option<ProviderKey>,
    /// Its generation: every one up to it may have been sent.
    pub generation: u32,
    /// Grows with every write.
    pub version: u64,
    /// The provider's name for the payment.
    pub provider_reference: Option<ProviderReference>,
    /// When this generation may first have been sent; unset while provably nothing was.
    pub first_submitted_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Record {
    /// The provider's key of one of its generations.
    pub fn key(&self, generation: u32) -> ProcessorKey {
        ProcessorKey::new(self.id, self.provider_key, generation)
    }
}

/// A page of the books, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BooksQuery {
    /// Only what follows this place.
    pub after: Option<Cursor>,
    /// Created at this time or later.
    pub since: Timestamp,
    /// Created before this time.
    pub until: Timestamp,
    /// How many at the most.
    pub limit: u32,
}

/// Opens the books of a store of payouts.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Books: Send + Sync {
    /// One page: **all** payouts of the period by time of creation and then by id, the deleted ones too.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn records(&self, query: &BooksQuery) -> Result<Vec<Record>, RepositoryError>;

    /// Writes down, for up to `limit` payouts that are pending and due, the claim that a worker may have made of each since
    /// this store was copied: the step of [`Payout::presume_claimed`](crate::payout::Payout::presume_claimed), with an
    /// event `claimed` by `by`. Returns how many; repeated until that is none, it leaves no payout whose next claim would
    /// send without looking its key up.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; repeating is harmless.
    async fn presume_claimed(&self, limit: u32, by: &Actor) -> Result<u64, RepositoryError>;
}
