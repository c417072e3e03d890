//! The steps of a worker.

use std::time::Duration;

use payout_core::attempt::{Claim, Policy, SettlementOutcome, Verdict};
use payout_core::contract::build;
use payout_core::payout::{Actor, Status};
use payout_core::ports::MockRandomness;
use payout_core::provider::{ProcessorError, ProviderAnswer, ReturnWindow, WaitReason};

use crate::protocol::{LEASE_TICKS, Protocol, Without};
use crate::world::{
    Holding, Place, Stage, TICK, World, answer, at, payment_of, place_of, provider, silence, without_history,
};

fn randomness() -> MockRandomness {
    let mut randomness = MockRandomness::new();
    randomness.expect_next_u64().return_const(0_u64);
    randomness
}

impl Protocol {
    pub(crate) fn policy(&self) -> Policy {
        // There is no pause between attempts, and the payout needs review after the third.
        Policy {
            backoff_base: Duration::ZERO,
            backoff_cap: Duration::ZERO,
            max_attempts: 3,
            repeat_is_safe: self.repeat_is_safe,
            returns: ReturnWindow::Within(Duration::from_secs(3_600)),
            ..Policy::default()
        }
    }

    fn place(&self, claim: &Claim) -> Place {
        let payout = claim.payout();
        let key = if self.without == Without::OneKey {
            payout.fence() as usize % 6
        } else {
            payout.generation() as usize
        };
        (place_of(payout), key)
    }

    fn may_look_at_clock(&self, world: &World, holding: &Holding) -> bool {
        self.without == Without::Deadline || world.tick < holding.asked_at + LEASE_TICKS
    }

    fn conclude(&self, claim: &Claim, said: Result<ProviderAnswer, ProcessorError>) -> Verdict {
        let never_sent = matches!(said, Err(ProcessorError::NeverSent { .. }));
        let verdict = match (self.without, &said) {
            (Without::Doubt, Err(_)) => build::failed(),
            (Without::EarlierClaims, Err(ProcessorError::NeverSent { .. })) => {
                build::released(Duration::ZERO)
            }
            (Without::PassedOn, Err(ProcessorError::Overloaded { .. })) => build::released(Duration::ZERO),
            (Without::DoubtBeforeFailover, Err(ProcessorError::Unknown { .. })) => {
                return self.moved_on(claim, build::released(Duration::ZERO));
            }
            _ => claim.conclude(said, &self.policy(), &randomness()),
        };
        if never_sent {
            self.moved_on(claim, verdict)
        } else {
            verdict
        }
    }

