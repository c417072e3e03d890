//! An exhaustive model: two workers, an operator, a provider and a clock, in every possible order.
//!
//! The steps are those of the domain itself (`Payout::claim`, `Claim::conclude`, `Payout::settle`, …). The model adds
//! what happens between them: workers that pause for any time at any point, requests that arrive late, answers that are
//! lost, workers that crash. The checker visits every reachable state.
//!
//! Each guard is shown to be needed by a model without it, in which the checker must find a double payment or a false
//! final state.

#![expect(clippy::unwrap_used, reason = "the helpers of a test")]

use std::time::Duration;

use payout_core::Timestamp;
use payout_core::attempt::Policy;
use payout_core::attempt::{Claim, SettlementOutcome, Verdict};
use payout_core::contract::build;
use payout_core::payout::{Failure, Payout, Resolution, Status};
use payout_core::ports::MockRandomness;
use payout_core::provider::{ProcessorError, ProviderAnswer};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

/// The length of a tick: a call's timeout.
const TICK: Duration = Duration::from_secs(1);
const LEASE_TICKS: u8 = 3;
const WORKERS: usize = 2;
const MOST_CLAIMS: u64 = 4;
const GENERATIONS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
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
}

struct Protocol {
    without: Without,
    /// No worker is paused between its last look at the clock and its call for longer than a call may take, and no
    /// request is in flight for longer.
    prompt: bool,
    last_tick: u8,
    crashes: u8,
    retries: u8,
}

/// The provider's final outcome for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Paid,
    Declined,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    /// The worker is about to check the clock and then to look the key up.
    BeforeLookUp,
    LookingUp,
    /// The worker is about to check the clock and then to send.
    BeforeSend,
    Sending,
    /// The worker has sent the request and waits for the answer.
    Waiting,
    Settling(Verdict),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Holding {
    claim: Claim,
    asked_at: u8,
    stage: Stage,
    looked_at_clock: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    tick: u8,
    payout: Payout,
    workers: [Option<Holding>; WORKERS],
    /// Requests in flight, by key; each may arrive at any time.
    under_way: Vec<usize>,
    /// The provider's ledger, by key.
    book: [Option<Entry>; 6],
    crashes: u8,
    retries: u8,
    /// A request of this generation may have been sent, and its outcome is unknown.
    doubt: bool,
    /// A request of an old generation reached the provider after a new generation had begun.
    stale_request: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Tick,
    Claim(usize),
    Go(usize),
    Crash(usize),
    SendFails(usize),
    Silence(usize),
    Overloaded(usize),
    Answered(usize),
    Arrives { request: usize, paid: bool },
    Cancel,
    Retry,
    Resolve,
}

fn at(tick: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + TICK * u32::from(tick)
}

fn policy() -> Policy {
    // There is no pause between attempts, and the payout needs review after the third.
    Policy {
        backoff_base: Duration::ZERO,
        backoff_cap: Duration::ZERO,
        max_attempts: 3,
        ..Policy::default()
    }
}

fn conclude(claim: &Claim, said: Result<ProviderAnswer, ProcessorError>) -> Verdict {
    let mut randomness = MockRandomness::new();
    randomness.expect_next_u64().return_const(0_u64);
    claim.conclude(said, &policy(), &randomness)
}

fn answer(entry: Entry) -> ProviderAnswer {
    match entry {
        Entry::Paid => ProviderAnswer::Paid {
            reference: build::reference("ref"),
        },
        Entry::Declined => ProviderAnswer::Declined(Failure::new("declined", "No.")),
    }
}

fn payments(world: &World) -> usize {
    world
        .book
        .iter()
        .filter(|entry| **entry == Some(Entry::Paid))
        .count()
}

fn silence() -> ProcessorError {
    ProcessorError::Unknown {
        why: String::new(),
        retry_after: None,
    }
}

fn overloaded() -> ProcessorError {
    ProcessorError::Overloaded {
        why: String::new(),
        retry_after: Duration::ZERO,
    }
}

/// Returns the row without the fields that only grow, so that worlds that differ in nothing else are equal.
fn without_history(payout: &Payout) -> Payout {
    let mut parts = payout.parts().clone();
    parts.version = 1;
    parts.updated_at = at(0);
    Payout::restore(parts).unwrap()
}

impl Protocol {
    fn key(&self, claim: &Claim) -> usize {
        let payout = claim.payout();
        if self.without == Without::OneKey {
            payout.fence() as usize % 6
        } else {
            payout.generation() as usize
        }
    }

    fn may_look_at_clock(&self, world: &World, holding: &Holding) -> bool {
        self.without == Without::Deadline || world.tick < holding.asked_at + LEASE_TICKS
    }

    fn conclude(&self, claim: &Claim, said: Result<ProviderAnswer, ProcessorError>) -> Verdict {
        match (self.without, &said) {
            (Without::Doubt, Err(_)) => build::failed(),
            (Without::EarlierClaims, Err(ProcessorError::NeverSent { .. })) => {
                build::released(Duration::ZERO)
            }
            (Without::PassedOn, Err(ProcessorError::Overloaded { .. })) => build::released(Duration::ZERO),
            _ => conclude(claim, said),
        }
    }

