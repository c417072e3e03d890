//! Reads of a large table: statistics, the console's list beside the API's, and the feed from its first page to its last.

use std::time::Duration;

use serde_json::Value;

use crate::database::Database;
use crate::load::{Target, closed, make, once, open, seconds};
use crate::run::Run;
use crate::service::Service;
use crate::table::{Row, Wanted, median};
use crate::{Outcome, clock};

/// The rate of the statistics' latencies, in requests per second.
const STATS_PER_SECOND: f64 = 20.0;
const STATS_WITHIN_MS: f64 = 50.0;
/// The events of a page of the feed, and the pages at each place.
const EVENTS: u64 = 1_000;
const PAGES: usize = 200;
/// The limit of counting every payout for the statistics.
const COUNTED_WITHIN: Duration = Duration::from_secs(30 * 60);

/// The lists that both the API and the console have.
const LISTS: [(&str, &str); 4] = [
    ("the first page", ""),
    ("a list by status", "status=failed"),
    ("a list by currency", "currency=USD"),
    ("a list by account", "search=ACC-7"),
];

/// Measures the rows with this many payouts.
pub(crate) async fn measure(run: &Run, payouts: i64) -> Outcome<Vec<Row>> {
    let database = run.database("large").await?;
    database
        .finish(payouts, |what| run.note(&format!("filling: {what}")))
        .await?;
    let mut worker = run.services.start("worker", &database.variables).await?;
    counted(run, &database).await?;
    worker.process.terminate().await;
    let mut server = run.services.start("serve", &database.variables).await?;
    let mut rows = statistics(run, &server, &database, payouts).await?;
    rows.extend(lists(run, &server, payouts).await?);
    rows.extend(feed(run, &server.target).await?);
    server.process.terminate().await;
    Ok(rows)
}

/// Waits until the worker has counted every payout.
async fn counted(run: &Run, database: &Database) -> Outcome<()> {
    let begun = clock::now();
    while !database.is_counted().await? {
        if seconds(begun, clock::now()) > COUNTED_WITHIN.as_secs_f64() {
            return Err("the statistics are not counted".into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    run.note(&format!(
        "counted for the statistics in {:.0} s",
        seconds(begun, clock::now())
    ));
    Ok(())
}

async fn statistics(run: &Run, server: &Service, database: &Database, payouts: i64) -> Outcome<Vec<Row>> {
    let from = database.day_before(100).await?;
    let mut rows = Vec::new();
    for by in ["day", "currency", "status", "provider"] {
        let path = format!("/api/stats/?from={from}&by={by}");
        let target = server.target.clone();
        let ask = make(move |_| target.get(&path));
        let mut row = Row {
            work: format!("p99 of statistics of 100 days by {by}, {payouts} payouts"),
            against: "the target".to_owned(),
            unit: "ms",
            ours: Vec::new(),
            theirs: vec![STATS_WITHIN_MS],
            wanted: Wanted::AtMost(1.0),
        };
        for round in 1..=run.plan.rounds {
            let took = open(&server.target, 4, STATS_PER_SECOND, Duration::from_secs(5), &ask).await?;
            row.ours.push(took.value_at_quantile(0.99) as f64 / 1000.0);
            run.round(round, &row);
        }
        rows.push(row);
    }
    Ok(rows)
}

async fn lists(run: &Run, server: &Service, payouts: i64) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, query) in LISTS {
        let pages = [
            format!("/console/payouts/?{query}"),
            format!("/api/payouts/?page_size=50&{query}"),
        ];
        let mut row = Row {
            work: format!("a page of the console: {name}, {payouts} payouts"),
            against: "the API's page of as many".to_owned(),
            unit: "ms",
            ours: Vec::new(),
            theirs: Vec::new(),
            wanted: Wanted::AtMost(1.5),
        };
        for round in 1..=run.plan.rounds {
            for (page, took) in pages.iter().zip([&mut row.ours, &mut row.theirs]) {
                let (target, page) = (server.target.clone(), page.clone());
                let ask = make(move |_| target.get(&page));
                let rate = closed(&server.target, 1, run.plan.round, &ask).await?;
                if rate.failed > 0 {
                    return Err(format!("{name}: {} pages failed", rate.failed).into());
                }
                took.push(1000.0 / rate.per_second);
            }
            run.round(round, &row);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Follows the feed from its first page to its last, then compares its pages at both ends and in the middle, in turn.
async fn feed(run: &Run, target: &Target) -> Outcome<Vec<Row>> {
    let first = format!("/api/events/?limit={EVENTS}");
    let (mut pages, mut events) = (vec![first.clone()], 0);
    loop {
        let page = feed_page(target, &pages[pages.len() - 1]).await?;
        let results = page["results"].as_array().map_or(0, Vec::len);
        if results == 0 {
            break;
        }
        events += results;
        let next = page["next"].as_str().ok_or("a page without a cursor")?;
        pages.push(format!("{first}&after={next}"));
        if pages.len() % 5_000 == 0 {
            run.note(&format!("{events} events followed"));
        }
    }
    // The last page is empty, and the one before it is not full.
    pages.truncate(pages.len().saturating_sub(2));
    let at = |place: usize| &pages[place..(place + PAGES).min(pages.len())];
    let end = pages.len().saturating_sub(PAGES);
    let places = [at(0), at(end / 2), at(end)];
    let mut row = Row {
        work: format!(
            "a page of {EVENTS} events of the feed at its slowest place: start, middle or end, {events} events"
        ),
        against: "at the quickest".to_owned(),
        unit: "ms",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtMost(1.25),
    };
    for round in 1..=run.plan.rounds {
        let mut took = [Vec::new(), Vec::new(), Vec::new()];
        // Page by page in turn, so that what else the machine does slows all places alike.
        for page in 0..PAGES {
            for (place, took) in places.iter().zip(&mut took) {
                let Some(page) = place.get(page) else { continue };
                let begun = clock::now();
                feed_page(target, page).await?;
                took.push(seconds(begun, clock::now()) * 1000.0);
            }
        }
        let [start, middle, end] = took.map(|took| median(&took));
        run.note(&format!(
            "{start:.1} ms at the start, {middle:.1} in the middle and {end:.1} at the end"
        ));
        row.ours.push(start.max(middle).max(end));
        row.theirs.push(start.min(middle).min(end));
        run.round(round, &row);
    }
    Ok(vec![row])
}

async fn feed_page(target: &Target, path: &str) -> Outcome<Value> {
    let (status, body) = once(target, target.get(path)?).await?;
    if !status.is_success() {
        return Err(format!("{path} is answered with {status}").into());
    }
    Ok(serde_json::from_slice(&body)?)
}
