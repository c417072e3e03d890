//! Providers beside each other and their limits of calls per second, with figures: the throughput and the latency
//! beside a provider that hangs, and the calls within any second. In paused time the figures depend on the protocol
//! alone, and not on the machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::storage::memory::MemoryRepository;
use payout_core::contract::build;
use payout_core::payout::{Actor, Caller, NewPayout, PaymentDetails, PayoutId, ProviderReference};
use payout_core::ports::{Clock, PayoutRepository, Processor};
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer, ProviderName, Route, Routes,
};
use payout_core::usecase::Payouts;
use payout_core::worker::{Provider as Lane, ProviderSettings, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::outage::in_paused_time;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pays,
    Hangs,
    /// Refuses every connection.
    Away,
}

/// A provider that notes when it is called, and when it has paid.
#[derive(Clone)]
struct Provider {
    name: ProviderName,
    chance: Chance,
    mode: Arc<Mutex<Mode>>,
    /// The shortest and the longest duration of a call.
    takes: [Duration; 2],
    calls: Arc<Mutex<Vec<Duration>>>,
    paid: Arc<Mutex<BTreeMap<PayoutId, Duration>>>,
}

impl Provider {
    fn new(name: &str, takes: [Duration; 2], chance: &Chance) -> Self {
        Self {
            name: ProviderName::new(name).unwrap(),
            chance: chance.clone(),
            mode: Arc::new(Mutex::new(Mode::Pays)),
            takes,
            calls: Arc::default(),
            paid: Arc::default(),
        }
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    async fn call(&self) -> Result<(), ProcessorError> {
        let mode = *self.mode.lock().unwrap();
        let [least, most] = self.takes;
        match mode {
            Mode::Away => return Err(ProcessorError::never_sent("connection refused")),
            Mode::Hangs => std::future::pending().await,
            Mode::Pays => self.calls.lock().unwrap().push(self.chance.monotonic()),
        }
        tokio::time::sleep(least + self.chance.up_to(most - least)).await;
        Ok(())
    }

    /// Returns the number of calls from one time until another.
    fn calls_between(&self, from: Duration, until: Duration) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|at| **at >= from && **at < until).count()
    }

    /// Returns the largest number of calls within any second.
    fn busiest_second(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        let within = |from: usize| calls[from..].partition_point(|at| *at < calls[from] + SECOND);
        (0..calls.len()).map(within).max().unwrap_or(0)
    }
}

#[async_trait]
impl Processor for Provider {
    async fn submit(&self, instruction: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        self.call().await?;
        let mut paid = self.paid.lock().unwrap();
        paid.entry(instruction.payout_id)
            .or_insert_with(|| self.chance.monotonic());
        let reference = ProviderReference::new(instruction.key.as_str()).unwrap();
        Ok(ProviderAnswer::Paid { reference })
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        self.call().await?;
        let paid = self.paid.lock().unwrap();
        let reference = ProviderReference::new(look_up.key.as_str()).unwrap();
        Ok(match paid.get(&look_up.payout_id) {
            Some(_) => LookUpAnswer::Found(ProviderAnswer::Paid { reference }),
            None => LookUpAnswer::Absent,
        })
    }
}

/// A store, a queue, and providers; payouts of 10.50 are the first provider's, and those of 1050 the last one's.
struct System {
    chance: Chance,
    store: Arc<MemoryRepository>,
    queue: Arc<MemoryQueue>,
    providers: Vec<Provider>,
    settings: ProviderSettings,
    routes: Arc<Routes>,
}

impl System {
    fn new(chance: &Chance, providers: &[&Provider], settings: ProviderSettings) -> Self {
        let route = |provider: &Provider| Route::to(provider.name.clone());
        let below = Route {
            below: Some(500.into()),
            ..route(providers[0])
        };
        let routes = vec![below, route(providers[providers.len() - 1])];
        let capabilities = providers.iter();
        let capabilities = capabilities.map(|provider| (provider.name.clone(), provider.capabilities()));
        Self {
            chance: chance.clone(),
            store: Arc::new(MemoryRepository::new(Arc::new(chance.clone()))),
            queue: Arc::new(MemoryQueue::new(100_000)),
            routes: Arc::new(Routes::new(routes, capabilities.collect())),
            providers: providers.iter().copied().cloned().collect(),
            settings,
        }
    }

