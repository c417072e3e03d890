//! Providers beside each other, and their limits of calls per second: real processes, PostgreSQL and HTTP.
//!
//! - The payouts of one provider while another one hangs, beside the same while both are well, alternately.
//! - Calls of 200 ms to a provider with a limit of 100 a second, of which 200,000 payouts are due: with two workers,
//!   through an outage and a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use payout_tests::ports::free_port;
use payout_tests::provider::{Deed, Provider};
use payout_tests::wait::now;

use crate::database::Database;
use crate::load::{self, open};
use crate::run::Run;
use crate::service::{Service, Services};
use crate::table::{Row, Wanted};
use crate::{Outcome, creates};

/// The duration of a call to a quick provider.
const QUICK: Duration = Duration::from_millis(20);
/// Creates per second, half of them for each provider.
const CREATES: f64 = 40.0;
/// The duration of a phase: longer than the time-out of the calls that hang.
const PHASE: Duration = Duration::from_secs(15);
const CONNECTIONS: usize = 8;

const CALL: Duration = Duration::from_millis(200);
const LIMIT: f64 = 100.0;
const DUE: i64 = 200_000;

/// Measures all rows.
pub(crate) async fn measure(run: &Run) -> Outcome<Vec<Row>> {
    let mut rows = beside_one_that_hangs(run).await?;
    rows.extend(limit_of_calls(run).await?);
    Ok(rows)
}

/// Writes a file of providers of the HTTP contract, and adds the variable that names it.
pub(crate) fn configure(database: &Database, folder: &Path, text: &str) -> Outcome<Vec<(String, String)>> {
    let path: PathBuf = folder.join(format!("{}.toml", database.name()));
    std::fs::write(&path, text)?;
    let mut variables = database.variables.clone();
    let path = path.to_string_lossy().into_owned();
    variables.push(("PAYOUT_PROVIDERS_FILE".to_owned(), path));
    Ok(variables)
}

fn table(name: &str, url: &str) -> String {
    format!("[providers.{name}]\nkind = \"http\"\nurl = \"{url}\"\n")
}

async fn beside_one_that_hangs(run: &Run) -> Outcome<Vec<Row>> {
    let database = run.fresh_database("beside").await?;
    let other = Provider::that(Deed::PayAfter(QUICK)).await;
    let measured = Provider::that(Deed::PayAfter(QUICK)).await;
    let text = format!(
        "{}{}[[routes]]\nwhen = {{ below = \"500\" }}\nuse = [\"other\"]\n[[routes]]\nuse = [\"measured\"]\n",
        table("other", &other.url()),
        table("measured", &measured.url())
    );
    let variables = configure(&database, &run.services.folder, &text)?;
    let server = run.services.start("serve", &variables).await?;
    let _worker = run.services.start("worker", &variables).await?;
    let mut throughput = Row {
        work: "payouts of a provider, beside one that hangs".to_owned(),
        against: "the same, beside one that is well".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(0.9),
    };
    let mut p99 = Row {
        work: "p99 from create to completed, beside one that hangs".to_owned(),
        unit: "ms",
        wanted: Wanted::AtMost(1.5),
        ..throughput.clone()
    };
    for round in 1..=run.plan.rounds {
        for hanging in [false, true] {
            other.hang(hanging);
            let (per_second, latency) = phase(&server, &database).await?;
            run.note(&format!(
                "round {round}, the other {}: {per_second:.1}/s, p99 {latency:.0} ms",
                if hanging { "hangs" } else { "is well" }
            ));
            let side = |row: &mut Row, value| match hanging {
                true => row.ours.push(value),
                false => row.theirs.push(value),
            };
            side(&mut throughput, per_second);
            side(&mut p99, latency);
        }
    }
    run.done(&throughput);
    run.done(&p99);
    Ok(vec![throughput, p99])
}

