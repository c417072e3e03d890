//! Memory, and the time from start to readiness.

use std::time::Duration;

use crate::database::until_finished;
use crate::drains::worker;
use crate::load::seconds;
use crate::run::Run;
use crate::table::{Row, Wanted, median};
use crate::{Outcome, clock};

const MIB: f64 = 1024.0 * 1024.0;
const IN_FLIGHT: usize = 10_000;
const CALL: Duration = Duration::from_millis(200);
/// The memory of the service that this one replaces, in MiB.
const PREDECESSOR: f64 = 1_300.0;

pub(crate) async fn measure(run: &Run) -> Outcome<Vec<Row>> {
    let mut rows = vec![start(run).await?];
    rows.push(idle(run).await?);
    rows.extend(under_load(run).await?);
    for row in &rows {
        run.done(row);
    }
    Ok(rows)
}

/// Measures the start on an existing file with its schema.
async fn start(run: &Run) -> Outcome<Row> {
    let file = run.services.folder.join("start.db");
    let variables = vec![("DATABASE_URL".to_owned(), format!("sqlite://{}", file.display()))];
    run.services.run("migrate", &variables).await?;
    let mut took = Vec::new();
    for round in 1..=run.plan.rounds * 2 {
        let begun = clock::now();
        let mut service = run.services.start("run", &variables).await?;
        took.push(seconds(begun, clock::now()) * 1000.0);
        run.note(&format!("start {round}: {:.0} ms", took[round - 1]));
        service.process.terminate().await;
    }
    Ok(Row {
        work: "start to ready on SQLite".to_owned(),
        against: "the target".to_owned(),
        unit: "ms",
        ours: took,
        theirs: vec![150.0],
        wanted: Wanted::AtMost(1.0),
    })
}

async fn idle(run: &Run) -> Outcome<Row> {
    let database = run.database("idle").await?;
    let service = run.services.start("run", &database.variables).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(Row {
        work: "memory, idle, serving and working on PostgreSQL and Redis".to_owned(),
        against: "the target".to_owned(),
        unit: "MiB",
        ours: vec![service.resident()? as f64 / MIB],
        theirs: vec![40.0],
        wanted: Wanted::AtMost(1.0),
    })
}

/// Samples memory twice per second while a worker has 10,000 calls in flight. It is flat when the second half is no
/// higher than the first.
async fn under_load(run: &Run) -> Outcome<Vec<Row>> {
    let database = run.database("great_backlog").await?;
    database.backlog(run.plan.great_backlog).await?;
    database.tidy().await?;
    let mut service = run
        .services
        .start("worker", &worker(&database, CALL, IN_FLIGHT))
        .await?;
    let mut samples = Vec::new();
    while database.unfinished(1).await? > 0 {
        samples.push(service.resident()? as f64 / MIB);
        run.note(&format!("{:.0} MiB", samples[samples.len() - 1]));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    until_finished(&database, Duration::from_secs(60)).await?;
    service.process.terminate().await;
    // The first samples, while memory fills, belong to neither half.
    let settled = &samples[samples.len() / 5..];
    let (first, second) = settled.split_at(settled.len() / 2);
    let peak = samples.iter().copied().fold(0.0, f64::max);
    let backlog = run.plan.great_backlog;
    Ok(vec![
        Row {
            work: format!("memory, 10,000 in flight with a backlog of {backlog}, at its highest"),
            against: "the target".to_owned(),
            unit: "MiB",
            ours: vec![peak],
            theirs: vec![250.0],
            wanted: Wanted::AtMost(1.0),
        },
        Row {
            work: "the same, second half of the time".to_owned(),
            against: "its first half".to_owned(),
            unit: "MiB",
            ours: vec![median(second)],
            theirs: vec![median(first)],
            wanted: Wanted::AtMost(1.1),
        },
        Row {
            work: "the same, at its highest".to_owned(),
            against: "the service before this one".to_owned(),
            unit: "MiB",
            ours: vec![peak],
            theirs: vec![PREDECESSOR],
            wanted: Wanted::AtMost(0.1),
        },
    ])
}
