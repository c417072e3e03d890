//! A backlog drained by workers, beside `pgbench` running each payout's life cycle in three commits.

use std::time::Duration;

use crate::database::{Database, until_finished};
use crate::load::seconds;
use crate::rivals::{self, Rival};
use crate::run::Run;
use crate::service::{Service, Services};
use crate::table::{Row, Wanted, median};
use crate::{Outcome, clock, pgbench::Work};

/// Drained payouts per second of the service that this one replaces, on four cores: without a delay, and with 200 ms.
const PREDECESSOR: (f64, f64) = (270.0, 77.0);
const CLIENTS: usize = 64;
/// The calls that a worker with a quick provider has in flight: as many as one claim takes.
const QUICK_CALLS: usize = 1_024;
/// The number of calls in flight of a worker with a slow provider.
const IN_FLIGHT: usize = 10_000;
const CALL: Duration = Duration::from_millis(200);

/// Returns the settings of a worker that drains.
pub(crate) fn worker(database: &Database, call: Duration, in_flight: usize) -> Vec<(String, String)> {
    let mut variables = database.variables.clone();
    variables.push((
        "PAYOUT_SIMULATED_DELAY_MS".to_owned(),
        call.as_millis().to_string(),
    ));
    variables.push(("PAYOUT_WORKER_CONCURRENCY".to_owned(), in_flight.to_string()));
    variables
}

/// Returns payouts per second, from the start of this many worker processes until no payout is unfinished.
pub(crate) async fn drain(
    run: &Run,
    services: &Services,
    database: &Database,
    variables: &[(String, String)],
    workers: usize,
) -> Outcome<f64> {
    let rows = database.unfinished(i64::MAX).await?;
    let begun = clock::now();
    let mut running: Vec<Service> = Vec::new();
    for _ in 0..workers {
        running.push(services.start("worker", variables).await?);
    }
    until_finished(database, Duration::from_secs(300)).await?;
    let took = seconds(begun, clock::now());
    let mut processor = 0.0;
    for mut worker in running {
        processor += worker.processor_seconds()?;
        worker.process.terminate().await;
    }
    // The rest of the machine's processor time went to the database.
    run.note(&format!(
        "{rows} payouts in {took:.1} s, of which the workers computed {processor:.1} s"
    ));
    Ok(rows as f64 / took)
}

pub(crate) async fn measure(run: &Run) -> Outcome<Vec<Row>> {
    let theirs = run.database("lives").await?;
    let pgbench = run.pgbench(&theirs)?;
    let backlog = run.plan.backlog;

    rivals::install().await?;
    let mut rates: [Vec<f64>; 7] = Default::default();
    for round in 1..=run.plan.rounds {
        let cases = [
            (1, Duration::ZERO, QUICK_CALLS),
            (2, Duration::ZERO, QUICK_CALLS),
            (4, Duration::ZERO, QUICK_CALLS),
            (1, CALL, IN_FLIGHT),
        ];
        for (case, (workers, call, in_flight)) in cases.into_iter().enumerate() {
            let ours = run.fresh_database("drains").await?;
            ours.backlog(backlog).await?;
            ours.tidy().await?;
            let rate = drain(
                run,
                &run.services,
                &ours,
                &worker(&ours, call, in_flight),
                workers,
            )
            .await?;
            run.note(&format!(
                "round {round}: {workers} workers, {} ms a call: {rate:.0}/s",
                call.as_millis()
            ));
            rates[case].push(rate);
        }
        let rate = pgbench.run(Work::Life, CLIENTS, run.plan.round).await?;
        run.note(&format!("round {round}: pgbench: {rate:.0} lives/s"));
        rates[4].push(rate);
        for (rival, case) in [(Rival::GraphileWorker, 5), (Rival::PgBoss, 6)] {
            let theirs = run.fresh_database("jobs").await?;
            let rate = rivals::drain(rival, &theirs, backlog).await?;
            run.note(&format!("round {round}: {}: {rate:.0} jobs/s", rival.name()));
            rates[case].push(rate);
        }
    }
    let [one, two, four, slow, lives, graphile, boss] = rates;
    let bound = median(&one).min(IN_FLIGHT as f64 / CALL.as_secs_f64());
    let row = |work: &str, against: &str, ours: &[f64], theirs: &[f64], least: f64| Row {
        work: work.to_owned(),
        against: against.to_owned(),
        unit: "/s",
        ours: ours.to_vec(),
        theirs: theirs.to_vec(),
        wanted: Wanted::AtLeast(least),
    };
    let rows = vec![
        row(
            "draining 100,000 payouts, one worker",
            "pgbench, a life in three commits, 64 clients",
            &one,
            &lives,
            3.0,
        ),
        row(
            "the same, one worker",
            "graphile-worker, jobs that do nothing, a local queue of 500",
            &one,
            &graphile,
            1.3,
        ),
        row(
            "the same, one worker",
            "pg-boss, jobs that do nothing, batches of 500",
            &one,
            &boss,
            1.3,
        ),
        row("the same, two workers", "one worker", &two, &one, 1.5),
        row("the same, four workers", "one worker", &four, &one, 1.5),
        row(
            "draining with calls of 200 ms, 10,000 in flight",
            "the lower of 50,000/s and one worker without delay",
            &slow,
            &[bound],
            0.9,
        ),
        row(
            "draining without delay, one worker",
            "the service before this one, on four cores",
            &[median(&one)],
            &[PREDECESSOR.0],
            50.0,
        ),
        row(
            "draining with calls of 200 ms",
            "the service before this one, on four cores",
            &[median(&slow)],
            &[PREDECESSOR.1],
            50.0,
        ),
    ];
    for row in &rows {
        run.done(row);
    }
    Ok(rows)
}
