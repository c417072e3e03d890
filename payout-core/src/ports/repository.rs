//! The repository: payouts, their audit trail and the idempotency records. The only truth.

use std::time::Duration;

use async_trait::async_trait;

use crate::Timestamp;
use crate::attempt::{Claim, Settlement, UnreadableClaim};
use crate::idempotency::{IdempotentRequest, ScopedKey, StoredAnswer};
use crate::money::Currency;
use crate::payout::{Actor, Caller, Change, NewPayout, Payout, PayoutId, Status, normal_iban, spellings};
use crate::ports::{Census, Deleted, DeletedPayout, EventPage, EventQuery};
use crate::spending::OverLimit;
use crate::text::{fold, nfc, nfd};

/// The repository could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The store does not answer, or gave up half way: nothing is half written, but a write may have been made
    /// whose acknowledgement was lost.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another session holds a lock on what would be written, for longer than a write waits. Nothing was written, and the
    /// same may go through later. It concerns this row alone: whatever was asked for together with it can be written
    /// without it.
    #[error("another session holds a lock on {part}")]
    Locked {
        /// What it holds.
        part: LockedPart,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// As many costly reads run and wait as the store takes, or this one took longer than a read may. Nothing was
    /// answered; the same may be answered later.
    #[error("the store has too much to read at once")]
    Overloaded(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The payout is gone, or no longer at the version that the change was made from. Nothing was written.
    #[error("the payout was changed meanwhile")]
    VersionConflict,
    /// The idempotency key has a record already, its own or that of nobody's API key. Nothing was written.
    #[error("the idempotency key was used before")]
    KeyTaken,
    /// The charge does not fit into what is left of its day. Nothing was written.
    #[error("the day's limit is used up")]
    OverLimit(OverLimit),
    /// The store refused the data or holds data that cannot be. Nothing was written; trying again will not help.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RepositoryError {
    /// [`Unavailable`](Self::Unavailable), with its cause.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// [`Refused`](Self::Refused), with its cause.
    pub fn refused(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(cause.into())
    }
}

/// What a lock of another session is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedPart {
    /// The total of a purse: everything that is charged to it waits.
    DailyTotal,
    /// A payout, an idempotency key, or a table.
    Row,
}

impl std::fmt::Display for LockedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DailyTotal => "the day's total",
            Self::Row => "a row",
        })
    }
}

/// What became of one payout of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are Stored; boxing each would cost more"
)]
pub enum Insertion {
    /// It is stored, as this.
    Stored(Payout),
    /// Its idempotency key has a record already; nothing of it was written.
    KeyTaken,
    /// Its charge does not fit into what is left of its day; nothing of it was written.
    OverLimit(OverLimit),
}

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Only these payouts (hints), or absent: the longest due (a sweep).
    pub only: Option<Vec<PayoutId>>,
    /// At most so many.
    pub limit: u32,
    /// How long a claim holds before another worker may take over.
    pub lease: Duration,
    /// How long until no worker of this claim can still be sending: the lease and a call's timeout.
    pub quiet_after: Duration,
    /// The worker's name, for the audit trail.
    pub worker: Actor,
}

/// What a claim won.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// These are to be worked on.
    pub won: Vec<Claim>,
    /// These are claimed too, and their rows cannot be read: nothing can be sent for them.
    pub unreadable: Vec<UnreadableClaim>,
}

impl From<Vec<Claim>> for Claims {
    fn from(won: Vec<Claim>) -> Self {
        Self {
            won,
            unreadable: Vec::new(),
        }
    }
}

/// What became of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is written, now or by an earlier, unacknowledged attempt of the same worker.
    Applied,
    /// The guard refused it; a `late_outcome` event is written as evidence, and no state is changed.
    Late {
        /// Where the payout stands.
        status: Status,
        /// The generation it is in.
        generation: u32,
        /// Whether it is deleted.
        deleted: bool,
    },
    /// Another session holds the payout's row. Nothing of this settlement is written: settle it again, and do not let
    /// others wait for it.
    Locked,
}

