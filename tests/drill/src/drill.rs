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
use crate::backing::{Postgres, Redis, free_port};
use crate::clients::{self, Notes, PAYOUTS};
use crate::faults::{self, Scenario};
use crate::judge::{self, Evidence, Finding};
use crate::ledger::{self, Ledger};
use crate::plan::{self, Line};
use crate::processes::{Fleet, Life};
use crate::provider::Provider;
use crate::proxy::Proxy;
use crate::report::Run;
use crate::rules::Rule;
use crate::settings::Settings;
use crate::{Outcome, clock, database, operators};

pub(crate) async fn drill(
    settings: &Settings,
    binary: &Path,
    folder: &Path,
    out: Option<&Path>,
) -> Outcome<bool> {
    let begun = clock::instant();
    println!(
        "drill: seed {}, {} payouts, {} s of faults",
        settings.seed,
        settings.payouts,
        settings.faults_for.as_secs()
    );
    let ledger_path = folder.join("ledger.jsonl");
    let scenario = Arc::new(start(settings, binary, folder, &ledger_path).await?);
    let api = Arc::new(Api::new(scenario.fleet.servers.clone())?);
    wait_until_ready(&api).await?;

    let (notes, seed) = (Notes::default(), settings.seed);
    let last_word = clock::instant() + settings.faults_for + settings.timing.settling();
    let (faults_over, _) = watch::channel(false);
    let (all_over, _) = watch::channel(false);
    let creating = settings.faults_for.saturating_sub(Duration::from_secs(1));
    let clients = clients::run(
        api.clone(),
        notes.clone(),
        seed,
        settings.payouts,
        creating,
        last_word,
    );
    let clients = tokio::spawn(clients);
    let retrying = tokio::spawn(operators::retry_failed(
        api.clone(),
        seed,
        faults_over.subscribe(),
    ));
    let ledger = scenario.provider.ledger.clone();
    let resolving = tokio::spawn(operators::resolve_reviews(
        api.clone(),
        ledger,
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
    faults_over.send_replace(true);
    retrying.await?;
    let settled_in = settle(&scenario, clients, faults_ended, settings.timing.settling()).await;
    all_over.send_replace(true);
    let resolved = resolving.await?;

    println!("drill: asking the ledger, the database and the API");
    let stored = database::read(&scenario.pool).await?;
    let seen = ask_api(&api, &stored).await?;
    let answers = api.answers();
    let told = notes.all();
    let scenario = Arc::try_unwrap(scenario).map_err(|_| "the scenario is still in use")?;
    let (lives, late) = scenario.fleet.stop().await;
    scenario.redis.into_inner().stop().await;
    scenario.pool.close().await;
    scenario.postgres.into_inner().stop().await;

    let ledger = ledger::read(&ledger_path)?;
    let lease = chrono::TimeDelta::from_std(settings.timing.lease)?;
    let evidence = Evidence {
        ledger: &ledger,
        stored: &stored,
        told: &told,
        api: &seen,
        lease,
    };
    let mut findings = judge::judge(&evidence);
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
        stored: &stored,
        answers: &answers,
        lines: [
            ("PostgreSQL", scenario.to_postgres.counts()),
            ("Redis", scenario.to_redis.counts()),
        ],
        resolved,
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
    let (postgres, redis) = tokio::try_join!(Postgres::start(folder), Redis::start(folder))?;
    let (postgres_port, redis_port) = (free_port()?, free_port()?);
    let to_postgres = Proxy::start(postgres_port, postgres.port, Line::Postgres, settings.seed).await?;
    let to_redis = Proxy::start(redis_port, redis.port, Line::Redis, settings.seed).await?;
    let ledger = Ledger::create(ledger)?;
    let provider = Provider::start(free_port()?, settings.seed, settings.timing, ledger).await?;
    let ms = |time: Duration| time.as_millis().to_string();
    let timing = settings.timing;
    let variables = [
        ("DATABASE_URL", postgres.url(postgres_port)),
        ("REDIS_URL", format!("redis://127.0.0.1:{redis_port}/")),
        ("PAYOUT_PROCESSOR", "http".to_owned()),
        ("PAYOUT_PROCESSOR_URL", provider.url()),
        ("PAYOUT_LEASE_MS", ms(timing.lease)),
        ("PAYOUT_CALL_TIMEOUT_MS", ms(timing.call_timeout)),
        ("PAYOUT_SWEEP_MS", ms(timing.sweep)),
        ("PAYOUT_BACKOFF_BASE_MS", ms(timing.backoff_base)),
        ("PAYOUT_BACKOFF_CAP_MS", ms(timing.backoff_cap)),
        ("PAYOUT_MAX_ATTEMPTS", timing.max_attempts.to_string()),
        ("PAYOUT_LOG_FORMAT", "json".to_owned()),
    ];
    let variables = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let ports: Vec<u16> = (0..settings.servers)
        .map(|_| free_port())
        .collect::<Outcome<_>>()?;
    let fleet = Fleet::start(binary, folder, variables, &ports, settings.workers).await?;
    let pool = postgres.pool();
    Ok(Scenario {
        fleet,
        pool,
        postgres: Mutex::new(postgres),
        redis: Mutex::new(redis),
        to_postgres,
        to_redis,
        provider,
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
            notes.created(),
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
