//! The repository: payouts, their audit trail and the idempotency records. The only truth.

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
use crate::idempotency::{IdempotentRequest, ScopedKey, StoredAnswer};
use crate::payout::{Caller, Change, NewPayout, Payout, PayoutId};
use crate::ports::{Census, DeletedPayout, EventPage, EventQuery};

/// Keeps payouts.
///
/// # Promises
/// - What a call acknowledges is durable. A call that fails has written nothing, except that after
///   [`RepositoryError::Unavailable`] the write may have been made.
/// - Every write to a payout is one transaction with its event and, where given, its idempotency record, and grows the
///   payout's version by one. What is recorded as evidence alone, of a late outcome or a refused change, does not.
/// - Time (`due_at`, leases, `created_at`) is the repository's clock: [`now`](Self::now). It is the same for every
///   process that shares the store.
/// - Deleted payouts are found by no read but those that ask for them; their rows and events stay. Events are never changed or
///   removed.
/// - Batches are atomic only item by item: each payout is written whole or not at all.
/// - Lists, counts, audit trails and the census may be slow, and are bounded in number and in time: no other call waits for
///   them.
/// - A [`Charge`](crate::spending::Charge) is part of the write that it goes with: it is taken from the total of its purse and
///   of the day by the repository's clock, or the write is refused, whatever else is written at the same time. A total of
///   an earlier day counts as nothing. What is not written takes nothing, and nothing is ever given back.
/// - A row that cannot be read, since somebody altered it or its key is gone, harms no other payout. To ask for it alone is
///   [`RepositoryError::Refused`], and its id is logged, with none of its content.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait PayoutRepository: Send + Sync {
    /// Inserts payouts, one answer each, in their order. A payout whose idempotency key has a record is not written; nor,
    /// if it has none, is one whose charge does not fit beside those that are written before it. The key of an API key has
    /// the record of its [unscoped](ScopedKey::unscoped) form too.
    ///
    /// What is written has its [`provider_key`](NewPayout::provider_key), unless an earlier payout, a deleted one too, has
    /// the same: its record was forgotten, and this is another payment ([`Payout::under_its_id`]).
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Locked`] or [`RepositoryError::Refused`], for the whole batch.
    async fn insert(&self, batch: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError>;

    /// Makes a change, with its idempotency record if given, and returns the payout as it is now.
    ///
    /// Guard: not deleted, and at the change's expected version.
    ///
    /// # Errors
    /// [`RepositoryError::KeyTaken`], also when the version is stale too, so that of two racing requests with one key
    /// the loser finds the winner's answer; or [`RepositoryError::VersionConflict`]; or, only if neither stands in the way,
    /// [`RepositoryError::OverLimit`]; or [`RepositoryError::Locked`]. Nothing is written.
    async fn apply<'a>(
        &self,
        change: &Change,
        request: Option<&'a IdempotentRequest>,
    ) -> Result<Payout, RepositoryError>;

    /// One payout.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find(&self, id: PayoutId) -> Result<Option<Payout>, RepositoryError>;

    /// Those of these payouts that there are, in any order.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; [`RepositoryError::Refused`] when one of them cannot be read, so that none is taken
    /// to be missing: ask for each alone.
    async fn find_many(&self, ids: &[PayoutId]) -> Result<Vec<Payout>, RepositoryError>;

    /// One payout that was deleted, by this release or by an earlier one that let more be deleted.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_deleted(&self, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError>;

    /// Adds to the audit trail that a change was refused ([`EventKind::EditRefused`](crate::payout::EventKind::EditRefused)),
    /// and who asked, with the reason as its detail. Nothing else is written, and the version does not grow. Of a payout that
    /// is not there, or is deleted, nothing at all.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn record_refusal(&self, id: PayoutId, caller: &Caller) -> Result<(), RepositoryError>;

    /// The answer that was given to an idempotency key: its own, or else that of its [unscoped](ScopedKey::unscoped) form.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn find_answer(&self, key: &ScopedKey) -> Result<Option<StoredAnswer>, RepositoryError>;

    /// Part of the audit trail of a payout, oldest first; absent when there is no such payout.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn events(&self, id: PayoutId, query: EventQuery) -> Result<Option<EventPage>, RepositoryError>;

    /// One page, in the list's order. What cannot be read has its place on the page, as in the count.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn list(&self, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError>;

    /// How many payouts match, counting no further than `at_most` where given.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`], [`RepositoryError::Overloaded`].
    async fn count(&self, filter: &Filter, at_most: Option<u64>) -> Result<Count, RepositoryError>;

    /// Claims payouts that are due, passing over those that another claim is just taking; returns what it won, as it
    /// is after the claim.
    ///
    /// Guard: `due_at <= now`. Sets processing, `fence` and `claims` one higher, `due_at` at the lease's end,
    /// `claimed_at` (strictly later than the claim before), `quiet_at` (never earlier than before), and
    /// `first_submitted_at` to `claimed_at` unless it is set: the step of [`Payout::claim`].
    ///
    /// What is sealed with a key that the store knows and this process lacks is left to those who have it: it is not
    /// claimed, and so uses up no attempt. What is claimed and cannot be read all the same is told apart, and harms none of
    /// the others.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]; what was claimed unbeknown is taken over when its lease ends.
    async fn claim(&self, request: &ClaimRequest) -> Result<Claims, RepositoryError>;

    /// Settles claims, one answer each, in their order. A row that another session holds is passed over, and holds up none
    /// of the others.
    ///
    /// Guard, for each: id, fence, generation, and processing: the step of [`Payout::settle`]. A guard that misses
    /// writes a `late_outcome` event with the row's status, the settlement's fence and generation, and what it
    /// reported, unless the row says that this very settlement was applied before. A settlement of an unknown id is
    /// [`RepositoryError::Refused`].
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`]: settle again; repeating is harmless.
    async fn settle(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError>;

    /// How many payouts wait for a time that a clock has written which was ahead, counting no further than `at_most`: those of
    /// [`Payout::brought_back`].
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn count_ahead(&self, at_most: u32) -> Result<u64, RepositoryError> {
        let _ = at_most;
        Ok(0)
    }

    /// Brings the due times of those back to the present, at most `limit` of them; returns how many. The one write that grows
    /// no version and leaves no event: no fact of the payout changes.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn bring_back(&self, limit: u32) -> Result<u64, RepositoryError> {
        let _ = limit;
        Ok(0)
    }

    /// Forgets idempotency records older than `age`, at most `limit` of them; returns how many.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn forget_answers(&self, age: Duration, limit: u32) -> Result<u64, RepositoryError>;

    /// How many payouts there are, for an operator's eye: cheap, however many there are, and then estimated in part.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn census(&self) -> Result<Census, RepositoryError>;

    /// The repository's clock.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`].
    async fn now(&self) -> Result<Timestamp, RepositoryError>;

    /// The readiness probe: proves that a write goes through, by one that did a moment ago, or by one of its own that
    /// changes no payout. Asked about once a second.
    ///
    /// By default it asks for the clock, which is enough only where whatever reads can write too.
    ///
    /// # Errors
    /// [`RepositoryError::Unavailable`] while no write goes through, whatever can still be read.
    async fn probe(&self) -> Result<(), RepositoryError> {
        self.now().await.map(drop)
    }
}
