//! Two builds of the service in one run: each row is the same work on both, alternately.

use std::time::Duration;

use crate::creates::create;
use crate::database::Database;
use crate::drains::{drain, worker};
use crate::load::{Make, Target, closed};
use crate::run::Run;
use crate::service::{Service, Services};
use crate::table::{Row, Wanted};
use crate::{Outcome, clock, load};

/// An encryption key for the benchmark alone.
pub(crate) const ENCRYPTION_KEYS: &str = "bench:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const CONNECTIONS: usize = 64;
/// The ratio that a change must keep.
const LEAST: Wanted = Wanted::AtLeast(0.97);
/// The number of finished payouts in the tables that are read.
const ROWS: i64 = 10_000;

/// The database in which a load's payouts are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Postgres,
    PostgresEncrypted,
    Sqlite,
}

/// A load over HTTP.
struct Case {
    work: &'static str,
    kept: Kept,
    make: fn(&Target) -> Make,
}

const CASES: [Case; 6] = [
    Case {
        work: "creates, 64 connections",
        kept: Kept::Postgres,
        make: create,
    },
    Case {
        work: "creates with an idempotency key, 64 connections",
        kept: Kept::Postgres,
        make: keyed,
    },
    Case {
        work: "encrypted creates with an idempotency key, 64 connections",
        kept: Kept::PostgresEncrypted,
        make: keyed,
    },
    Case {
        work: "creates on SQLite, 64 connections",
        kept: Kept::Sqlite,
        make: create,
    },
    Case {
        work: "the first list page, 10,000 payouts, 64 connections",
        kept: Kept::Postgres,
        make: first_page,
    },
    Case {
        work: "a list by status, 10,000 payouts, 64 connections",
        kept: Kept::Postgres,
        make: by_status,
    },
];

/// Makes creates, each under its own idempotency key. Numbers begin again in every round, so the start time of the
/// round is part of the key.
fn keyed(target: &Target) -> Make {
    let create = create(target);
    let begun = clock::since_epoch().as_micros();
    load::make(move |number| {
        let mut request = create(number)?;
        let key = format!("{begun}-{number}");
        request.headers_mut().insert("idempotency-key", key.parse()?);
        Ok(request)
    })
}

fn first_page(target: &Target) -> Make {
    let target = target.clone();
    load::make(move |_| target.get("/api/payouts/"))
}

fn by_status(target: &Target) -> Make {
    let target = target.clone();
    load::make(move |_| target.get("/api/payouts/?status=failed"))
}

/// A build's server, with the database that it needs while it runs.
struct Side {
    server: Service,
    _database: Option<Database>,
}

impl Side {
    async fn start(run: &Run, services: &Services, name: &str, case: &Case) -> Outcome<Self> {
        let (mut variables, database) = match case.kept {
            Kept::Sqlite => {
                let file = services.folder.join(format!("{name}.db"));
                let url = format!("sqlite://{}", file.display());
                let variables = vec![("DATABASE_URL".to_owned(), url)];
                services.run("migrate", &variables).await?;
                (variables, None)
            }
            Kept::Postgres | Kept::PostgresEncrypted => {
                let database = run.database_for(services, name).await?;
                if case.work.contains("10,000 payouts") {
                    database.finish(ROWS, |_| ()).await?;
                }
                (database.variables.clone(), Some(database))
            }
        };
        if case.kept == Kept::PostgresEncrypted {
            variables.push(("PAYOUT_ENCRYPTION_KEYS".to_owned(), ENCRYPTION_KEYS.to_owned()));
        }
        Ok(Self {
            server: services.start("serve", &variables).await?,
            _database: database,
        })
    }

    async fn rate(&self, duration: Duration, make: fn(&Target) -> Make) -> Outcome<f64> {
        let target = &self.server.target;
        let rate = closed(target, CONNECTIONS, duration, &make(target)).await?;
        if rate.failed > 0 {
            return Err(format!("{} requests failed", rate.failed).into());
        }
        Ok(rate.per_second)
    }
}

/// Measures a row for each load, and one for a drained backlog. `before` is the build that this one is compared with.
pub(crate) async fn measure(run: &Run, before: &Services) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let ours = Side::start(run, &run.services, &format!("ours_{number}"), case).await?;
        let theirs = Side::start(run, before, &format!("before_{number}"), case).await?;
        let mut row = row(case.work);
        for round in 1..=run.plan.rounds {
            row.ours.push(ours.rate(run.plan.round, case.make).await?);
            row.theirs.push(theirs.rate(run.plan.round, case.make).await?);
            run.round(round, &row);
        }
        run.done(&row);
        rows.push(row);
    }
    rows.push(drains(run, before).await?);
    Ok(rows)
}

async fn drains(run: &Run, before: &Services) -> Outcome<Row> {
    let mut row = row("draining 100,000 payouts, one worker");
    for round in 1..=run.plan.rounds {
        for (services, name) in [(&run.services, "ours"), (before, "before")] {
            let database = run
                .database_for(services, &format!("{name}_drain_{round}"))
                .await?;
            database.backlog(run.plan.backlog).await?;
            database.tidy().await?;
            let variables = worker(&database, Duration::ZERO, 256);
            let rate = drain(run, services, &database, &variables, 1).await?;
            if name == "ours" {
                row.ours.push(rate);
            } else {
                row.theirs.push(rate);
            }
        }
        run.round(round, &row);
    }
    run.done(&row);
    Ok(row)
}

fn row(work: &str) -> Row {
    Row {
        work: work.to_owned(),
        against: "the build before".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: LEAST,
    }
}
