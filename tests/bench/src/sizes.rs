//! Reads and writes with few rows and with many, in two databases of one server.

use std::time::Duration;

use serde_json::Value;

use crate::creates::create;
use crate::database::Database;
use crate::drains::{drain, worker};
use crate::load::{Make, Target, closed, once, open};
use crate::run::Run;
use crate::service::Service;
use crate::table::{Row, Wanted, median};
use crate::{Outcome, load};

/// The rate of the latency measurements, in reads per second. It leaves the machine spare capacity, so that queues do
/// not dominate the result.
const READS_PER_SECOND: f64 = 500.0;
const CONNECTIONS: usize = 32;
const SAMPLE: i64 = 20_000;
/// The number of the deep page, at twenty payouts per page. A small table has no 5,000th page: its last page but one is
/// used.
const DEEP_PAGE: i64 = 5_000;
const PAGE: i64 = 20;

/// List pages per second of the service that this one replaces, at 64 connections on four cores.
const PREDECESSOR: f64 = 490.0;

/// The latencies of one kind of read by table size: rows, p50 and p99 in milliseconds.
pub(crate) struct Latencies {
    pub(crate) read: &'static str,
    pub(crate) points: Vec<(f64, f64, f64)>,
}

struct Side {
    database: Database,
    server: Service,
    rows: i64,
    reads: Vec<(&'static str, Make)>,
}

impl Side {
    async fn start(run: &Run, name: &str, rows: i64) -> Outcome<Self> {
        let database = run.database(name).await?;
        database
            .finish(rows, |what| {
                run.note(&format!("filling a table of {rows}: {what}"))
            })
            .await?;
        let server = run.services.start("serve", &database.variables).await?;
        let target = &server.target;
        let ids = database.ids(SAMPLE).await?;
        let by_id = {
            let target = target.clone();
            load::make(move |number: u64| {
                // Ids are taken far apart, so that neighbouring rows are not read in sequence.
                let place = usize::try_from(number.wrapping_mul(7919))? % ids.len();
                target.get(&format!("/api/payouts/{}/", ids[place]))
            })
        };
        let page = DEEP_PAGE.min(rows / PAGE - 1);
        let deep = cursor_of_page(target, page).await?;
        let accounts = (rows / 50).max(1).unsigned_abs();
        let by_account = {
            let target = target.clone();
            load::make(move |number: u64| {
                target.get(&format!(
                    "/api/payouts/?search=ACC-{}",
                    number.wrapping_mul(7919) % accounts
                ))
            })
        };
        let reads: Vec<(&'static str, Make)> = vec![
            ("`GET` by id", by_id),
            ("the first list page", fixed(target, "/api/payouts/".to_owned())),
            ("a page by cursor, the 5,000th", fixed(target, deep)),
            (
                "a list by status",
                fixed(target, "/api/payouts/?status=failed".to_owned()),
            ),
            ("a list by account", by_account),
        ];
        Ok(Self {
            database,
            server,
            rows,
            reads,
        })
    }
}

fn fixed(target: &Target, path: String) -> Make {
    let target = target.clone();
    load::make(move |_| target.get(&path))
}

/// Returns the link to this page, found by following the links as a client does.
async fn cursor_of_page(target: &Target, page: i64) -> Outcome<String> {
    let mut path = "/api/payouts/".to_owned();
    for _ in 1..page {
        let (status, body) = once(target, target.get(&path)?).await?;
        let next = serde_json::from_slice::<Value>(&body)?["next"]
            .as_str()
            .map(str::to_owned);
        let next = next.ok_or_else(|| format!("{status} and no next page at {path}"))?;
        let (_, rest) = next.split_once("/api/").ok_or("the next page is elsewhere")?;
        path = format!("/api/{rest}");
    }
    Ok(path)
}

pub(crate) async fn measure(run: &Run) -> Outcome<(Vec<Row>, Vec<Latencies>)> {
    let few = Side::start(run, "few", run.plan.few_rows).await?;
    let many = Side::start(run, "many", run.plan.many_rows).await?;
    let (mut rows, mut latencies) = (Vec::new(), Vec::new());
    for place in 0..few.reads.len() {
        let (read, _) = few.reads[place];
        // Indexed by side and quantile (p50 and p99), a value in milliseconds for each round.
        let mut found: [[Vec<f64>; 2]; 2] = Default::default();
        for round in 1..=run.plan.rounds {
            for (side, found) in [&few, &many].into_iter().zip(&mut found) {
                let make = &side.reads[place].1;
                let took = open(
                    &side.server.target,
                    CONNECTIONS,
                    READS_PER_SECOND,
                    run.plan.round,
                    make,
                )
                .await?;
                for (quantile, found) in [0.5, 0.99].into_iter().zip(found) {
                    found.push(took.value_at_quantile(quantile) as f64 / 1000.0);
                }
            }
            let last = |side: usize, quantile: usize| found[side][quantile][round - 1];
            run.note(&format!(
                "{read}, round {round}: p50 {:.2} and {:.2} ms, p99 {:.2} and {:.2} ms",
                last(0, 0),
                last(1, 0),
                last(0, 1),
                last(1, 1)
            ));
        }
        for (quantile, name) in ["p50", "p99"].into_iter().enumerate() {
            let row = Row {
                work: format!("{read}, {} rows, {name}", many.rows),
                against: format!("{} rows", few.rows),
                unit: "ms",
                ours: found[1][quantile].clone(),
                theirs: found[0][quantile].clone(),
                wanted: Wanted::AtMost(1.25),
            };
            run.done(&row);
            rows.push(row);
        }
        let point =
            |side: &Side, found: &[Vec<f64>; 2]| (side.rows as f64, median(&found[0]), median(&found[1]));
        latencies.push(Latencies {
            read,
            points: vec![point(&few, &found[0]), point(&many, &found[1])],
        });
    }

    let pages = closed(&few.server.target, 64, run.plan.round, &few.reads[1].1).await?;
    let row = Row {
        work: "the first list page, 64 connections".to_owned(),
        against: "the service before this one, on four cores".to_owned(),
        unit: "/s",
        ours: vec![pages.per_second],
        theirs: vec![PREDECESSOR],
        wanted: Wanted::AtLeast(15.0),
    };
    run.done(&row);
    rows.push(row);

    rows.extend(writes(run, &few, &many).await?);
    Ok((rows, latencies))
}

/// Measures creates, and then a drain of the created payouts.
async fn writes(run: &Run, few: &Side, many: &Side) -> Outcome<Vec<Row>> {
    let mut rates: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 1..=run.plan.rounds {
        for (side, rates) in [few, many].into_iter().zip(&mut rates) {
            let created = closed(
                &side.server.target,
                64,
                run.plan.round,
                &create(&side.server.target),
            )
            .await?;
            rates[0].push(created.per_second);
            side.database.tidy().await?;
            let variables = worker(&side.database, Duration::ZERO, 256);
            rates[1].push(drain(run, &run.services, &side.database, &variables, 1).await?);
            side.database.tidy().await?;
            run.note(&format!(
                "round {round}, {} rows: {:.0} creates/s, {:.0} drained/s",
                side.rows,
                rates[0][round - 1],
                rates[1][round - 1]
            ));
        }
    }
    let [few_rates, many_rates] = rates;
    let mut rows = Vec::new();
    for (place, work) in ["creates, 64 connections", "drains, one worker"]
        .into_iter()
        .enumerate()
    {
        let row = Row {
            work: format!("{work}, {} finished rows", many.rows),
            against: format!("{} rows", few.rows),
            unit: "/s",
            ours: many_rates[place].clone(),
            theirs: few_rates[place].clone(),
            wanted: Wanted::AtLeast(0.9),
        };
        run.done(&row);
        rows.push(row);
    }
    Ok(rows)
}