    fn start_workers(&self, count: usize) -> CancellationToken {
        let shutdown = CancellationToken::new();
        for number in 0..count {
            let lanes = self.providers.iter().map(|provider| {
                Lane::new(Some(provider.name.clone()), Arc::new(provider.clone())).with(self.settings.clone())
            });
            let settings = WorkerSettings {
                name: Actor::new(&format!("worker-{number}")),
                concurrency: 32,
                ..WorkerSettings::default()
            };
            let environment = Arc::new(self.chance.clone());
            let worker = Worker::with_providers(
                self.store.clone(),
                self.queue.clone(),
                lanes.collect(),
                environment,
                settings,
            )
            .following(self.store.clone())
            .routed_by(self.routes.clone());
            tokio::spawn(worker.run(shutdown.clone()));
        }
        shutdown
    }

    fn server(&self) -> Payouts {
        let environment = Arc::new(self.chance.clone());
        Payouts::start(self.store.clone(), self.queue.clone(), environment).routed_by(self.routes.clone())
    }

    /// Stores this many payouts of an amount, due now, of which no hint tells.
    async fn backlog(&self, amount: &str, count: usize) {
        let details = of_amount(amount);
        let provider = self.routes.of(&details).unwrap()[0];
        for _ in 0..count.div_ceil(1_000) {
            let new = || NewPayout {
                provider: Some(provider.clone()),
                ..build::of_details(details.clone())
            };
            let batch: Vec<_> = (0..count.min(1_000)).map(|_| new()).collect();
            self.store.insert(&batch).await.unwrap();
        }
    }
}

fn of_amount(amount: &str) -> PaymentDetails {
    PaymentDetails::new(build::money(amount, "EUR"), build::recipient())
}

/// The throughput and the latency of one provider's payouts during one phase.
struct Figures {
    per_second: f64,
    p99: Duration,
}

