//! One run: servers, workers, clients, operators and faults; then a quiet period; then the checks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::attempt::Policy;
use payout_core::contract::drive;
use payout_core::payout::{Actor, Event, EventKind, PayoutId, Status};
use payout_core::ports::PayoutRepository;
use payout_core::usecase::Payouts;
use payout_core::worker::{Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::clients::{Known, Servers, client, operator};
use crate::faults::{Faults, FaultyProcessor, FaultyQueue, FaultyRepository};
use crate::process::Process;
use crate::provider::{Entry, Provider, ResponseMode};

const LEASE: Duration = Duration::from_secs(6);
const STORM: Duration = Duration::from_secs(40);
const SERVERS: usize = 2;
const WORKERS: usize = 3;
const CLIENTS: u64 = 12;

/// Counts of one run, or of several.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) payouts: u64,
    pub(crate) payments: u64,
    pub(crate) declines: u64,
    pub(crate) calls: u64,
    pub(crate) duplicates_prevented: u64,
    pub(crate) late_outcomes: u64,
    pub(crate) retries: u64,
    pub(crate) reviews: u64,
    pub(crate) cancellations: u64,
    pub(crate) kills: u64,
    pub(crate) freezes: u64,
    pub(crate) zombie_calls: u64,
    pub(crate) events: u64,
    /// Calls that an unreachable, throttling or overloaded provider refused for now.
    pub(crate) put_off: u64,
    /// Reviews of payouts whose outcome was never unknown; must stay zero.
    pub(crate) reviews_without_doubt: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.payouts += other.payouts;
        self.payments += other.payments;
        self.declines += other.declines;
        self.calls += other.calls;
        self.duplicates_prevented += other.duplicates_prevented;
        self.late_outcomes += other.late_outcomes;
        self.retries += other.retries;
        self.reviews += other.reviews;
        self.cancellations += other.cancellations;
        self.kills += other.kills;
        self.freezes += other.freezes;
        self.zombie_calls += other.zombie_calls;
        self.events += other.events;
        self.put_off += other.put_off;
        self.reviews_without_doubt += other.reviews_without_doubt;
    }
}

struct Scenario {
    chance: Chance,
    store: Arc<MemoryRepository>,
    queue: Arc<MemoryQueue>,
    provider: Provider,
    faults: Faults,
    report: Report,
}

/// Runs one seed. The error lists the violated invariants.
pub(crate) fn simulate(seed: u64) -> Result<Report, Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let chance = Chance::new(seed);
        let mut scenario = Scenario {
            store: Arc::new(MemoryRepository::new(Arc::new(chance.clone()))),
            queue: Arc::new(MemoryQueue::new(64)),
            provider: Provider::new(chance.clone()),
            faults: Faults::new(chance.clone()),
            report: Report::default(),
            chance,
        };
        let known = scenario.storm().await;
        scenario.judge(&known).await
    })
}

impl Scenario {
    fn repository(&self, process: &Process) -> Arc<FaultyRepository> {
        Arc::new(FaultyRepository {
            store: self.store.clone(),
            faults: self.faults.clone(),
            process: process.clone(),
        })
    }

    fn queue(&self, process: &Process) -> Arc<FaultyQueue> {
        Arc::new(FaultyQueue {
            queue: self.queue.clone(),
            faults: self.faults.clone(),
            process: process.clone(),
        })
    }

    fn start_server(&self) -> (Process, Payouts) {
        let process = Process::start();
        let environment = Arc::new(self.chance.clone());
        let payouts = Payouts::start(self.repository(&process), self.queue(&process), environment);
        (process, payouts)
    }

    fn start_worker(&self, number: usize) -> Process {
        let process = Process::start();
        let processor = Arc::new(FaultyProcessor {
            provider: self.provider.clone(),
            faults: self.faults.clone(),
            process: process.clone(),
        });
        let settings = WorkerSettings {
            name: Actor::new(&format!("worker-{number}")),
            concurrency: 4,
            lease: LEASE,
            call_timeout: LEASE / 3,
            policy: Policy {
                backoff_base: Duration::from_millis(200),
                backoff_cap: Duration::from_secs(3),
                max_attempts: 5,
                key_window: Duration::from_secs(60),
            },
            ..WorkerSettings::default()
        };
        let environment = Arc::new(self.chance.clone());
        let worker = Worker::new(
            self.repository(&process),
            self.queue(&process),
            processor,
            environment,
            settings,
        );
        tokio::spawn(worker.run(CancellationToken::new()));
        process
    }