    /// Hands a payout of which provably nothing was sent to the other provider, as the worker does.
    fn moved_on(&self, claim: &Claim, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Released { why, .. } if self.fails_over => Verdict::Released {
                why,
                after: Duration::ZERO,
                waiting_for: None,
                provider: Some(provider(1 - place_of(claim.payout()))),
            },
            other => other,
        }
    }

    pub(crate) fn claim(&self, world: &mut World, worker: usize) -> Option<()> {
        let lease = TICK * u32::from(LEASE_TICKS);
        world.doubt |= world.payout.status() == Status::Processing;
        let claim = world
            .payout
            .clone()
            .claim(at(world.tick), lease, lease + TICK)
            .ok()?;
        world.payout = claim.payout().clone();
        world.claimed_generation = world.payout.generation();
        let stage = match claim.as_approved() {
            Err(review) if self.without != Without::ApprovedDigest => Stage::Settling(review),
            Ok(()) | Err(_) if claim.looks_up_first() => Stage::BeforeLookUp,
            Ok(()) | Err(_) => Stage::BeforeSend,
        };
        world.workers[worker] = Some(Holding {
            claim,
            asked_at: world.tick,
            stage,
            looked_at_clock: world.tick,
        });
        Some(())
    }

    /// A worker claims the payout only to hand it to the other provider, since its own is away.
    pub(crate) fn claim_to_move(&self, world: &mut World, worker: usize) -> Option<()> {
        let unsent_only = self.without != Without::UnsentOnly;
        if unsent_only && world.payout.parts().first_submitted_at.is_some() {
            return None;
        }
        self.claim(world, worker)?;
        let holding = world.workers[worker].as_mut()?;
        if unsent_only && !holding.claim.is_provably_unsent() {
            return None;
        }
        let verdict = self.moved_on(&holding.claim, build::released(Duration::ZERO));
        holding.stage = Stage::Settling(verdict);
        Some(())
    }

    fn settle(&self, world: &mut World, claim: Claim, verdict: Verdict) {
        let mut settlement = claim.settle(verdict);
        if self.without == Without::FollowedRoute {
            settlement.approved = None;
        }
        if self.without == Without::Fence {
            settlement.fence = world.payout.fence();
        }
        if let SettlementOutcome::Written(after) = world.payout.clone().settle(&settlement, at(world.tick)) {
            world.payout = after;
        }
    }

    /// Begins a new generation, if the row is still as this claim has written it.
    fn renew(&self, world: &mut World, claim: Claim, after: Duration, waiting_for: WaitReason) {
        // The row changes with each claim, as its version does.
        let is_current = without_history(claim.payout()) == world.payout;
        if !is_current && self.without != Without::Version {
            return;
        }
        let after = if self.without == Without::SpentWait {
            Duration::ZERO
        } else {
            after
        };
        let change = claim.renew("", after, waiting_for, &Actor::new("worker"));
        world.payout = change.made_at(at(world.tick));
        world.doubt = false;
    }

    /// Makes a worker's next step, once the worker goes on.
    pub(crate) fn go(&self, world: &mut World, worker: usize) -> Option<()> {
        let mut holding = world.workers[worker].clone()?;
        match holding.stage.clone() {
            Stage::BeforeLookUp | Stage::BeforeSend if !self.may_look_at_clock(world, &holding) => {
                world.workers[worker] = None;
                return Some(());
            }
            Stage::BeforeLookUp => {
                holding.stage = Stage::LookingUp;
                holding.looked_at_clock = world.tick;
            }
            // A provider that has forgotten its keys finds none of them.
            Stage::LookingUp if world.forgotten => return None,
            Stage::LookingUp => {
                let (provider, key) = self.place(&holding.claim);
                holding.stage = match world.book[provider][key] {
                    Some(entry) => Stage::Settling(self.conclude(&holding.claim, Ok(answer(entry)))),
                    None => self.before_send(&holding.claim),
                };
            }
            Stage::BeforeSend => {
                holding.stage = Stage::Sending;
                holding.looked_at_clock = world.tick;
            }
            Stage::Sending => {
                // A second request under one key has no further effect.
                let place = self.place(&holding.claim);
                world.sent_unapproved |=
                    self.approvals && !world.agreed.contains(&payment_of(holding.claim.payout()));
                if !world.under_way.contains(&place) {
                    world.under_way.push(place);
                    world.under_way.sort_unstable();
                }
                holding.stage = Stage::Waiting;
            }
            Stage::Waiting => return None,
            Stage::Settling(verdict) => {
                world.workers[worker] = None;
                match verdict {
                    Verdict::KeySpent {
                        after, waiting_for, ..
                    } => {
                        self.renew(world, holding.claim, after, waiting_for);
                    }
                    verdict => self.settle(world, holding.claim, verdict),
                }
                return Some(());
            }
        }
        world.workers[worker] = Some(holding);
        Some(())
    }

    fn before_send(&self, claim: &Claim) -> Stage {
        match claim.may_send(&self.policy()) {
            Ok(()) => Stage::BeforeSend,
            Err(review) => Stage::Settling(review),
        }
    }

    /// A look-up ends with the answer that the provider cannot tell.
    pub(crate) fn cannot_tell(&self, world: &mut World, worker: usize) -> Option<()> {
        let holding = world.workers[worker].as_mut()?;
        // A retry may have been lost with a store that was restored: of its key, too, an answer is needed.
        world.doubt |= holding.claim.payout().generation() > 0;
        let review = match self.without {
            Without::CannotTell => None,
            _ => holding.claim.conclude_unknown("", &self.policy()),
        };
        holding.stage = match review {
            Some(review) => Stage::Settling(review),
            None => self.before_send(&holding.claim),
        };
        Some(())
    }

    pub(crate) fn hear(
        &self,
        world: &mut World,
        worker: usize,
        said: Result<ProviderAnswer, ProcessorError>,
    ) -> Option<()> {
        let holding = world.workers[worker].as_mut()?;
        let verdict = self.conclude(&holding.claim, said);
        holding.stage = Stage::Settling(verdict);
        Some(())
    }

    /// The answer to a submission arrives.
    pub(crate) fn answered(&self, world: &mut World, worker: usize) -> Option<()> {
        let (provider, key) = self.place(&world.workers[worker].as_ref()?.claim);
        let entry = world.book[provider][key]?;
        self.hear(world, worker, Ok(answer(entry)))
    }

    /// A call ends without an answer: a submission, or a look-up after which nothing was sent.
    pub(crate) fn silence(&self, world: &mut World, worker: usize) -> Option<()> {
        let holding = world.workers[worker].as_mut()?;
        if holding.stage == Stage::LookingUp {
            let verdict = holding
                .claim
                .conclude_look_up(&silence(), &self.policy(), &randomness());
            holding.stage = Stage::Settling(verdict);
            return Some(());
        }
        world.doubt = true;
        self.hear(world, worker, Err(silence()))
    }
}