/// Creates a payout for each of two providers every ten milliseconds; returns the figures of the second one's.
async fn steady_load(server: &Payouts, second: &Provider, chance: &Chance, lasts: Duration) -> Figures {
    let (begun, mut created) = (chance.monotonic(), Vec::new());
    while chance.monotonic() < begun + lasts {
        for (amount, of_second) in [("10.50", false), ("1050", true)] {
            let at = chance.monotonic();
            let create = server.create(of_amount(amount), None, Caller::named("client"));
            let payout = create.await.unwrap().payout;
            if of_second {
                created.push((payout.id(), at));
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let paid = second.paid.lock().unwrap();
    let ends = chance.monotonic();
    let took = |(id, at): &(PayoutId, Duration)| paid.get(id).map_or(ends, |paid_at| *paid_at) - *at;
    let mut latencies: Vec<Duration> = created.iter().map(took).collect();
    latencies.sort_unstable();
    let done = paid.values().filter(|at| **at >= begun && **at < ends).count();
    Figures {
        per_second: done as f64 / (ends - begun).as_secs_f64(),
        p99: latencies[latencies.len() * 99 / 100],
    }
}

#[test]
fn beside_a_provider_that_hangs_another_keeps_its_throughput_and_its_latency() {
    in_paused_time(async {
        let chance = Chance::new(7);
        let takes = [Duration::from_millis(20), Duration::from_millis(80)];
        let (a, b) = (
            Provider::new("a", takes, &chance),
            Provider::new("b", takes, &chance),
        );
        let system = System::new(&chance, &[&a, &b], ProviderSettings::default());
        let server = system.server();
        let shutdown = system.start_workers(1);
        tokio::time::sleep(3 * SECOND).await;
        let before = steady_load(&server, &b, &chance, 60 * SECOND).await;
        a.set(Mode::Hangs);
        let beside = steady_load(&server, &b, &chance, 60 * SECOND).await;
        shutdown.cancel();
        let throughput = beside.per_second / before.per_second;
        let latency = beside.p99.as_secs_f64() / before.p99.as_secs_f64();
        eprintln!(
            "steady: {:.1}/s and p99 {:?}; beside a provider that hangs {:.1}/s and {:?}: {throughput:.3} and {latency:.3}",
            before.per_second, before.p99, beside.per_second, beside.p99
        );
        assert!(throughput >= 0.9, "{throughput}");
        assert!(latency <= 1.5, "{latency}");
    });
}

#[test]
fn a_backlog_is_paid_as_fast_beside_a_provider_that_hangs() {
    let paid_within = |mode| {
        in_paused_time(async {
            let chance = Chance::new(7);
            let takes = [Duration::from_millis(20), Duration::from_millis(80)];
            let (a, b) = (
                Provider::new("a", takes, &chance),
                Provider::new("b", takes, &chance),
            );
            a.set(mode);
            let system = System::new(&chance, &[&a, &b], ProviderSettings::default());
            system.backlog("10.50", 5_000).await;
            system.backlog("1050", 10_000).await;
            let shutdown = system.start_workers(1);
            tokio::time::sleep(12 * SECOND).await;
            shutdown.cancel();
            let paid = b.paid.lock().unwrap().len();
            assert!(paid < 10_000, "the backlog was too short to measure");
            paid
        })
    };
    let (well, hanging) = (paid_within(Mode::Pays), paid_within(Mode::Hangs));
    let ratio = hanging as f64 / well as f64;
    eprintln!(
        "backlog: {well} payouts in twelve seconds; beside a provider that hangs {hanging}: {ratio:.3}"
    );
    assert!(ratio >= 0.9, "{ratio}");
}

const CALL: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(200)];

fn a_hundred_per_second() -> ProviderSettings {
    ProviderSettings {
        calls_per_second: Some(100),
        ..ProviderSettings::default()
    }
}

#[test]
fn calls_of_200_milliseconds_are_held_to_a_hundred_a_second_within_two_percent() {
    for workers in [1, 2, 4] {
        in_paused_time(async {
            let chance = Chance::new(7);
            let a = Provider::new("a", CALL, &chance);
            let system = System::new(&chance, &[&a], a_hundred_per_second());
            let server = system.server();
            let shutdown = system.start_workers(workers);
            // More than the provider takes: some are claimed by hints, the others by the sweep.
            for _ in 0..600 {
                for _ in 0..15 {
                    let create = server.create(of_amount("10.50"), None, Caller::named("client"));
                    create.await.unwrap();
                }
                tokio::time::sleep(SECOND / 10).await;
            }
            shutdown.cancel();
            let calls = a.calls_between(10 * SECOND, 60 * SECOND);
            let busiest = a.busiest_second();
            eprintln!(
                "{workers} workers: {:.1} calls a second, at most {busiest} within a second",
                calls as f64 / 50.0
            );
            assert!((4_900..=5_100).contains(&calls), "{calls} calls in fifty seconds");
            assert!(busiest <= 102, "{busiest} calls within a second");
        });
    }
}

#[test]
fn a_restart_with_200_000_due_payouts_does_not_exceed_the_rate_of_a_provider_that_comes_back() {
    in_paused_time(async {
        let chance = Chance::new(7);
        let a = Provider::new("a", CALL, &chance);
        let system = System::new(&chance, &[&a], a_hundred_per_second());
        system.backlog("10.50", 200_000).await;
        let first = system.start_workers(2);
        tokio::time::sleep(20 * SECOND).await;
        a.set(Mode::Away);
        tokio::time::sleep(20 * SECOND).await;
        first.cancel();
        let restarted = system.start_workers(2);
        tokio::time::sleep(20 * SECOND).await;
        a.set(Mode::Pays);
        let back = chance.monotonic();
        tokio::time::sleep(40 * SECOND).await;
        restarted.cancel();
        let calls = a.calls_between(back + 10 * SECOND, back + 40 * SECOND);
        let busiest = a.busiest_second();
        eprintln!(
            "restart: {:.1} calls a second, at most {busiest} within a second",
            calls as f64 / 30.0
        );
        assert!(busiest <= 102, "{busiest} calls within a second");
        assert!(
            (2_940..=3_060).contains(&calls),
            "{calls} calls in thirty seconds"
        );
    });
}
