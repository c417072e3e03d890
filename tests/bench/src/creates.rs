//! `POST /api/payouts/`, beside `pgbench` inserting the same rows with as many clients.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use crate::load::{Make, Target, closed};
use crate::run::{Run, say};
use crate::table::{Row, Wanted, median};
use crate::{Outcome, load, pgbench::Work};

/// The numbers of connections, each with the minimum ratio.
const ROWS: [(usize, f64); 2] = [(64, 1.0), (256, 1.5)];
/// The other numbers of connections in the plot.
const CURVE: [usize; 6] = [1, 4, 16, 64, 128, 256];

/// Creates per second of the service that this one replaces, at 64 connections on four cores.
const PREDECESSOR: f64 = 730.0;

/// Makes a create of this amount.
pub(crate) fn of_amount(target: &Target, amount: &str, number: u64) -> Outcome<Request<Full<Bytes>>> {
    let body = format!(
        r#"{{"amount": "{amount}", "currency": "USD", "recipient_account": "DE89370400440532013000", "recipient_name": "Ada Lovelace", "description": "Invoice {number}"}}"#
    );
    target.post("/api/payouts/", body)
}

/// Makes creates, each one different.
pub(crate) fn create(target: &Target) -> Make {
    let target = target.clone();
    load::make(move |number| {
        let body = format!(
            r#"{{"amount": "{}.{:02}", "currency": "USD", "recipient_account": "DE89370400440532013000", "recipient_name": "Ada Lovelace", "description": "Invoice {number}"}}"#,
            number % 1000 + 1,
            number % 100
        );
        target.post("/api/payouts/", body)
    })
}

/// A curve: connections, and creates per second.
pub(crate) type Curve = Vec<(f64, f64)>;

pub(crate) async fn measure(run: &Run) -> Outcome<(Vec<Row>, [Curve; 2])> {
    let (ours, theirs) = (run.database("creates").await?, run.database("inserts").await?);
    let server = run.services.start("serve", &ours.variables).await?;
    let pgbench = run.pgbench(&theirs)?;
    let make = create(&server.target);

    let mut rows = Vec::new();
    for (connections, least) in ROWS {
        let mut row = Row {
            work: format!("`POST /api/payouts/`, {connections} connections"),
            against: format!("pgbench inserting the same rows, {connections} clients"),
            unit: "/s",
            ours: Vec::new(),
            theirs: Vec::new(),
            wanted: Wanted::AtLeast(least),
        };
        for round in 1..=run.plan.rounds {
            let rate = closed(&server.target, connections, run.plan.round, &make).await?;
            if rate.failed > 0 {
                return Err(format!("{} creates failed", rate.failed).into());
            }
            row.ours.push(rate.per_second);
            row.theirs
                .push(pgbench.run(Work::Insert, connections, run.plan.round).await?);
            run.round(round, &row);
        }
        run.done(&row);
        rows.push(row);
    }
    rows.push(Row {
        work: "the same at 64".to_owned(),
        against: "the service before this one, on four cores".to_owned(),
        unit: "/s",
        ours: vec![median(&rows[0].ours)],
        theirs: vec![PREDECESSOR],
        wanted: Wanted::AtLeast(15.0),
    });

    let mut curves = [Curve::new(), Curve::new()];
    for connections in CURVE {
        let rate = closed(&server.target, connections, run.plan.round, &make).await?;
        let inserts = pgbench.run(Work::Insert, connections, run.plan.round).await?;
        say(&format!(
            "{connections} connections: {:.0}/s beside {inserts:.0}/s",
            rate.per_second
        ));
        curves[0].push((connections as f64, rate.per_second));
        curves[1].push((connections as f64, inserts));
    }
    Ok((rows, curves))
}
