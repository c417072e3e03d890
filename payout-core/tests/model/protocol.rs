//! The protocol as the checker explores it: every step that may come next, and the properties that hold in every state.

use payout_core::contract::build;
use payout_core::payout::{NewPayout, Payout, Status};
use payout_core::provider::ProcessorError;
use stateright::{Model, Property};

use crate::world::{
    Bounds, Entry, Holding, Stage, WORKERS, World, at, creator, overloaded, place_of, provider,
    without_history,
};

pub(crate) const LEASE_TICKS: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// A worker's settlement applies to the row's current claim, even when another worker made it.
    Fence,
    /// Every claim has a provider key of its own.
    OneKey,
    /// A missing answer is treated as a decline.
    Doubt,
    /// A payout that an overloaded gateway may have passed on is released.
    PassedOn,
    /// A refused connection releases a payout even when an earlier claim may have sent it.
    EarlierClaims,
    /// A retry does not wait for workers that may be paused.
    Wait,
    /// A worker may call after its lease has expired.
    Deadline,
    /// A payout moves to another provider although its outcome at the first is unknown.
    DoubtBeforeFailover,
    /// A payout of a provider that is away moves although something may have been sent.
    UnsentOnly,
    /// A new generation after a spent key is written although the worker has lost its claim.
    Version,
    /// A new generation after a spent key does not wait for workers that may be paused.
    SpentWait,
    /// A look-up that cannot tell is treated as *absent*.
    CannotTell,
    /// A recheck applies to any generation that is completed when it is written.
    RecheckGeneration,
    /// A payout that requires approval is stored as pending.
    Hold,
    /// A claimed payout is not compared with what was approved.
    ApprovedDigest,
    /// An edit leaves the approvals as they are.
    VoidedByEdit,
    /// A retry leaves the approvals as they are.
    VoidedByRetry,
    /// The person who asked for the payout may approve it.
    FourEyes,
    /// An approval stays bound to the provider for which it was given.
    FollowedRoute,
}

pub(crate) struct Protocol {
    pub(crate) without: Without,
    /// No worker is paused between its last look at the clock and its call for longer than a call may take, and no
    /// request is in flight for longer.
    pub(crate) prompt: bool,
    pub(crate) last_tick: u8,
    pub(crate) most_claims: u64,
    pub(crate) bounds: Bounds,
    /// There are two providers, and unsent payouts move between them.
    pub(crate) fails_over: bool,
    /// Look-ups may end with the answer that the provider cannot tell.
    pub(crate) may_not_tell: bool,
    pub(crate) repeat_is_safe: bool,
    /// The payout requires the approval of another person.
    pub(crate) approvals: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Tick,
    Claim(usize),
    ClaimToMove(usize),
    Go(usize),
    Crash(usize),
    SendFails(usize),
    Silence(usize),
    Overloaded(usize),
    CannotTell(usize),
    Answered(usize),
    Arrives { request: usize, entry: Entry },
    Forget,
    ComesBack { provider: usize, key: usize },
    LookForReturn,
    WriteRecheck,
    MarkReturned,
    Cancel,
    Retry,
    Resolve,
    Approve(Somebody),
    Reject,
    Edit,
    Alter,
}

/// A person who may approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Somebody {
    /// The person who created the payout and edits it.
    Creator,
    /// Another person.
    Other,
}

impl Protocol {
    fn act(&self, world: &mut World, act: Act) -> Option<()> {
        match act {
            Act::Tick => {
                world.tick += 1;
                Some(())
            }
            Act::Claim(worker) => self.claim(world, worker),
            Act::ClaimToMove(worker) => self.claim_to_move(world, worker),
            Act::Go(worker) => self.go(world, worker),
            Act::Crash(worker) => {
                world.workers[worker] = None;
                world.left.crashes -= 1;
                Some(())
            }
            Act::SendFails(worker) => {
                let refused = ProcessorError::NeverSent { why: String::new() };
                self.hear(world, worker, Err(refused))
            }
            Act::Silence(worker) => self.silence(world, worker),
            Act::Overloaded(worker) => self.hear(world, worker, Err(overloaded())),
            Act::CannotTell(worker) => self.cannot_tell(world, worker),
            Act::Answered(worker) => self.answered(world, worker),
            Act::Arrives { request, entry } => self.arrives(world, request, entry),
            Act::Forget => self.forget(world),
            Act::ComesBack { provider, key } => self.comes_back(world, (provider, key)),
            Act::LookForReturn => self.look_for_return(world),
            Act::WriteRecheck => self.write_recheck(world),
            Act::MarkReturned => self.mark_returned(world),
            Act::Cancel => self.cancel(world),
            Act::Retry => self.retry(world),
            Act::Resolve => self.resolve(world),
            Act::Approve(somebody) => self.approve(world, somebody),
            Act::Reject => self.reject(world),
            Act::Edit => self.edit(world),
            Act::Alter => self.alter(world),
        }
    }

