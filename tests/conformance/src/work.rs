//! The work on one payout as a worker does it, without its concurrency and its pauses: the real adapter, the real
//! decisions, and a repository in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::attempt::{Claim, Policy, Verdict};
use payout_core::contract::drive;
use payout_core::payout::{Actor, NewPayout, Payout, PayoutId, Status};
use payout_core::ports::{PayoutRepository, Processor, Randomness, System};
use payout_core::provider::{Instruction, LookUp, LookUpAnswer};
use uuid::Uuid;

use crate::outcome;

/// The number of attempts with an unknown outcome until a review.
const MAX_ATTEMPTS: u32 = 4;
/// The lease of a claim. A new generation waits until the calls of the one before must have ended.
const LEASE: Duration = Duration::from_secs(3);
/// The most claims of a payout that ends.
const MAX_CLAIMS: usize = 200;

/// The kind of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A submission.
    Submit,
    /// A look-up.
    LookUp,
}

/// A call, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The kind.
    pub kind: Kind,
    /// The generation of the key.
    pub generation: u32,
    /// The short name of the answer.
    pub outcome: String,
}

/// The provider's side of the work: faults that begin and end, and the settlement.
#[async_trait]
pub trait Around: Send {
    /// Prepares the call with this number, from 0, and returns the adapter that makes it.
    fn adapter(&mut self, number: usize) -> Arc<dyn Processor>;

    /// Waits until the provider has settled what it accepted, so that each run has the same calls.
    async fn settled(&self);
}

/// Randomness that always draws zero: no backoff.
struct Zero;

impl Randomness for Zero {
    fn next_u64(&self) -> u64 {
        0
    }
}

struct Work<'a> {
    around: &'a mut dyn Around,
    policy: Policy,
    calls: Vec<Call>,
}

/// Works on a new payout until it ends or goes under review. Returns the payout, and each call.
pub async fn until_the_end(id: Uuid, new: NewPayout, around: &mut dyn Around) -> (Payout, Vec<Call>) {
    let repository = MemoryRepository::new(Arc::new(System::default()));
    let id = PayoutId::from(id);
    drive::store(&repository, NewPayout { id, ..new }).await;
    let capabilities = around.adapter(0).capabilities();
    let policy = Policy {
        max_attempts: MAX_ATTEMPTS,
        ..Policy::default()
    };
    let mut work = Work {
        around,
        policy: Policy {
            poll_interval: Duration::ZERO,
            ..policy.towards(&capabilities)
        },
        calls: Vec::new(),
    };
    for _ in 0..MAX_CLAIMS {
        let claim = drive::claim_when_due(&repository, id, LEASE).await;
        match work.verdict(&claim).await {
            Verdict::KeySpent {
                why,
                after,
                waiting_for,
            } => {
                let change = claim.renew(&why, after, waiting_for, &Actor::new("worker"));
                repository.apply(&change, None).await.unwrap();
            }
            verdict @ (Verdict::Completed { .. }
            | Verdict::Failed(_)
            | Verdict::Accepted { .. }
            | Verdict::Postponed { .. }
            | Verdict::Released { .. }
            | Verdict::Review { .. }) => {
                drive::settle(&repository, claim, verdict).await;
            }
        }
        let payout = drive::found(&repository, id).await;
        let is_open = matches!(payout.status(), Status::Pending | Status::Processing);
        if payout.needs_review() || !is_open {
            return (payout, work.calls);
        }
        work.around.settled().await;
    }
    panic!("the payout does not end: {:?}", work.calls);
}

impl Work<'_> {
    /// Looks the key up where the claim asks for it, submits, and concludes.
    async fn verdict(&mut self, claim: &Claim) -> Verdict {
        if claim.looks_up_first() {
            let said = self.adapter().look_up(&LookUp::from(claim)).await;
            self.record(claim, Kind::LookUp, outcome::of_look_up(&said));
            match said {
                Ok(LookUpAnswer::Found(answer)) => return claim.conclude(Ok(answer), &self.policy, &Zero),
                Ok(LookUpAnswer::Absent) => (),
                Ok(LookUpAnswer::CannotTell { why }) => {
                    if let Some(review) = claim.conclude_unknown(&why, &self.policy) {
                        return review;
                    }
                }
                Err(error) => return claim.conclude_look_up(&error, &self.policy, &Zero),
            }
        }
        if let Err(review) = claim.may_send(&self.policy) {
            return review;
        }
        let said = self.adapter().submit(&Instruction::from(claim)).await;
        self.record(claim, Kind::Submit, outcome::of_submission(&said));
        claim.conclude(said, &self.policy, &Zero)
    }

    fn adapter(&mut self) -> Arc<dyn Processor> {
        self.around.adapter(self.calls.len())
    }

    fn record(&mut self, claim: &Claim, kind: Kind, outcome: String) {
        self.calls.push(Call {
            kind,
            generation: claim.payout().generation(),
            outcome,
        });
    }
}
