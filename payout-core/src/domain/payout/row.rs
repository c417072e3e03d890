//! The payout itself: every fact needed to finish it is in its row.

use crate::Timestamp;
use crate::money::Money;
use crate::payout::{Failure, PaymentDetails, PayoutId, ProviderKey, ProviderReference, Status};

/// A payout as it stands in the store.
///
/// It moves only along these steps; each consumes the payout and yields the write that makes it so:
///
/// | from | to | by |
/// |---|---|---|
/// | pending | processing | a worker's [`claim`](Payout::claim) |
/// | pending | cancelled | [`cancel`](Payout::cancel) |
/// | processing | completed, failed | [`settle`](Payout::settle), under the claimed fence |
/// | processing | pending | the same, only when provably nothing was sent in this generation |
/// | processing under review | completed, failed | [`resolve`](Payout::resolve) |
/// | failed | pending | [`retry`](Payout::retry), a new generation |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payout(PayoutParts);

/// The columns of a payout, as a repository reads and writes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayoutParts {
    /// Identity.
    pub id: PayoutId,
    /// What is to be paid.
    pub details: PaymentDetails,
    /// Where it stands.
    pub status: Status,
    /// A person must say what happened.
    pub needs_review: bool,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The provider's name for the payment; while processing, it says that the provider has accepted it.
    pub provider_reference: Option<ProviderReference>,
    /// What the provider's idempotency keys begin with; the id where absent. Chosen once, when the payout is stored.
    pub provider_key: Option<ProviderKey>,
    /// Grows only when a definitively failed payout is retried by a person. Part of the provider's idempotency key.
    pub generation: u32,
    /// Claims of this generation that used up an attempt, or hold: not those whose end was that nothing was sent, or that the
    /// provider said *not now*.
    pub claims: u32,
    /// Claims ever, each counted: a worker may settle only the fence that it claimed.
    pub fence: u64,
    /// Grows with every write: the `ETag`.
    pub version: u64,
    /// When this generation may first have been sent; unset while provably nothing was.
    pub first_submitted_at: Option<Timestamp>,
    /// When it was last claimed.
    pub claimed_at: Option<Timestamp>,
    /// From when on no worker of any claim so far can still be sending.
    pub quiet_at: Option<Timestamp>,
    /// When somebody must look at it again; unset when nothing is left to do.
    pub due_at: Option<Timestamp>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// A stored row breaks an invariant: somebody wrote to the table past this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("payout {id} is stored in a state that cannot be: {what}")]
pub struct BrokenRow {
    id: PayoutId,
    what: &'static str,
}

impl BrokenRow {
    pub(crate) fn new(id: PayoutId, what: &'static str) -> Self {
        Self { id, what }
    }
}

impl Payout {
    /// Reads a row back.
    ///
    /// # Errors
    /// [`BrokenRow`] when the row is in a state that no step leads to.
    pub fn restore(parts: PayoutParts) -> Result<Self, BrokenRow> {
        let payout = Self::checked(parts)?;
        if payout.0.awaits_somebody() != payout.0.due_at.is_some() {
            return Err(BrokenRow {
                id: payout.0.id,
                what: "due if and only if a worker has something left to do",
            });
        }
        Ok(payout)
    }

    /// Reads the row of a deleted payout back, of which nobody has anything left to do.
    ///
    /// # Errors
    /// [`BrokenRow`] when the row is in a state that no step leads to.
    pub fn restore_deleted(parts: PayoutParts) -> Result<Self, BrokenRow> {
        if parts.due_at.is_some() {
            return Err(BrokenRow {
                id: parts.id,
                what: "deleted and due",
            });
        }
        Self::checked(parts)
    }

    fn checked(parts: PayoutParts) -> Result<Self, BrokenRow> {
        let refuse = |what| Err(BrokenRow { id: parts.id, what });
        if parts.needs_review && parts.status != Status::Processing {
            return refuse("under review but not processing");
        }
        if parts.status == Status::Processing && (parts.fence == 0 || parts.claims == 0) {
            return refuse("processing but never claimed");
        }
        if (parts.status == Status::Failed) != parts.failure.is_some() {
            return refuse("a failure is recorded if and only if the status is failed");
        }
        Ok(Self(parts))
    }

    pub(crate) fn from_parts(parts: PayoutParts) -> Self {
        Self(parts)
    }

    /// The same payout, of whose provider's keys none begins as another payout's do: they begin with its id.
    #[must_use]
    pub fn under_its_id(mut self) -> Self {
        self.0.provider_key = None;
        self
    }

    /// The columns, to be written.
    pub fn parts(&self) -> &PayoutParts {
        &self.0
    }

    /// The columns, to be changed into another payout.
    pub(crate) fn into_parts(self) -> PayoutParts {
        self.0
    }

    /// Identity.
    pub fn id(&self) -> PayoutId {
        self.0.id
    }

    /// How much, of what.
    pub fn money(&self) -> Money {
        self.0.details.money
    }

    /// What is to be paid.
    pub fn details(&self) -> &PaymentDetails {
        &self.0.details
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// Whether a person must say what happened.
    pub fn needs_review(&self) -> bool {
        self.0.needs_review
    }

    /// The row's version: grows with every write.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The generation: part of the provider's idempotency key.
    pub fn generation(&self) -> u32 {
        self.0.generation
    }

    /// The last claim's fence: 0 before the first.
    pub fn fence(&self) -> u64 {
        self.0.fence
    }
}

impl PayoutParts {
    /// Whether a worker has something left to do: the condition for `due_at` to be set.
    pub fn awaits_somebody(&self) -> bool {
        match self.status {
            Status::Pending => true,
            Status::Processing => !self.needs_review,
            Status::Completed | Status::Failed | Status::Cancelled => false,
        }
    }
}
