//! One drill from its first process to its verdict.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::api::{Api, Call};
use crate::backing::{Postgres, free_port};
use crate::batches;
use crate::clients::{self, Notes, PAYOUTS};
use crate::faults::{self, Scenario};
use crate::feed_judge;
use crate::judge::{self, Evidence, Finding, Findings};
use crate::ledger::{self, Ledger};
use crate::operators::{self, Asked};
use crate::plan::{self, Line};
use crate::processes::{Fleet, Life};
use crate::provider::Provider;
use crate::proxy::Proxy;
use crate::queue::Broker;
use crate::receivers::{self, Receivers};
use crate::report::Run;
use crate::rules::Rule;
use crate::settings::Settings;
use crate::vendors::{self, Books, StandIn};
use crate::{Outcome, clock, database};

pub(crate) async fn drill(
    settings: &Settings,
    binary: &Path,
    folder: &Path,
    out: Option<&Path>,
) -> Outcome<bool> {
    let begun = clock::instant();
    println!(
        "drill: seed {}, provider {}, {} payouts, {} s of faults",
        settings.seed,
        settings.providers.name(),
        settings.payouts,
        settings.faults_for.as_secs()
    );
    let ledger_path = folder.join("ledger.jsonl");
    let receivers = Receivers::start(settings.seed).await?;
    let scenario = Arc::new(start(settings, binary, folder, &ledger_path).await?);
    let servers = &scenario.fleet.servers;
    let api = Arc::new(Api::new(servers.clone(), &scenario.fleet.key)?);
    let approver = Arc::new(Api::new(servers.clone(), &scenario.fleet.approver)?);
    wait_until_ready(&api).await?;

    let receivers = Arc::new(receivers);
    receivers.subscribe(&api).await?;
    receivers.come_and_go().await;
    let (feed_over, _) = watch::channel(None);
    let followers: Vec<_> = [20, 1000]
        .map(|limit| tokio::spawn(receivers::follow_feed(api.clone(), limit, feed_over.subscribe())))
        .into();

    let (notes, seed) = (Notes::default(), settings.seed);
    let last_word = clock::instant() + settings.faults_for + settings.timing.settling();
    let (faults_over, _) = watch::channel(false);
    let (all_over, _) = watch::channel(false);
    let batch_notes = Notes::default();
    let running = (api.clone(), notes.clone(), batch_notes.clone(), settings.clone());
    let clients = tokio::spawn(async move {
        let (api, notes, batch_notes, settings) = running;
        tokio::join!(
            clients::run(api.clone(), notes, &settings, last_word),
            batches::run(api, batch_notes, &settings, last_word)
        );
    });
    let approving = tokio::spawn(batches::approve(approver, seed, all_over.subscribe()));
    let retrying = tokio::spawn(operators::retry_unpaid(
        api.clone(),
        seed,
        faults_over.subscribe(),
    ));
    let asked = Asked {
        ledger: scenario.provider.ledger.clone(),
        stand_ins: scenario.stand_ins.clone(),
        pool: scenario.pool.clone(),
    };
    let resolving = tokio::spawn(operators::resolve_reviews(
        api.clone(),
        asked,
        all_over.subscribe(),
    ));

    let injecting = tokio::spawn(faults::inject(scenario.clone(), plan::plan(settings)));
    let injected = follow(injecting, &scenario, &notes, begun, settings.progress_every()).await?;
    let faults_ended = clock::instant();
    println!(
        "drill: {} faults are over; everything must come to its end now",
        injected.len()
    );
    scenario.provider.calm_down();
    receivers.calm_down();
    for stand_in in &scenario.stand_ins {
        stand_in.calm_down().await?;
    }
    faults_over.send_replace(true);
    retrying.await?;
    let settled_in = settle(&scenario, clients, faults_ended, settings.timing.settling()).await;
    all_over.send_replace(true);
    let (resolved, approved) = (resolving.await?, approving.await?);
    let rechecking = recheck(&scenario, settings.rechecking()).await;

    println!("drill: waiting for the deliveries of webhooks");
    let delivered_within = clock::instant() + settings.delivering();
    let delivered_from = clock::instant();
    let feed = receivers.settle(&api, delivered_within).await?;
    let delivered_in = delivered_from.elapsed();
    let last = feed.last().map_or_else(String::new, |event| event.id.clone());
    feed_over.send_replace(Some(last));
    let mut followed = Vec::new();
    for follower in followers {
        followed.push(follower.await?);
    }
    let of_feed = feed_judge::Told {
        feed,
        followed,
        received: receivers.received(&api).await?,
    };

    println!("drill: asking the ledger, the database and the API");
    let stored = database::read(&scenario.pool).await?;
    let seen = ask_api(&api, &stored).await?;
    let answers = api.answers();
    let (told, told_batches) = (notes.all(), batch_notes.all());
    let scenario = Arc::try_unwrap(scenario).map_err(|_| "the scenario is still in use")?;
    let (lives, late) = scenario.fleet.stop().await;
    if let Some(mut broker) = scenario.broker.into_inner() {
        broker.stop().await;
    }
    scenario.pool.close().await;
    scenario.postgres.into_inner().stop().await;

    let ledger = ledger::read(&ledger_path)?;
    let books: Vec<Books> = scenario
        .stand_ins
        .iter()
        .map(StandIn::books)
        .collect::<Outcome<_>>()?;
    let lease = chrono::TimeDelta::from_std(settings.timing.lease)?;
    let evidence = Evidence {
        ledger: &ledger,
        books: &books,
        stored: &stored,
        told: &told,
        told_batches: &told_batches,
        api: &seen,
        rechecking,
        lease,
    };
    let mut findings = judge::judge(&evidence);
    let mut about_feed = Findings::default();
    about_feed.told(&of_feed, &stored);
    findings.extend(about_feed.sorted());
    findings.extend(of_processes(&lives, &late));
    if let Some(count) = answers.get(&500) {
        findings.push(Finding {
            rule: Rule::ServerError,
            payout: None,
            words: format!("{count} times"),
        });
    }
    let run = Run {
        settings,
        took: begun.elapsed(),
        settled_in,
        injected: &injected,
        lives: &lives,
        ledger: &ledger,
        books: &books,
        stored: &stored,
        answers: &answers,
        of_feed: &of_feed,
        delivered_in,
        lines: [
            ("PostgreSQL", Some(&scenario.to_postgres)),
            ("the queue", scenario.to_queue.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, proxy)| Some((name, proxy?.counts())))
        .collect(),
        resolved,
        approved,
        findings: &findings,
    };
    let (report, evidence) = (run.markdown(), run.evidence());
    for (name, text) in run.logs() {
        std::fs::write(folder.join(name), text)?;
    }
    println!("\n{report}");
    if !evidence.is_empty() {
        println!("{evidence}");
    }
    if let Some(out) = out {
        std::fs::write(out, report)?;
    }
    println!(
        "{}",
        if findings.is_empty() {
            "drill: nothing was found"
        } else {
            "drill: NOT as promised"
        }
    );
    Ok(findings.is_empty())
}

