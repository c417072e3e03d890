//! Creates with each queue and each option, beside the same without it, and the time until a worker claims a payout.

use std::time::Duration;

use crate::compare::ENCRYPTION_KEYS;
use crate::creates::create;
use crate::database::Database;
use crate::drains::worker;
use crate::load::{closed, open};
use crate::run::Run;
use crate::table::{Row, Wanted};
use crate::{Outcome, providers};

/// The connections that create payouts.
const CONNECTIONS: usize = 64;
/// Payouts per second while claims are timed.
const RATE: f64 = 1_000.0;
/// The duration of that load.
const STEADY: Duration = Duration::from_secs(10);
/// The number of calls in flight of its worker.
const IN_FLIGHT: usize = 1_024;
/// The longest time until a claim, in milliseconds.
const PICKUP: f64 = 50.0;

/// An option: its name in the table, and its variables.
type WithOption = (
    &'static str,
    fn(&Run, &Database) -> Outcome<Vec<(String, String)>>,
);

const OPTIONS: [WithOption; 4] = [
    ("encryption", |_, database| {
        Ok(with(database, &[("PAYOUT_ENCRYPTION_KEYS", ENCRYPTION_KEYS)]))
    }),
    ("a day's limit", |_, database| {
        Ok(with(database, &[("PAYOUT_LIMITS", "USD=/1000000000000")]))
    }),
    (
        "a rule of approvals, below which all payouts are",
        |_, database| Ok(with(database, &[("PAYOUT_APPROVALS", "USD=1000000:1")])),
    ),
    ("routes to two providers", |run, database| {
        let text = "[providers.first]\nkind = \"simulated\"\n[providers.second]\nkind = \"simulated\"\n\
            [[routes]]\nwhen = { below = \"500\" }\nuse = [\"first\"]\n[[routes]]\nuse = [\"second\"]\n";
        providers::configure(database, &run.services.folder, text)
    }),
];

/// Measures all rows.
pub(crate) async fn measure(run: &Run) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, address) in queues() {
        if address.is_some() {
            let queue = address.clone();
            let variables = move |_: &Run, database: &Database| Ok(with_queue(database, queue.as_deref()));
            rows.push(creates_with(run, &format!("the queue of {name}"), "Redis", 0.9, variables).await?);
        }
        rows.push(claims_with(run, name, address.as_deref()).await?);
    }
    for (name, variables) in OPTIONS {
        rows.push(creates_with(run, name, "without", 0.95, variables).await?);
    }
    Ok(rows)
}

/// Returns the queues by name, each with its address: Redis, which the other rows have, has none. Brokers are those that
/// `tests/with-services` has found or started.
fn queues() -> Vec<(&'static str, Option<String>)> {
    let mut queues = vec![("Redis", None), ("PostgreSQL", Some("postgres:".to_owned()))];
    for (name, variable) in [("RabbitMQ", "TEST_AMQP_URL"), ("NATS", "TEST_NATS_URL")] {
        if let Ok(address) = std::env::var(variable) {
            queues.push((name, Some(address)));
        }
    }
    queues
}

fn with(database: &Database, added: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut variables = database.variables.clone();
    let added = added
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables.extend(added);
    variables
}

/// Returns the variables with this queue in the place of Redis.
fn with_queue(database: &Database, address: Option<&str>) -> Vec<(String, String)> {
    let Some(address) = address else {
        return database.variables.clone();
    };
    let mut variables = with(
        database,
        &[("QUEUE_URL", address), ("PAYOUT_QUEUE_PREFIX", database.name())],
    );
    variables.retain(|(name, _)| name != "REDIS_URL" && name != "PAYOUT_REDIS_PREFIX");
    variables
}

/// Compares creates of a server with these variables and of one without them.
async fn creates_with(
    run: &Run,
    name: &str,
    against: &str,
    least: f64,
    variables: impl Fn(&Run, &Database) -> Outcome<Vec<(String, String)>>,
) -> Outcome<Row> {
    let mut row = Row {
        work: format!("creates with {name}"),
        against: against.to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(least),
    };
    let (ours, theirs) = (
        run.fresh_database("options").await?,
        run.fresh_database("options").await?,
    );
    let mut with_it = run.services.start("serve", &variables(run, &ours)?).await?;
    let mut without = run.services.start("serve", &theirs.variables).await?;
    for round in 1..=run.plan.rounds {
        for (server, rates) in [(&with_it, &mut row.ours), (&without, &mut row.theirs)] {
            let rate = closed(
                &server.target,
                CONNECTIONS,
                run.plan.round,
                &create(&server.target),
            )
            .await?;
            if rate.failed > 0 {
                return Err(format!("{}: {} creates failed", row.work, rate.failed).into());
            }
            rates.push(rate.per_second);
        }
        run.round(round, &row);
    }
    for server in [&mut with_it, &mut without] {
        server.process.terminate().await;
    }
    run.done(&row);
    Ok(row)
}

/// Measures how long payouts wait for their claim by a worker of another process.
async fn claims_with(run: &Run, name: &str, address: Option<&str>) -> Outcome<Row> {
    let mut row = Row {
        work: format!("p99 from create to claim at {RATE:.0}/s, the queue of {name}"),
        against: "the target".to_owned(),
        unit: "ms",
        ours: Vec::new(),
        theirs: vec![PICKUP],
        wanted: Wanted::AtMost(1.0),
    };
    for round in 1..=run.plan.rounds {
        let mut database = run.fresh_database("claims").await?;
        database.variables = with_queue(&database, address);
        let variables = worker(&database, Duration::ZERO, IN_FLIGHT);
        let mut server = run.services.start("serve", &variables).await?;
        let mut worker = run.services.start("worker", &variables).await?;
        let make = create(&server.target);
        open(&server.target, CONNECTIONS, RATE, STEADY, &make).await?;
        row.ours.push(database.claimed_after().await?);
        for service in [&mut server, &mut worker] {
            service.process.terminate().await;
        }
        run.round(round, &row);
    }
    run.done(&row);
    Ok(row)
}