    fn settle(&self, world: &mut World, claim: Claim, verdict: Verdict) {
        let mut settlement = claim.settle(verdict);
        if self.without == Without::Fence {
            settlement.fence = world.payout.fence();
        }
        if let SettlementOutcome::Written(after) = world.payout.clone().settle(&settlement, at(world.tick)) {
            world.payout = after;
        }
    }

    /// Makes a worker's next step, once the worker goes on.
    fn go(&self, world: &mut World, worker: usize) -> Option<()> {
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
            Stage::LookingUp => {
                holding.stage = match world.book[self.key(&holding.claim)] {
                    Some(entry) => Stage::Settling(self.conclude(&holding.claim, Ok(answer(entry)))),
                    None => match holding.claim.may_send(&policy()) {
                        Ok(()) => Stage::BeforeSend,
                        Err(review) => Stage::Settling(review),
                    },
                };
            }
            Stage::BeforeSend => {
                holding.stage = Stage::Sending;
                holding.looked_at_clock = world.tick;
            }
            Stage::Sending => {
                // A second request under one key has no further effect.
                let key = self.key(&holding.claim);
                if !world.under_way.contains(&key) {
                    world.under_way.push(key);
                    world.under_way.sort_unstable();
                }
                holding.stage = Stage::Waiting;
            }
            Stage::Waiting => return None,
            Stage::Settling(verdict) => {
                self.settle(world, holding.claim, verdict);
                world.workers[worker] = None;
                return Some(());
            }
        }
        world.workers[worker] = Some(holding);
        Some(())
    }

    fn hear(
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

    /// A call ends without an answer: a submission, or a look-up after which nothing was sent.
    fn silence(&self, world: &mut World, worker: usize) -> Option<()> {
        let holding = world.workers[worker].as_mut()?;
        if holding.stage == Stage::LookingUp {
            let (mut randomness, error) = (MockRandomness::new(), silence());
            randomness.expect_next_u64().return_const(0_u64);
            let verdict = holding.claim.conclude_look_up(&error, &policy(), &randomness);
            holding.stage = Stage::Settling(verdict);
            return Some(());
        }
        world.doubt = true;
        self.hear(world, worker, Err(silence()))
    }

    fn retry(&self, world: &mut World) -> Option<()> {
        let now = if self.without == Without::Wait {
            at(u8::MAX)
        } else {
            at(world.tick)
        };
        let change = world.payout.clone().retry(now, build::client()).ok()?;
        world.payout = change.made_at(at(world.tick));
        world.doubt = false;
        world.retries -= 1;
        Some(())
    }

    /// The operator asks the provider, closes the key there, and resolves the payout with the outcome.
    fn resolve(&self, world: &mut World) -> Option<()> {
        let key = world.payout.generation() as usize;
        let resolution = match *world.book[key].get_or_insert(Entry::Declined) {
            Entry::Paid => Resolution::Completed,
            Entry::Declined => Resolution::Failed,
        };
        world.payout = world
            .payout
            .clone()
            .resolve(resolution, build::client())
            .ok()?
            .made_at(at(world.tick));
        Some(())
    }

    fn act(&self, world: &mut World, act: Act) -> Option<()> {
        match act {
            Act::Tick => world.tick += 1,
            Act::Claim(worker) => {
                let lease = TICK * u32::from(LEASE_TICKS);
                world.doubt |= world.payout.status() == Status::Processing;
                let claim = world
                    .payout
                    .clone()
                    .claim(at(world.tick), lease, lease + TICK)
                    .ok()?;
                world.payout = claim.payout().clone();
                let looks_up = claim.looks_up_first();
                let stage = if looks_up {
                    Stage::BeforeLookUp
                } else {
                    Stage::BeforeSend
                };
                world.workers[worker] = Some(Holding {
                    claim,
                    asked_at: world.tick,
                    stage,
                    looked_at_clock: world.tick,
                });
            }
            Act::Go(worker) => self.go(world, worker)?,
            Act::Crash(worker) => {
                world.workers[worker] = None;
                world.crashes -= 1;
            }
            Act::SendFails(worker) => {
                self.hear(
                    world,
                    worker,
                    Err(ProcessorError::NeverSent { why: String::new() }),
                )?;
            }
            Act::Silence(worker) => self.silence(world, worker)?,
            Act::Overloaded(worker) => self.hear(world, worker, Err(overloaded()))?,
            Act::Answered(worker) => {
                let entry = world.book[self.key(&world.workers[worker].as_ref()?.claim)]?;
                self.hear(world, worker, Ok(answer(entry)))?;
            }
            Act::Arrives { request, paid } => {
                let key = world.under_way.remove(request);
                world.stale_request |= key < world.payout.generation() as usize;
                let new = if paid { Entry::Paid } else { Entry::Declined };
                if *world.book[key].get_or_insert(new) != new {
                    // The key was decided earlier, so both outcomes lead to the same state.
                    return None;
                }
            }
            Act::Cancel => {
                world.payout = world
                    .payout
                    .clone()
                    .cancel(build::client())
                    .ok()?
                    .made_at(at(world.tick));
            }
            Act::Retry => self.retry(world)?,
            Act::Resolve => self.resolve(world)?,
        }
        Some(())
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            tick: 0,
            payout: build::new_payout().stored_at(at(0)),
            workers: [const { None }; WORKERS],
            under_way: Vec::new(),
            book: [None; 6],
            crashes: self.crashes,
            retries: self.retries,
            doubt: false,
            stale_request: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Act>) {
        let asleep_too_long = |holding: &Holding| {
            matches!(holding.stage, Stage::LookingUp | Stage::Sending) && world.tick > holding.looked_at_clock
        };
        let late = !world.under_way.is_empty() || world.workers.iter().flatten().any(asleep_too_long);
        if world.tick < self.last_tick && !(self.prompt && late) {
            actions.push(Act::Tick);
        }
        for (index, worker) in world.workers.iter().enumerate() {
            match worker {
                // An overloaded provider's answer uses up no attempt: without a bound, it could repeat forever.
                None if world.payout.fence() < MOST_CLAIMS => actions.push(Act::Claim(index)),
                None => (),
                Some(holding) => {
                    actions.push(Act::Go(index));
                    if world.crashes > 0 {
                        actions.push(Act::Crash(index));
                    }
                    match holding.stage {
                        Stage::Sending => actions.push(Act::SendFails(index)),
                        Stage::LookingUp => actions.push(Act::Silence(index)),
                        Stage::Waiting => actions.extend([
                            Act::Silence(index),
                            Act::Overloaded(index),
                            Act::Answered(index),
                        ]),
                        Stage::BeforeLookUp | Stage::BeforeSend | Stage::Settling(_) => (),
                    }
                }
            }
        }
        for request in 0..world.under_way.len() {
            actions.extend([
                Act::Arrives { request, paid: true },
                Act::Arrives { request, paid: false },
            ]);
        }
        actions.extend([Act::Cancel, Act::Resolve]);
        if world.retries > 0 {
            actions.push(Act::Retry);
        }
    }

    fn next_state(&self, before: &World, act: Act) -> Option<World> {
        let mut world = before.clone();
        self.act(&mut world, act)?;
        world.payout = without_history(&world.payout);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a payout is paid at most once", |_, world: &World| {
                payments(world) <= 1
            }),
            Property::always("what is completed was paid", |_, world: &World| {
                world.payout.status() != Status::Completed || payments(world) == 1
            }),
            Property::always("what is failed or cancelled was not paid", |_, world: &World| {
                !matches!(world.payout.status(), Status::Failed | Status::Cancelled) || payments(world) == 0
            }),
            Property::always("a row is always one that can be", |_, world: &World| {
                Payout::restore(world.payout.parts().clone()).is_ok()
            }),
            Property::always(
                "nothing old is sent once a retry has begun",
                |protocol: &Self, world: &World| !(protocol.prompt && world.stale_request),
            ),
            Property::always(
                "nobody reviews what was provably never sent",
                |_, world: &World| !world.payout.needs_review() || world.doubt,
            ),
            Property::sometimes("paid in spite of crashes", |protocol: &Self, world: &World| {
                world.payout.status() == Status::Completed && world.crashes < protocol.crashes
            }),
            Property::sometimes("paid in the second generation", |_, world: &World| {
                world.payout.status() == Status::Completed
                    && world.payout.generation() as usize + 1 == GENERATIONS
            }),
            Property::sometimes("under review", |_, world: &World| world.payout.needs_review()),
        ]
    }
}

