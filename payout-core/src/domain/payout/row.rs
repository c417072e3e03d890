//! The payout itself. Its row has every fact that is needed to finish it.

use rust_decimal::Decimal;

use crate::Timestamp;
use crate::approval::Approval;
use crate::batch::BatchId;
use crate::money::Money;
use crate::payout::{Actor, Failure, PaymentDetails, PayoutId, ProviderKey, ProviderReference, Status};
use crate::provider::{ProviderName, WaitReason};

/// A payout as it is stored.
///
/// It changes only by these steps. Each consumes the payout and returns a description of the write:
///
/// | from | to | by |
/// |---|---|---|
/// | awaiting approval | pending | the last required [`approve`](Payout::approve) |
/// | awaiting approval | cancelled | [`reject`](Payout::reject), [`cancel`](Payout::cancel) |
/// | awaiting approval, pending | pending, awaiting approval | [`edit`](Payout::edit), as the rules require approval |
/// | pending | processing | a worker's [`claim`](Payout::claim) |
/// | pending | cancelled | [`cancel`](Payout::cancel) |
/// | processing | completed, failed | [`settle`](Payout::settle), under the claimed fence |
/// | processing | pending | [`settle`](Payout::settle), only when provably nothing was sent in this generation |
/// | processing under review | completed, failed | [`resolve`](Payout::resolve) |
/// | processing | pending | [`settle`](Payout::settle), in a new generation, when the provider's refusal for now has spent the key |
/// | completed | returned | [`recheck`](Payout::recheck), by the provider's answer to a look-up |
/// | completed | returned | [`mark_returned`](Payout::mark_returned), by a person |
/// | failed, returned | pending, awaiting approval | [`retry`](Payout::retry), a new generation |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payout(PayoutParts);

/// The columns of a payout, as a repository reads and writes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayoutParts {
    /// The id.
    pub id: PayoutId,
    /// The details of the payment.
    pub details: PaymentDetails,
    /// The status.
    pub status: Status,
    /// True while the payout is under review: a person must decide how it ended.
    pub needs_review: bool,
    /// The reason why the payout failed or was returned.
    pub failure: Option<Failure>,
    /// The provider's reference for the payment. If it is set while the payout is processing, the provider has accepted
    /// the payment.
    pub provider_reference: Option<ProviderReference>,
    /// The base of the provider's idempotency keys; the payout's id where absent. Chosen once, when the payout is
    /// stored.
    pub provider_key: Option<ProviderKey>,
    /// The generation, which is part of the provider's idempotency key. It grows when a person retries a payout
    /// that failed for good or was returned, and when a provider's refusal for now has spent the key.
    pub generation: u32,
    /// The number of claims of this generation that used up an attempt, or are still held. Claims that ended with
    /// nothing sent, or with the provider's *not now*, do not count.
    pub claims: u32,
    /// The number of claims ever made. A worker may settle only under the fence that it claimed.
    pub fence: u64,
    /// The version, which grows with every write. It is the `ETag` over HTTP.
    pub version: u64,
    /// The earliest time at which this generation may have been sent; unset while provably nothing was sent.
    pub first_submitted_at: Option<Timestamp>,
    /// The time of the latest claim.
    pub claimed_at: Option<Timestamp>,
    /// The time after which no worker of any claim so far can still be sending.
    pub calls_end_at: Option<Timestamp>,
    /// The time at which a worker must look at the payout again; unset when nothing is left to do.
    pub due_at: Option<Timestamp>,
    /// The time at which the payout was stored.
    pub created_at: Timestamp,
    /// The time of the latest write.
    pub updated_at: Timestamp,
    /// The provider that makes the payment: planned when the payout is stored, and fixed once something of this
    /// generation may have been sent. Absent where the program names no providers.
    pub provider: Option<ProviderName>,
    /// The reason why the payout waits, where it is not about the payout itself.
    pub waiting_for: Option<WaitReason>,
    /// The time since which the payout has waited for that reason.
    pub waiting_since: Option<Timestamp>,
    /// The time at which the payout became completed.
    pub completed_at: Option<Timestamp>,
    /// The time at which the payment came back, as the provider tells it, or else as it was found.
    pub returned_at: Option<Timestamp>,
    /// The amount that came back, where it differs from the amount that was paid.
    pub returned_amount: Option<Decimal>,
    /// The time at which a worker must check whether a completed payment was returned.
    pub recheck_at: Option<Timestamp>,
    /// The batch that the payout came in; absent for a payout made by itself.
    pub batch: Option<BatchId>,
    /// The actor that created the payout: the name of its API key. Absent for an imported payout, and for one from
    /// before the name was stored with it.
    pub created_by: Option<Actor>,
    /// The approvals that the payout requires and those that were given; absent if it was stored while no rules for
    /// approvals were set. Boxed, since nearly all payouts of most services have none.
    pub approval: Option<Box<Approval>>,
}