async fn start(settings: &Settings, binary: &Path, folder: &Path, ledger: &Path) -> Outcome<Scenario> {
    let (postgres, broker) =
        tokio::try_join!(Postgres::start(folder), Broker::start(settings.queue, folder))?;
    let (postgres_port, queue_port) = (free_port()?, free_port()?);
    let to_postgres = Proxy::start(postgres_port, postgres.port, Line::Postgres, settings.seed).await?;
    let to_queue = match &broker {
        Some(broker) => Some(Proxy::start(queue_port, broker.port, Line::Queue, settings.seed).await?),
        None => None,
    };
    let ledger = Ledger::create(ledger)?;
    let provider = Provider::start(free_port()?, settings.seed, settings.timing, ledger).await?;
    let ms = |time: Duration| time.as_millis().to_string();
    let timing = settings.timing;
    let stand_ins = StandIn::all(settings.providers, folder)?;
    let mut variables = vec![
        ("DATABASE_URL", postgres.url(postgres_port)),
        ("QUEUE_URL", settings.queue.url(queue_port)),
        ("PAYOUT_LEASE_MS", ms(timing.lease)),
        ("PAYOUT_CALL_TIMEOUT_MS", ms(timing.call_timeout)),
        ("PAYOUT_SWEEP_MS", ms(timing.sweep)),
        ("PAYOUT_BACKOFF_BASE_MS", ms(timing.backoff_base)),
        ("PAYOUT_BACKOFF_CAP_MS", ms(timing.backoff_cap)),
        ("PAYOUT_MAX_ATTEMPTS", timing.max_attempts.to_string()),
        ("PAYOUT_LOG_FORMAT", "json".to_owned()),
        ("PAYOUT_APPROVALS", batches::approvals()),
        ("PAYOUT_WEBHOOK_NETWORKS", "127.0.0.0/8".to_owned()),
    ];
    if stand_ins.is_empty() {
        variables.extend([
            ("PAYOUT_PROCESSOR", "http".to_owned()),
            ("PAYOUT_PROCESSOR_URL", provider.url()),
        ]);
    } else {
        let file = vendors::configure(settings, &stand_ins, &provider.url(), folder)?;
        variables.push(("PAYOUT_PROVIDERS_FILE", file.display().to_string()));
    }
    let variables = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let ports: Vec<u16> = (0..settings.servers)
        .map(|_| free_port())
        .collect::<Outcome<_>>()?;
    let processes = stand_ins.iter().map(|stand_in| {
        let server = ports.first().copied().unwrap_or_default();
        let name = format!("stand-in-{}", stand_in.vendor.name());
        Ok((name, stand_in.arguments(settings, server)?))
    });
    let processes = processes.collect::<Outcome<_>>()?;
    let fleet = Fleet::start(binary, folder, variables, &ports, settings.workers, processes).await?;
    let pool = postgres.pool();
    Ok(Scenario {
        fleet,
        pool,
        postgres: Mutex::new(postgres),
        broker: Mutex::new(broker),
        to_postgres,
        to_queue,
        provider,
        stand_ins,
    })
}