fn whole() -> Protocol {
    Protocol {
        without: Without::Nothing,
        prompt: false,
        last_tick: 4,
        crashes: 2,
        retries: 1,
    }
}

fn is_refuted(protocol: Protocol) -> bool {
    let checker = protocol
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    checker.model().properties().iter().any(|property| {
        property.expectation == Expectation::Always && checker.discovery(property.name).is_some()
    })
}

#[test]
fn the_protocol_holds_in_every_order_of_two_workers_a_person_and_two_crashes() {
    let checker = whole().checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{} states, {} of them unique",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker.assert_properties();
}

#[test]
fn with_workers_that_wake_in_time_nothing_of_an_old_generation_is_sent_after_a_retry() {
    assert!(!is_refuted(prompt(Without::Nothing)));
}

#[test]
fn without_any_one_guard_the_checker_finds_how_money_is_lost() {
    for without in [
        Without::Fence,
        Without::OneKey,
        Without::Doubt,
        Without::EarlierClaims,
        Without::PassedOn,
    ] {
        assert!(
            is_refuted(Protocol { without, ..whole() }),
            "{without:?} is not needed"
        );
    }
}

#[test]
fn without_the_wait_or_the_deadline_a_sleeper_sends_the_old_generation_after_a_retry() {
    for without in [Without::Wait, Without::Deadline] {
        assert!(is_refuted(prompt(without)), "{without:?} is not needed");
    }
}

fn prompt(without: Without) -> Protocol {
    Protocol {
        without,
        prompt: true,
        crashes: 0,
        last_tick: 6,
        ..whole()
    }
}