/// Creates payouts for both providers at a steady rate; returns the completed payouts per second of the measured one,
/// and the 99th percentile of the time from create to completed, in milliseconds.
async fn phase(server: &Service, database: &Database) -> Outcome<(f64, f64)> {
    let target = server.target.clone();
    let make = load::make(move |number| {
        let amount = if number % 2 == 0 { "10.50" } else { "1050" };
        creates::of_amount(&target, amount, number)
    });
    let begun = database.now().await?;
    open(&server.target, CONNECTIONS, CREATES, PHASE, &make).await?;
    let figures = database.completed("measured", begun).await?;
    Ok(figures)
}

/// Counts the calls of one provider from now on. It can be taken away, and brought back.
struct Counted {
    port: u16,
    provider: Option<Provider>,
    calls: Vec<Duration>,
}

impl Counted {
    async fn start() -> Self {
        let port = free_port();
        let mut counted = Self {
            port,
            provider: None,
            calls: Vec::new(),
        };
        counted.bring_back().await;
        counted
    }

    async fn bring_back(&mut self) {
        let provider = Provider::at(self.port, |_, _| Deed::PayAfter(CALL)).await;
        self.provider = Some(provider);
    }

    fn take_away(&mut self) {
        if let Some(provider) = self.provider.take() {
            self.calls.extend(provider.calls());
        }
    }

    /// Returns the calls per second from one time until another.
    fn per_second(&self, from: Duration, until: Duration) -> f64 {
        let within = self.calls.iter().filter(|at| **at >= from && **at < until);
        within.count() as f64 / (until - from).as_secs_f64()
    }

    /// Returns the largest number of calls within any second.
    fn busiest_second(&self) -> usize {
        let within = |from: usize| {
            let until = self.calls[from] + Duration::from_secs(1);
            self.calls[from..].partition_point(|at| *at < until)
        };
        (0..self.calls.len()).map(within).max().unwrap_or(0)
    }
}

async fn limit_of_calls(run: &Run) -> Outcome<Vec<Row>> {
    let database = run.fresh_database("limit").await?;
    database.backlog(DUE).await?;
    database.assign("limited").await?;
    database.tidy().await?;
    let mut counted = Counted::start().await;
    let url = format!("http://127.0.0.1:{}", counted.port);
    let text = format!(
        "{}calls_per_second = {LIMIT}\n[[routes]]\nuse = [\"limited\"]\n",
        table("limited", &url)
    );
    let variables = configure(&database, &run.services.folder, &text)?;
    let workers = start_two(&run.services, &variables).await?;
    let steady = now() + Duration::from_secs(5);
    tokio::time::sleep(Duration::from_secs(25)).await;
    let away = now();
    counted.take_away();
    run.note("the provider is away");
    tokio::time::sleep(Duration::from_secs(10)).await;
    for mut worker in workers {
        worker.process.kill();
    }
    let workers = start_two(&run.services, &variables).await?;
    run.note("both workers were killed and started again");
    tokio::time::sleep(Duration::from_secs(10)).await;
    counted.bring_back().await;
    let back = now();
    run.note("the provider is back");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let end = now();
    counted.take_away();
    for mut worker in workers {
        worker.process.kill();
    }
    let rows = [
        ("calls of 200 ms, two workers", counted.per_second(steady, away)),
        (
            "the same, after a restart and an outage",
            counted.per_second(back + Duration::from_secs(10), end),
        ),
    ];
    let mut measured = Vec::new();
    for (work, per_second) in rows {
        for wanted in [Wanted::AtLeast(0.98), Wanted::AtMost(1.02)] {
            measured.push(row(work, per_second, wanted));
        }
    }
    measured.push(row(
        "calls within the busiest second, 200,000 payouts due",
        counted.busiest_second() as f64,
        Wanted::AtMost(1.05),
    ));
    for row in &measured {
        run.done(row);
    }
    Ok(measured)
}

fn row(work: &str, figure: f64, wanted: Wanted) -> Row {
    Row {
        work: work.to_owned(),
        against: "the limit of the file of providers".to_owned(),
        unit: "/s",
        ours: vec![figure],
        theirs: vec![LIMIT],
        wanted,
    }
}

async fn start_two(services: &Services, variables: &[(String, String)]) -> Outcome<[Service; 2]> {
    let first = services.start("worker", variables).await?;
    Ok([first, services.start("worker", variables).await?])
}
