//! Batches of many rows: stored beside `COPY`, forecast by a dry run, and what single payouts feel of them; exports
//! beside `COPY TO`.

use std::fmt::Write as _;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;

use crate::database::Database;
use crate::drains::worker;
use crate::load::{Target, closed, once_within, open, seconds};
use crate::run::Run;
use crate::service::Service;
use crate::table::{Row, Wanted};
use crate::{Outcome, clock, creates};

const MIB: f64 = 1024.0 * 1024.0;
/// The longest time that one batch or one export may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The connections that create single payouts beside a batch.
const CONNECTIONS: usize = 8;
/// Single payouts per second while a batch waits.
const SINGLES: f64 = 50.0;

/// The sizes of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The rows of a batch.
    pub(crate) rows: usize,
    /// The payouts of an export.
    pub(crate) exported: i64,
}

/// Measures all rows.
pub(crate) async fn measure(run: &Run, sizes: Sizes) -> Outcome<Vec<Row>> {
    let mut rows = stored(run, sizes).await?;
    rows.extend(beside_singles(run, sizes).await?);
    rows.extend(exported(run, sizes).await?);
    for row in &rows {
        run.done(row);
    }
    Ok(rows)
}

/// Makes a file of this many rows; the number makes each file another batch.
fn file(number: usize, rows: usize) -> Bytes {
    let mut text = String::from("amount,currency,recipient_account,recipient_name,description,external_id\n");
    for row in 0..rows {
        let _ = writeln!(
            text,
            "{}.{:02},EUR,ACCOUNT-{row},Recipient {row},Salary {number},file-{number}-row-{row}",
            row % 900 + 1,
            row % 100
        );
    }
    text.into()
}