/// Which payouts a list or a count is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Any of these; all when empty.
    pub statuses: Vec<Status>,
    /// Only this currency.
    pub currency: Option<Currency>,
    /// Created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    /// Only those that do, or do not, wait for a person.
    pub needs_review: Option<bool>,
    /// Only what matches.
    pub search: Option<Search>,
    /// Whether deleted ones are among them.
    pub deleted: Deleted,
}

/// Matches a payout whose account is exactly this text, or the same IBAN with or without spaces and in any case, or whose
/// recipient's name begins with it in any case. A repository that keeps names sealed finds a name only by all of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Search(String);

impl Search {
    /// Takes the text without the white space around it, in Normalization Form C; absent when nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = nfc(text.trim());
        (!text.is_empty()).then(|| Self(text.into_owned()))
    }

    /// The account to find, as it was asked for.
    pub fn account(&self) -> &str {
        &self.0
    }

    /// The accounts to find: this text and, where it is an IBAN, each way in which the same one is usually written. A
    /// repository that keeps something of the account that is the same for all of them need not try them.
    pub fn accounts(&self) -> Vec<String> {
        let mut accounts = vec![self.0.clone()];
        if let Some(normal) = normal_iban(&self.0) {
            accounts.extend(
                spellings(&normal)
                    .into_iter()
                    .filter(|spelled| *spelled != self.0),
            );
        }
        accounts
    }

    /// Whether it is a search for this account.
    pub fn finds_account(&self, account: &str) -> bool {
        self.0 == account || normal_iban(&self.0).is_some_and(|normal| normal_iban(account) == Some(normal))
    }

    /// Whether what it is for is an IBAN.
    pub fn is_iban(&self) -> bool {
        normal_iban(&self.0).is_some()
    }

    /// The beginning of a name to find, folded as [`fold_name`](Self::fold_name) folds.
    pub fn name_prefix(&self) -> String {
        Self::fold_name(&self.0)
    }

    /// The beginnings of a name to find: folded as [`fold_name`](Self::fold_name) folds, and as names were folded before
    /// (by lower case alone, as they were sent), so that what was stored then is found as it was. None begins with another.
    pub fn name_prefixes(&self) -> Vec<String> {
        let mut prefixes = self.folded_names();
        let all = prefixes.clone();
        prefixes.retain(|prefix| {
            !all.iter()
                .any(|other| prefix != other && prefix.starts_with(other.as_str()))
        });
        prefixes
    }

    /// The whole names to find, folded in the same ways.
    pub fn folded_names(&self) -> Vec<String> {
        let mut names = vec![self.name_prefix()];
        for before in [self.0.to_lowercase(), nfd(&self.0).to_lowercase()] {
            if !names.contains(&before) {
                names.push(before);
            }
        }
        names
    }

    /// How names are folded, so that every repository finds the same.
    pub fn fold_name(name: &str) -> String {
        fold(name)
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Search(…)")
    }
}

/// A place in the list, between payouts: that of this payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// When it was created.
    pub created_at: Timestamp,
    /// Its id, since many are created at once.
    pub id: PayoutId,
}

/// A row of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// A payout.
    Payout(Payout),
    /// A deleted payout, where it was asked for.
    Deleted(DeletedPayout),
    /// There is a payout at this place, and its row cannot be read: it was altered, or its key is gone.
    Unreadable(Cursor),
}

impl Listed {
    /// Its place in the list.
    pub fn place(&self) -> Cursor {
        match self {
            Self::Payout(payout) => Cursor::of(payout),
            Self::Deleted(deleted) => Cursor::of(&deleted.payout),
            Self::Unreadable(place) => *place,
        }
    }
}

/// The order of a list: by time of creation, then by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// After so many payouts; the cost grows with it.
    Offset(u64),
    /// The payouts that follow this place in the list's order.
    After(Cursor),
    /// The payouts right before this place, still in the list's order.
    Before(Cursor),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// Which payouts.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Where.
    pub position: Position,
    /// How many at the most.
    pub limit: u32,
}

/// A number of payouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many.
    pub count: u64,
    /// Or at least so many, when counting stopped there.
    pub exact: bool,
}

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