/// A stored row breaks an invariant: something other than this crate wrote to the table.
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

    /// Reads back the row of a deleted payout, which no worker may still have to process.
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
        if matches!(parts.status, Status::Failed | Status::Returned) != parts.failure.is_some() {
            return refuse("a reason is recorded if and only if the status is failed or returned");
        }
        if (parts.status == Status::Returned) != parts.returned_at.is_some() {
            return refuse("a time of return is recorded if and only if the status is returned");
        }
        if parts.status == Status::AwaitingApproval && !parts.requires_approval() {
            return refuse("awaiting approval although none is required");
        }
        if parts.recheck_at.is_some() && parts.status != Status::Completed {
            return refuse("to be rechecked but not completed");
        }
        Ok(Self(parts))
    }

    pub(crate) fn from_parts(parts: PayoutParts) -> Self {
        Self(parts)
    }

    /// Drops the provider key that another payout has already: the idempotency keys at the provider begin with the
    /// payout's id instead.
    #[must_use]
    pub fn under_its_id(mut self) -> Self {
        self.0.provider_key = None;
        self
    }

    /// Plans another provider for the next claim, while nothing of this generation was sent. `None` changes nothing.
    #[must_use]
    pub(crate) fn planned_for(mut self, provider: Option<ProviderName>) -> Self {
        if provider.is_some() {
            self.0.provider = provider;
        }
        self
    }

    /// Returns the columns, for a repository to write.
    pub fn parts(&self) -> &PayoutParts {
        &self.0
    }

    /// Returns the columns, to build the next state of the payout.
    pub(crate) fn into_parts(self) -> PayoutParts {
        self.0
    }

    /// Returns the id.
    pub fn id(&self) -> PayoutId {
        self.0.id
    }

    /// Returns the amount and its currency.
    pub fn money(&self) -> Money {
        self.0.details.money
    }

    /// Returns the details of the payment.
    pub fn details(&self) -> &PaymentDetails {
        &self.0.details
    }

    /// Returns the status.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// Returns whether the payout is under review.
    pub fn needs_review(&self) -> bool {
        self.0.needs_review
    }

    /// Returns whether this is the provider's reference for the payment, or the base of the keys that it was sent.
    pub fn is_known_as(&self, reference: &str) -> bool {
        let of_provider = self.0.provider_reference.as_ref();
        of_provider.is_some_and(|known| known.as_str() == reference)
            || self
                .0
                .provider_key
                .is_some_and(|key| key.to_string().eq_ignore_ascii_case(reference))
    }

    /// Returns the version of the row, which grows with every write.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Returns the generation, which is part of the provider's idempotency key.
    pub fn generation(&self) -> u32 {
        self.0.generation
    }

    /// Returns the fence of the latest claim: 0 before the first.
    pub fn fence(&self) -> u64 {
        self.0.fence
    }
}

impl PayoutParts {
    /// Returns whether the payout requires approval, given or not.
    pub fn requires_approval(&self) -> bool {
        self.approval
            .as_ref()
            .is_some_and(|approval| approval.required > 0)
    }

    /// Returns whether a worker has something left to do. `due_at` is set exactly then.
    pub fn awaits_somebody(&self) -> bool {
        match self.status {
            Status::Pending => true,
            Status::Processing => !self.needs_review,
            Status::AwaitingApproval
            | Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::Cancelled => false,
        }
    }
}