/// Sends a file, and returns the seconds until its answer.
async fn send(target: &Target, path: &str, file: Bytes) -> Outcome<f64> {
    let mut request: Request<Full<Bytes>> = target.post(path, String::new())?;
    *request.body_mut() = Full::new(file);
    request
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/csv"));
    let begun = clock::now();
    let (status, body) = once_within(target, request, PATIENCE).await?;
    if !status.is_success() {
        return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(seconds(begun, clock::now()))
}

async fn stored(run: &Run, sizes: Sizes) -> Outcome<Vec<Row>> {
    let row = |work: String, against: &str, unit, wanted| Row {
        work,
        against: against.to_owned(),
        unit,
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted,
    };
    let rows = sizes.rows;
    let mut stored = row(
        format!("storing {rows} rows of CSV"),
        "COPY of the same rows",
        "s",
        Wanted::AtMost(2.5),
    );
    let mut forecast = row(
        "a dry run of the same file".to_owned(),
        "storing it",
        "s",
        Wanted::AtMost(1.0),
    );
    let mut memory = row(
        "memory above idle while it is stored, at its highest".to_owned(),
        "the target",
        "MiB",
        Wanted::AtMost(1.0),
    );
    for round in 1..=run.plan.rounds {
        let database = run.fresh_database("batches").await?;
        let mut server = run.services.start("serve", &database.variables).await?;
        // The process has answered something before it is called idle.
        send(&server.target, "/api/batches/", file(0, 10)).await?;
        let idle = server.resident()? as f64;
        forecast
            .ours
            .push(send(&server.target, "/api/batches/?dry_run=true", file(round, rows)).await?);
        let took = send(&server.target, "/api/batches/", file(round, rows)).await?;
        stored.ours.push(took);
        forecast.theirs.push(took);
        memory.ours.push((server.peak()? as f64 - idle) / MIB);
        server.process.terminate().await;
        let copies = run.fresh_database("copied").await?;
        stored.theirs.push(database.copy_into(&copies).await?);
        run.round(round, &stored);
    }
    memory.theirs.push(64.0);
    Ok(vec![stored, forecast, memory])
}

async fn beside_singles(run: &Run, sizes: Sizes) -> Outcome<Vec<Row>> {
    let database = run.fresh_database("beside_batches").await?;
    let mut server = run.services.start("serve", &database.variables).await?;
    let make = creates::create(&server.target);
    let mut rate = Row {
        work: "single creates while batches are stored".to_owned(),
        against: "without batches".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(0.7),
    };
    for round in 1..=run.plan.rounds {
        let alone = closed(&server.target, CONNECTIONS, run.plan.round, &make).await?;
        let stop = clock::now() + run.plan.round + Duration::from_secs(1);
        let (beside, ()) = tokio::try_join!(
            closed(&server.target, CONNECTIONS, run.plan.round, &make),
            storing_until(&server, round, sizes.rows, stop)
        )?;
        if alone.failed + beside.failed > 0 {
            return Err("creates failed".into());
        }
        rate.theirs.push(alone.per_second);
        rate.ours.push(beside.per_second);
        run.round(round, &rate);
    }
    server.process.terminate().await;
    Ok(vec![rate, claimed(run, sizes).await?])
}

/// Stores one batch after the other until this time.
async fn storing_until(server: &Service, round: usize, rows: usize, stop: clock::Instant) -> Outcome<()> {
    let mut number = round * 1_000;
    while clock::now() < stop {
        number += 1;
        send(&server.target, "/api/batches/", file(number, rows)).await?;
    }
    Ok(())
}

/// Measures how long single payouts wait for their claim while a batch of many rows waits too.
async fn claimed(run: &Run, sizes: Sizes) -> Outcome<Row> {
    let database = run.fresh_database("claims_beside").await?;
    // Calls of 200 ms, of which few run at once: the batch waits for minutes.
    let variables = worker(&database, Duration::from_millis(200), 64);
    let mut server = run.services.start("serve", &variables).await?;
    send(&server.target, "/api/batches/", file(1, sizes.rows)).await?;
    let mut worker = run.services.start("worker", &variables).await?;
    let make = creates::create(&server.target);
    open(
        &server.target,
        CONNECTIONS,
        SINGLES,
        Duration::from_secs(20),
        &make,
    )
    .await?;
    let waited = database.claimed_after().await?;
    if database.unfinished(1).await? == 0 {
        return Err("the batch did not wait long enough".into());
    }
    for service in [&mut server, &mut worker] {
        service.process.terminate().await;
    }
    Ok(Row {
        work: format!(
            "p99 from create to claim of single payouts, {} of a batch waiting",
            sizes.rows
        ),
        against: "the target".to_owned(),
        unit: "ms",
        ours: vec![waited],
        theirs: vec![2_000.0],
        wanted: Wanted::AtMost(1.0),
    })
}

async fn exported(run: &Run, sizes: Sizes) -> Outcome<Vec<Row>> {
    let database: Database = run.fresh_database("exported").await?;
    database.finish(sizes.exported, |line| run.note(line)).await?;
    let mut server = run.services.start("serve", &database.variables).await?;
    once_within(&server.target, server.target.get("/api/payouts/")?, PATIENCE).await?;
    let idle = server.resident()? as f64;
    let mut rate = Row {
        work: format!("export of {} payouts as CSV", sizes.exported),
        against: "COPY TO of the same".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(0.3),
    };
    for round in 1..=run.plan.rounds {
        let begun = clock::now();
        let get = server.target.get("/api/payouts/export/?format=csv")?;
        let lines = crate::load::count_lines(&server.target, get, PATIENCE).await?;
        let took = seconds(begun, clock::now());
        let expected = u64::try_from(sizes.exported)? + 1;
        if lines != expected {
            return Err(format!("{lines} lines of {expected}").into());
        }
        rate.ours.push(sizes.exported as f64 / took);
        rate.theirs
            .push(sizes.exported as f64 / database.copy_out().await?);
        run.round(round, &rate);
    }
    let memory = Row {
        work: "memory above idle while it is exported, at its highest".to_owned(),
        against: "the target".to_owned(),
        unit: "MiB",
        ours: vec![(server.peak()? as f64 - idle) / MIB],
        theirs: vec![64.0],
        wanted: Wanted::AtMost(1.0),
    };
    server.process.terminate().await;
    Ok(vec![rate, memory])
}