    /// Runs the system with faults for a while, then without faults for long enough to finish its work.
    async fn storm(&mut self) -> Known {
        let (servers, known) = (Servers::default(), Known::default());
        let mut server_processes = Vec::new();
        for _ in 0..SERVERS {
            let (process, payouts) = self.start_server();
            server_processes.push(process);
            servers.0.lock().unwrap().push(payouts);
        }
        let mut workers: Vec<Process> = (0..WORKERS).map(|number| self.start_worker(number)).collect();
        for number in 0..CLIENTS {
            tokio::spawn(client(
                number,
                servers.clone(),
                known.clone(),
                self.chance.clone(),
            ));
        }
        let operating = tokio::spawn(operator(
            servers.clone(),
            known.clone(),
            self.provider.clone(),
            self.chance.clone(),
        ));

        let storm_ends = STORM.as_millis() as u64;
        let mut elapsed_ms = 0;
        while elapsed_ms < storm_ends {
            let pause = self.chance.up_to(Duration::from_secs(3));
            tokio::time::sleep(pause).await;
            elapsed_ms += pause.as_millis() as u64;
            match self.chance.below(6) {
                0 => {
                    let victim = self.chance.below(WORKERS as u64) as usize;
                    workers[victim].kill();
                    workers[victim] = self.start_worker(victim);
                    self.report.kills += 1;
                }
                1 => {
                    let victim = self.chance.below(SERVERS as u64) as usize;
                    let (process, payouts) = self.start_server();
                    servers.0.lock().unwrap()[victim] = payouts;
                    std::mem::replace(&mut server_processes[victim], process).kill();
                    self.report.kills += 1;
                }
                2 => {
                    let victim = self.chance.below(WORKERS as u64) as usize;
                    workers[victim].freeze(self.chance.up_to(LEASE * 3));
                    self.report.freezes += 1;
                }
                3 | 4 => {
                    let modes = [
                        ResponseMode::Open,
                        ResponseMode::Away,
                        ResponseMode::Throttling,
                        ResponseMode::Overloaded,
                    ];
                    let mode = modes[self.chance.below(4) as usize];
                    self.provider.set_mode(mode);
                }
                _ => {
                    // A flush of the queue: every hint is lost.
                    let _ = payout_core::ports::JobQueue::receive(&*self.queue, 1_000, Duration::ZERO).await;
                }
            }
        }
        operating.abort();
        self.faults.stop();
        self.provider.behave();
        // A frozen worker may sleep for another 25 s. Then follow a lease, the backoff's cap, the calls and some polls.
        tokio::time::sleep(Duration::from_secs(25) + LEASE + Duration::from_secs(40)).await;
        known
    }

    async fn judge(mut self, known: &Known) -> Result<Report, Vec<String>> {
        let mut violations = std::mem::take(&mut self.provider.ledger.lock().unwrap().violations);
        let ids = known.ids();
        if ids.len() as u64 != CLIENTS {
            violations.push(format!("{} of {CLIENTS} creates were answered", ids.len()));
        }
        for id in &ids {
            self.judge_one(*id, &mut violations).await;
        }
        let ledger = self.provider.ledger.lock().unwrap();
        self.report.payouts = ids.len() as u64;
        self.report.payments = ledger.count(&Entry::Paid);
        self.report.declines = ledger.count(&Entry::Declined);
        self.report.calls = ledger.calls;
        self.report.put_off = ledger.put_off;
        self.report.duplicates_prevented = ledger.duplicates_prevented;
        self.report.late_outcomes = self.faults.late_outcomes.load(Ordering::SeqCst);
        self.report.zombie_calls = self.faults.zombie_calls.load(Ordering::SeqCst);
        drop(ledger);
        if violations.is_empty() {
            Ok(self.report)
        } else {
            Err(violations)
        }
    }

    async fn judge_one(&mut self, id: PayoutId, violations: &mut Vec<String>) {
        let payments = self.provider.ledger.lock().unwrap().payments(id);
        let mut report = |what: &str| violations.push(format!("{id}: {what}"));
        if payments > 1 {
            report("two generations were both paid");
        }
        let Some(payout) = self.store.find(id).await.unwrap() else {
            // Deleted, so it was never sent; its trail must be hidden too.
            if drive::has_trail(&*self.store, id).await {
                report("hidden, but its trail is not");
            }
            return;
        };
        match payout.status() {
            Status::Completed if payments == 0 => report("completed here and never paid"),
            Status::Failed | Status::Cancelled if payments > 0 => {
                report("paid, but failed or cancelled here")
            }
            Status::Pending => report("still pending"),
            Status::Processing if !payout.needs_review() => report("stuck in processing"),
            Status::Processing | Status::Completed | Status::Failed | Status::Cancelled => (),
        }
        let events = drive::trail(&*self.store, id).await;
        let count = |kind| events.iter().filter(|event| event.kind == kind).count() as u64;
        let evidence = count(EventKind::LateOutcome);
        if events.len() as u64 - evidence != payout.version() {
            report("the trail does not have one event for each version");
        }
        let without_doubt = reviews_without_doubt(&events);
        if without_doubt > 0 {
            report("a person was asked to review what was provably never sent");
        }
        self.report.reviews_without_doubt += without_doubt;
        self.report.events += events.len() as u64;
        self.report.retries += count(EventKind::Retried);
        self.report.reviews += count(EventKind::ReviewRequested);
        self.report.cancellations += count(EventKind::Cancelled);
    }
}

/// Counts the reviews of generations in which no outcome was ever unknown: every claim was settled, and no settlement
/// reports an answer that could not be relied on.
fn reviews_without_doubt(events: &[Event]) -> u64 {
    let reviews = events
        .iter()
        .filter(|event| event.kind == EventKind::ReviewRequested);
    let in_doubt = |review: &&Event| {
        let generation = || {
            events
                .iter()
                .filter(|event| event.generation == review.generation)
        };
        let is_settled = |fence| {
            generation().any(|event| {
                event.fence == fence && !matches!(event.kind, EventKind::Claimed | EventKind::LateOutcome)
            })
        };
        generation().any(|event| match event.kind {
            EventKind::Claimed => !is_settled(event.fence),
            EventKind::Postponed => event
                .detail
                .as_deref()
                .is_some_and(|why| why.contains("no answer to rely on") || why.contains("overloaded")),
            EventKind::ReviewRequested => event
                .detail
                .as_deref()
                .is_some_and(|why| why.contains("no answer to rely on")),
            EventKind::Accepted => true,
            EventKind::Created
            | EventKind::Imported
            | EventKind::Edited
            | EventKind::EditRefused
            | EventKind::Completed
            | EventKind::Failed
            | EventKind::Released
            | EventKind::Resolved
            | EventKind::Retried
            | EventKind::Cancelled
            | EventKind::Deleted
            | EventKind::LateOutcome => false,
        })
    };
    reviews.filter(|review| !in_doubt(review)).count() as u64
}
