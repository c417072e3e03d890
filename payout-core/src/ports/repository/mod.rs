//! The port for storage of payouts, their audit trails and the idempotency records: the only source of truth.

mod error;
mod list;
mod outcomes;
mod search;

use std::time::Duration;

use async_trait::async_trait;

pub use error::{LockedPart, RepositoryError};
pub use list::{Count, Cursor, Filter, ListQuery, Listed, Order, Position};
pub use outcomes::{ClaimRequest, Claims, Insertion, Settled};
pub use search::Search;

use crate::Timestamp;
use crate::attempt::Settlement;
use crate::idempotency::{IdempotencyRecord, IdempotentRequest, ScopedKey};
use crate::payout::{Caller, Change, Evidence, NewPayout, Payout, PayoutId};
use crate::ports::{DeletedPayout, EventPage, EventQuery, PayoutStats};

/// Stores payouts, their audit trails and the idempotency records.
///
/// # Promises
/// - An acknowledged write is durable. A call that fails has written nothing, except that after
///   [`RepositoryError::Unavailable`] the write may have been made.
/// - A write to a payout, its event and, if given, its idempotency record are one transaction, which increases the
///   payout's version by one. Events that are only evidence (a late outcome, a refused change) do not increase it.
/// - All times (`due_at`, leases, `created_at`) are by the repository's clock, [`now`](Self::now), which every process
///   that shares the store sees alike.
/// - Only reads that ask for deleted payouts find them. Their rows and events stay. Events are never changed or
///   removed.
/// - A batch is atomic per item: each payout is written completely or not at all.
/// - Lists, counts, audit trails and the census may be slow. They are bounded in number and in time, and no other call
///   waits for them.
/// - A [`Charge`](crate::spending::Charge) is part of the write that it comes with. The write adds it to the total of
///   its API key, currency and day (by the repository's clock) or is refused. Concurrent writes cannot exceed the limit
///   together. The total of an earlier day counts as zero. A refused write charges nothing, and a charge is never
///   returned.
/// - A row that cannot be read, because it was altered or its encryption key is missing, does not affect other payouts.
///   A read of that row alone returns [`RepositoryError::Refused`], and the repository logs its id without any content.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PayoutRepository: Send + Sync {
    /// Inserts payouts. Returns one result for each, in their order.
    ///
    /// A payout is not written if its idempotency key already has a record, or else if another payout that is not deleted
    /// has its external id (of two in the batch, the first is written), or else if its charge does not fit after those of
    /// the payouts written before it. A key in the scope of an API key is also taken if its
    /// [unscoped](ScopedKey::unscoped) form has a record.
    ///
    /// A new payout has its [`provider_key`](NewPayout::provider_key) unless an earlier payout, perhaps a deleted one,
    /// has that key. In that case the earlier idempotency record has expired, and this is another payment
    /// ([`Payout::under_its_id`]).
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`] or [`RepositoryError::Refused`], for the whole
    /// batch.
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError>;

    /// Writes a change, with its idempotency record if given. Returns the payout as it is afterwards.
    ///
    /// Guard: the payout is not deleted and has the version that the change expects.
    ///
    /// # Errors
    /// The first of these that applies: [`RepositoryError::KeyTaken`], even if the version is stale too, so that the
    /// loser of two racing requests with one key finds the winner's answer; [`RepositoryError::VersionConflict`];
    /// [`RepositoryError::ExternalIdTaken`]; [`RepositoryError::OverLimit`]. Besides these, [`RepositoryError::Locked`]. Nothing is written.
    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError>;

    /// Finds one payout.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError>;

    /// Finds several payouts. Returns those that exist, in any order.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]. [`RepositoryError::Refused`] if one of them cannot be read, so that the caller
    /// does not take it for missing: ask for each alone.
    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError>;

    /// Finds the payouts that others know by this reference: the provider's reference, the
    /// [key](NewPayout::provider_key) that the provider was sent, or the id of a request that created or changed them.
    /// Returns at most `limit` ids, in any order. May look at every row, as a count of a list.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn find_by_reference(&self, reference: &str, limit: u32) -> Result<Vec<PayoutId>, RepositoryError>;

    /// Finds one deleted payout. Earlier releases allowed more payouts to be deleted than this one; it finds those too.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError>;

    /// Records evidence in the audit trail, with the caller and the reason as the detail. Writes nothing else, and does
    /// not increase the version. Does nothing if the payout does not exist or is deleted.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn record_evidence(
        &self,
        id: PayoutId,
        evidence: Evidence,
        caller: &Caller,
    ) -> Result<(), RepositoryError>;

    /// Finds the stored answer of an idempotency key: in its own scope, or else under its
    /// [unscoped](ScopedKey::unscoped) form.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<IdempotencyRecord>, RepositoryError>;

    /// Returns part of a payout's audit trail, oldest first; absent if the payout does not exist.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError>;

    /// Returns one page in the list's order. A row that cannot be read has its place on the page, as it has in the
    /// count.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError>;

    /// Counts the payouts that match, up to `at_most` if given.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError>;

    /// Claims due payouts, skipping those that a concurrent claim has locked. Returns them as they are after the claim.
    ///
    /// Guard: `due_at <= now`. Applies the step of [`Payout::claim`]: sets the status to processing, increments `fence`
    /// and `claims`, and sets `due_at` to the end of the lease, `claimed_at` (strictly later than the previous claim),
    /// `calls_end_at` (never earlier than before) and, unless it is set, `first_submitted_at` to `claimed_at`.
    ///
    /// A row that is encrypted with a key which the store knows and this process lacks is not claimed, and so uses up
    /// no attempt: a process that has the key claims it. Rows that were claimed but cannot be read are returned
    /// separately and do not affect the others.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; claims that were committed before the error are taken over when their lease
    /// expires.
    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError>;

    /// Settles claims. Returns one result for each, in their order. A row that another session has locked is skipped
    /// and delays no other.
    ///
    /// Guard, for each: id, fence, generation and status processing, as in the step of [`Payout::settle`]. If the guard
    /// does not match, the call writes a `late_outcome` event with the row's status, the settlement's fence and
    /// generation, and the outcome it reported, unless the row shows that this very settlement was already applied. A
    /// settlement of an unknown id returns [`RepositoryError::Refused`].
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; settle again, the call can be repeated safely.
    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError>;

    /// Counts the payouts whose due time was written by a clock that ran ahead (see [`Payout::brought_back`]), up to
    /// `at_most`.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn count_ahead(&self, at_most: u32) -> Result<u64, RepositoryError> {
        let _ = at_most;
        Ok(0)
    }

    /// Brings the due times of up to `limit` such payouts back to the present. Returns their number. This is the only
    /// write that neither increases the version nor adds an event: no fact of the payout changes.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        let _ = limit;
        Ok(0)
    }

    /// Deletes up to `limit` idempotency records that are older than `age`. Returns their number.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError>;

    /// Returns the numbers of payouts by status and currency. It is cheap in a store of any size, and estimated in
    /// part.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn payout_stats(&self) -> Result<PayoutStats, RepositoryError>;

    /// Returns the time by the repository's clock.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn now(&self) -> Result<Timestamp, RepositoryError>;

    /// Checks readiness: proves that a write succeeds, either by a recent successful write or by one of its own that
    /// changes no payout. Called about once a second.
    ///
    /// The default only asks for the clock, which suffices only where a client that can read can also write.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] while no write succeeds, even if reads do.
    async fn probe(&self) -> Result<(), RepositoryError> {
        self.now().await.map(drop)
    }
}