async fn wait_until_ready(api: &Api) -> Outcome<()> {
    let ready = Call::new(Method::GET, "/health/ready");
    for _ in 0..2 {
        let answer = api
            .ask(&ready, clock::instant() + Duration::from_secs(30))
            .await?;
        if answer.status != 200 {
            return Err(format!("not ready: {}", answer.body).into());
        }
    }
    Ok(())
}

/// Reports progress until the last fault is over.
async fn follow<T>(
    mut injecting: tokio::task::JoinHandle<T>,
    scenario: &Scenario,
    notes: &Notes,
    begun: Instant,
    every: Duration,
) -> Outcome<T> {
    loop {
        if let Ok(done) = timeout(every, &mut injecting).await {
            return Ok(done?);
        }
        let unfinished = timeout(Duration::from_secs(1), database::unfinished(&scenario.pool)).await;
        let unfinished = unfinished
            .ok()
            .and_then(Result::ok)
            .map_or("?".to_owned(), |count| count.to_string());
        println!(
            "drill: {:4} s  clients done {:5}  in work {unfinished:>5}  processes started {:4}",
            begun.elapsed().as_secs(),
            notes.count(),
            scenario.fleet.lives().len()
        );
    }
}

/// Waits until every create is answered and every payout is final or in review. Returns the time that this took.
async fn settle(
    scenario: &Scenario,
    mut clients: tokio::task::JoinHandle<()>,
    since: Instant,
    within: Duration,
) -> Option<Duration> {
    let deadline = since + within;
    let answered = tokio::time::timeout_at(deadline + Duration::from_secs(8), &mut clients).await;
    if answered.is_err() {
        clients.abort();
    }
    loop {
        if matches!(database::unfinished(&scenario.pool).await, Ok(0)) {
            return Some(since.elapsed());
        }
        if clock::instant() > deadline {
            return None;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until no payment of a real provider is rechecked any more. Returns the number of those that still are after
/// this time.
async fn recheck(scenario: &Scenario, within: Duration) -> i64 {
    let names: Vec<String> = scenario
        .stand_ins
        .iter()
        .map(|stand_in| stand_in.vendor.name().to_owned())
        .collect();
    if names.is_empty() {
        return 0;
    }
    let deadline = clock::instant() + within;
    loop {
        let left = database::rechecks(&scenario.pool, &names).await.unwrap_or(-1);
        if left == 0 || clock::instant() > deadline {
            return left.abs();
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Asks the API for the state of every payout, several at a time.
async fn ask_api(
    api: &Arc<Api>,
    stored: &database::Stored,
) -> Outcome<HashMap<String, Option<(String, bool)>>> {
    let until = clock::instant() + Duration::from_secs(120);
    let mut seen = HashMap::new();
    for some in stored.rows.chunks(32) {
        let mut asked = JoinSet::new();
        for row in some {
            let (api, id) = (api.clone(), row.id.clone());
            asked.spawn(async move {
                let answer = api
                    .ask(&Call::new(Method::GET, format!("{PAYOUTS}{id}/")), until)
                    .await?;
                let status = answer.body["status"].as_str().map(str::to_owned);
                let review = answer.body["needs_review"] == Value::Bool(true);
                Ok::<_, String>((
                    id,
                    status
                        .filter(|_| answer.status == 200)
                        .map(|status| (status, review)),
                ))
            });
        }
        while let Some(answer) = asked.join_next().await {
            let (id, answer) = answer??;
            seen.insert(id, answer);
        }
    }
    Ok(seen)
}

/// Finds processes that ended although the drill had not killed them, and processes that did not stop when asked.
fn of_processes(lives: &[Life], late: &[String]) -> Vec<Finding> {
    let ended = lives.iter().filter_map(|life| life.ended_by_itself.clone());
    let late = late
        .iter()
        .map(|name| format!("{name} did not stop when told to"));
    ended
        .chain(late)
        .map(|words| Finding {
            rule: Rule::ProcessEnded,
            payout: None,
            words,
        })
        .collect()
}