    fn acts_of(&self, world: &World, worker: usize, holding: Option<&Holding>, acts: &mut Vec<Act>) {
        let Some(holding) = holding else {
            // An overloaded provider's answer uses up no attempt: without a bound, it could repeat forever.
            if world.payout.fence() < self.most_claims {
                acts.push(Act::Claim(worker));
                if self.fails_over {
                    acts.push(Act::ClaimToMove(worker));
                }
            }
            return;
        };
        acts.push(Act::Go(worker));
        if world.left.crashes > 0 {
            acts.push(Act::Crash(worker));
        }
        match holding.stage {
            Stage::Sending => acts.push(Act::SendFails(worker)),
            Stage::LookingUp => {
                acts.push(Act::Silence(worker));
                if self.may_not_tell || world.forgotten {
                    acts.push(Act::CannotTell(worker));
                }
            }
            Stage::Waiting => acts.extend([
                Act::Silence(worker),
                Act::Overloaded(worker),
                Act::Answered(worker),
            ]),
            Stage::BeforeLookUp | Stage::BeforeSend | Stage::Settling(_) => (),
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let required = u8::from(self.approvals && self.without != Without::Hold);
        let new = NewPayout {
            provider: Some(provider(0)),
            ..if self.approvals {
                build::held(required, &creator())
            } else {
                build::new_payout()
            }
        };
        vec![World {
            tick: 0,
            payout: new.stored_at(at(0)),
            workers: [const { None }; WORKERS],
            under_way: Vec::new(),
            book: [[None; 6]; 2],
            recheck: None,
            left: self.bounds,
            doubt: false,
            claimed_generation: 0,
            stale_request: false,
            reopened: false,
            forgotten: false,
            paid_again: false,
            agreed: Vec::new(),
            sent_unapproved: false,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        let asleep_too_long = |holding: &Holding| {
            matches!(holding.stage, Stage::LookingUp | Stage::Sending) && world.tick > holding.looked_at_clock
        };
        let late = !world.under_way.is_empty() || world.workers.iter().flatten().any(asleep_too_long);
        if world.tick < self.last_tick && !(self.prompt && late) {
            acts.push(Act::Tick);
        }
        for (worker, holding) in world.workers.iter().enumerate() {
            self.acts_of(world, worker, holding.as_ref(), acts);
        }
        for request in 0..world.under_way.len() {
            let mut entries = vec![Entry::Paid, Entry::Declined];
            if world.left.spends > 0 {
                entries.push(Entry::Spent);
            }
            let arrivals = entries.into_iter();
            acts.extend(arrivals.map(|entry| Act::Arrives { request, entry }));
        }
        if world.left.returns > 0 {
            let places = (0..2).flat_map(|provider| (0..6).map(move |key| (provider, key)));
            let paid = places.filter(|(provider, key)| world.book[*provider][*key] == Some(Entry::Paid));
            acts.extend(paid.map(|(provider, key)| Act::ComesBack { provider, key }));
        }
        if self.bounds.returns > 0 {
            acts.extend([Act::LookForReturn, Act::WriteRecheck, Act::MarkReturned]);
        }
        if world.left.forgets > 0 {
            acts.push(Act::Forget);
        }
        acts.extend([Act::Cancel, Act::Resolve]);
        if self.approvals {
            acts.extend([
                Act::Approve(Somebody::Creator),
                Act::Approve(Somebody::Other),
                Act::Reject,
            ]);
        }
        if world.left.edits > 0 {
            acts.push(Act::Edit);
        }
        if world.left.alterations > 0 {
            acts.push(Act::Alter);
        }
        if world.left.retries > 0 {
            acts.push(Act::Retry);
        }
    }

    fn next_state(&self, before: &World, act: Act) -> Option<World> {
        let mut world = before.clone();
        self.act(&mut world, act)?;
        world.reopened |= act != Act::Retry && is_final(before) && !is_final(&world);
        world.payout = without_history(&world.payout);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = safety();
        properties.extend(reachable());
        properties
    }
}

/// The properties that hold in every state.
fn safety() -> Vec<Property<Protocol>> {
    vec![
        Property::always(
            "of all generations at most one is paid and not returned",
            |_, world: &World| world.payments() <= 1,
        ),
        Property::always("what is completed was paid", |_, world: &World| {
            let generation = world.payout.generation() as usize;
            let entry = world.book[place_of(&world.payout)][generation];
            world.payout.status() != Status::Completed || matches!(entry, Some(Entry::Paid | Entry::Returned))
        }),
        Property::always(
            "what is pending, failed, returned or cancelled is not paid",
            |_, world: &World| match world.payout.status() {
                Status::Processing | Status::Completed => true,
                Status::AwaitingApproval
                | Status::Pending
                | Status::Failed
                | Status::Returned
                | Status::Cancelled => world.payments() == 0,
            },
        ),
        Property::always("a final state changes only by a retry", |_, world: &World| {
            !world.reopened
        }),
        Property::always("a row is always one that can be", |_, world: &World| {
            Payout::restore(world.payout.parts().clone()).is_ok()
        }),
        Property::always(
            "nothing old is sent once a new generation is claimed",
            |protocol: &Protocol, world: &World| !(protocol.prompt && world.stale_request),
        ),
        Property::always(
            "nobody reviews what was provably never sent",
            |protocol: &Protocol, world: &World| {
                let is_altered = world.left.alterations < protocol.bounds.alterations;
                !world.payout.needs_review() || world.doubt || is_altered
            },
        ),
        Property::always(
            "nothing is sent but what another person has approved as it is",
            |_, world: &World| !world.sent_unapproved,
        ),
    ]
}

/// The states that show that the model explores what it should.
fn reachable() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(
            "paid in spite of crashes",
            |protocol: &Protocol, world: &World| {
                is_completed(world)
                    && (world.left.crashes < protocol.bounds.crashes || protocol.bounds.crashes == 0)
            },
        ),
        Property::sometimes(
            "paid in a later generation",
            |protocol: &Protocol, world: &World| {
                let bounds = protocol.bounds;
                is_completed(world) && (world.payout.generation() > 0 || bounds.retries + bounds.spends == 0)
            },
        ),
        Property::sometimes(
            "paid by the other provider",
            |protocol: &Protocol, world: &World| {
                is_completed(world) && (place_of(&world.payout) == 1 || !protocol.fails_over)
            },
        ),
        Property::sometimes(
            "paid again after a return",
            |protocol: &Protocol, world: &World| {
                let returned = world
                    .book
                    .iter()
                    .flatten()
                    .any(|entry| *entry == Some(Entry::Returned));
                is_completed(world) && (protocol.bounds.returns == 0 || (returned && world.payments() == 1))
            },
        ),
        // Three claims without an answer lead to a review.
        Property::sometimes("under review", |protocol: &Protocol, world: &World| {
            world.payout.needs_review() || protocol.most_claims < 3
        }),
        Property::sometimes("approved and paid", |protocol: &Protocol, world: &World| {
            is_completed(world) && (!protocol.approvals || !world.agreed.is_empty())
        }),
    ]
}

fn is_final(world: &World) -> bool {
    match world.payout.status() {
        Status::AwaitingApproval | Status::Pending | Status::Processing => false,
        Status::Completed | Status::Failed | Status::Returned | Status::Cancelled => true,
    }
}

fn is_completed(world: &World) -> bool {
    world.payout.status() == Status::Completed
}
