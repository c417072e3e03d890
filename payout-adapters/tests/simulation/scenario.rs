//! One run: servers, workers, clients, operators and faults; then a quiet period; then the checks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::approval::{ApprovalPolicy, ApprovalRules};
use payout_core::attempt::Policy;
use payout_core::payout::{Actor, Caller, Payout, Status};
use payout_core::ports::{JobQueue, PayoutRepository, Processor, ProviderRepository};
use payout_core::provider::{Route, Routes};
use payout_core::usecase::Payouts;
use payout_core::usecase::providers::{KnownProvider, Providers};
use payout_core::worker::{Provider as Lane, ProviderSettings, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::clients::{Known, Server, Servers, approver, client, notifications, operator};
use crate::faults::{Faults, FaultyQueue, FaultyRepository};
use crate::judge::Judge;
use crate::ledger::{Entry, Ledger};
use crate::process::Process;
use crate::provider::{Provider, RETURNS, ResponseMode};
use crate::rails::FaultyProcessor;
use crate::report::Report;

const LEASE: Duration = Duration::from_secs(6);
const STORM: Duration = Duration::from_secs(40);
const SERVERS: usize = 2;
const WORKERS: usize = 3;
const CLIENTS: u64 = 12;

/// Payouts of 50 EUR need one approval, and of 500 EUR two.
fn approvals() -> ApprovalPolicy {
    let from = |amount: &str| Some(amount.parse().unwrap());
    let rules = ApprovalRules::default();
    let rules = rules.with("EUR".parse().unwrap(), from("50"), 1);
    let rules = rules.and_then(|rules| rules.with("EUR".parse().unwrap(), from("500"), 2));
    ApprovalPolicy {
        rules: rules.unwrap(),
        duplicates_within: None,
    }
}

struct Scenario {
    chance: Chance,
    store: Arc<MemoryRepository>,
    queue: Arc<MemoryQueue>,
    providers: Vec<Provider>,
    routes: Arc<Routes>,
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
        let ledger = Arc::<std::sync::Mutex<Ledger>>::default();
        let providers = ["a", "b"].map(|name| Provider::new(name, ledger.clone(), chance.clone()));
        let mut scenario = Scenario {
            store: Arc::new(MemoryRepository::new(Arc::new(chance.clone()))),
            queue: Arc::new(MemoryQueue::new(64)),
            routes: Arc::new(routes(&providers)),
            providers: providers.into(),
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

    fn processor(&self, provider: &Provider, process: &Process) -> Arc<dyn Processor> {
        Arc::new(FaultyProcessor {
            provider: provider.clone(),
            faults: self.faults.clone(),
            process: process.clone(),
        })
    }

    fn start_server(&self) -> (Process, Server) {
        let process = Process::start();
        let environment = Arc::new(self.chance.clone());
        let (repository, queue) = (self.repository(&process), self.queue(&process));
        let payouts = Payouts::start(repository.clone(), queue.clone(), environment)
            .approved_by(approvals())
            .routed_by(self.routes.clone());
        let known = self.providers.iter().map(|provider| KnownProvider {
            name: provider.name.clone(),
            kind: "simulated",
            processor: self.processor(provider, &process),
            adopts_unnamed: false,
        });
        let providers = Providers::new(known, repository.clone(), repository, queue);
        (process, Server { payouts, providers })
    }

    fn start_worker(&self, number: usize) -> Process {
        let process = Process::start();
        let lanes = self.providers.iter().map(|provider| {
            let processor = self.processor(provider, &process);
            Lane::new(Some(provider.name.clone()), processor).with(ProviderSettings {
                calls_per_second: Some(30),
                ..ProviderSettings::default()
            })
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
                ..Policy::default()
            },
            ..WorkerSettings::default()
        };
        let environment = Arc::new(self.chance.clone());
        let repository = self.repository(&process);
        let worker = Worker::with_providers(
            repository.clone(),
            self.queue(&process),
            lanes.collect(),
            environment,
            settings,
        )
        .rechecking(repository.clone())
        .following(repository)
        .routed_by(self.routes.clone());
        tokio::spawn(worker.run(CancellationToken::new()));
        process
    }

    /// Runs the system with faults for a while, then without faults for long enough to finish its work.
    async fn storm(&mut self) -> Known {
        let (servers, known) = (Servers::default(), Known::default());
        let mut server_processes = Vec::new();
        for _ in 0..SERVERS {
            let (process, server) = self.start_server();
            server_processes.push(process);
            servers.0.lock().unwrap().push(server);
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
            self.providers.clone(),
            self.chance.clone(),
        ));
        let notifying = tokio::spawn(notifications(
            servers.clone(),
            self.providers.clone(),
            self.chance.clone(),
        ));

        let approving = ["ada", "bob", "eve"].map(|name| {
            let approver = approver(name, servers.clone(), known.clone(), self.chance.clone());
            tokio::spawn(approver)
        });

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
                    let (process, server) = self.start_server();
                    servers.0.lock().unwrap()[victim] = server;
                    std::mem::replace(&mut server_processes[victim], process).kill();
                    self.report.kills += 1;
                }
                2 => {
                    let victim = self.chance.below(WORKERS as u64) as usize;
                    workers[victim].freeze(self.chance.up_to(LEASE * 3));
                    self.report.freezes += 1;
                }
                3 | 4 => {
                    let provider = &self.providers[self.chance.below(2) as usize];
                    provider.set_mode(
                        ResponseMode::ALL[self.chance.below(ResponseMode::ALL.len() as u64) as usize],
                    );
                }
                _ => {
                    // A flush of the queue: every hint is lost.
                    let _ = self.queue.receive(1_000, Duration::ZERO).await;
                }
            }
        }
        operating.abort();
        approving.iter().for_each(tokio::task::JoinHandle::abort);
        notifying.abort();
        self.faults.stop();
        for provider in &self.providers {
            provider.behave();
            let by = Caller::named("operator");
            self.store.resume_provider(&provider.name, &by).await.unwrap();
        }
        self.quiet(&known).await;
        known
    }

    /// Waits until no work is left, at most for as long as a correct system takes.
    async fn quiet(&self, known: &Known) {
        // A frozen worker may sleep for another 25 s, and a request may take 12 s inside the provider.
        tokio::time::sleep(Duration::from_secs(25 + 12) + LEASE).await;
        // Then follow the backoff's cap, the calls, some polls, the wait for funds, which is as long as the wait before
        // it, and the rechecks.
        let most = Duration::from_secs(40) + STORM + RETURNS * 2;
        for _ in 0..most.as_secs() / 5 {
            if self.is_done(known).await {
                return;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    /// Returns whether no worker has anything left to do.
    async fn is_done(&self, known: &Known) -> bool {
        let payouts = self.store.find_many(&known.ids()).await.unwrap();
        payouts.iter().map(Payout::parts).all(|parts| {
            let is_settled = match parts.status {
                Status::Pending => false,
                Status::Processing => parts.needs_review,
                // Nobody may be left who approves it.
                Status::AwaitingApproval => true,
                Status::Completed | Status::Returned | Status::Failed | Status::Cancelled => true,
            };
            is_settled && parts.recheck_at.is_none()
        })
    }

    async fn judge(mut self, known: &Known) -> Result<Report, Vec<String>> {
        let ledger = self.providers[0].ledger.clone();
        let mut judge = Judge {
            store: &*self.store,
            providers: &self.providers,
            report: std::mem::take(&mut self.report),
            violations: std::mem::take(&mut ledger.lock().unwrap().violations),
        };
        let ids = known.ids();
        if ids.len() as u64 != CLIENTS {
            let words = format!("{} of {CLIENTS} creates were answered", ids.len());
            judge.violations.push(words);
        }
        for id in &ids {
            let first = match self.store.find(*id).await.unwrap() {
                Some(payout) => self.routes.of(payout.details()).unwrap()[0].clone(),
                None => self.providers[0].name.clone(),
            };
            judge.payout(*id, &first).await;
        }
        let Judge {
            mut report,
            violations,
            ..
        } = judge;
        let ledger = ledger.lock().unwrap();
        report.payouts = ids.len() as u64;
        report.payments = ledger.count(Entry::Paid);
        report.returns = ledger.count(Entry::Returned);
        report.declines = ledger.count(Entry::Declined);
        report.calls = ledger.calls;
        report.put_off = ledger.put_off;
        report.duplicates_prevented = ledger.duplicates_prevented;
        report.late_outcomes = self.faults.late_outcomes.load(Ordering::SeqCst);
        report.zombie_calls = self.faults.zombie_calls.load(Ordering::SeqCst);
        if violations.is_empty() {
            Ok(report)
        } else {
            Err(violations)
        }
    }
}

/// Makes the routes: below an amount the first provider is preferred, and the second from that amount on.
fn routes(providers: &[Provider]) -> Routes {
    let names = || providers.iter().map(|provider| provider.name.clone());
    let below = Route {
        below: Some(500.into()),
        providers: names().collect(),
        ..Route::to(providers[0].name.clone())
    };
    let above = Route {
        providers: names().rev().collect(),
        ..Route::to(providers[1].name.clone())
    };
    let capabilities = providers
        .iter()
        .map(|provider| (provider.name.clone(), provider.kind.capabilities()));
    Routes::new(vec![below, above], capabilities.collect())
}
