//! The processor time that operators cost who have the live list of the console open while payouts change.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::drains::worker;
use crate::load::{Target, make, once, open};
use crate::run::Run;
use crate::service::Service;
use crate::table::{Row, Wanted};
use crate::{Outcome, clock, creates, load};

/// The payouts that are made and completed each second.
const PAYOUTS_PER_SECOND: f64 = 100.0;
const MEASURED: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 4;
/// The payouts that a page shows.
const SHOWN: usize = 50;

/// Measures the row.
pub(crate) async fn measure(run: &Run, operators: usize) -> Outcome<Vec<Row>> {
    let database = run.fresh_database("operators").await?;
    let variables = worker(&database, Duration::ZERO, 64);
    let mut server = run.services.start("serve", &variables).await?;
    let mut workers = run.services.start("worker", &variables).await?;
    let target = server.target.clone();
    let alone = processor_time(&server).await?;
    let mut watching = JoinSet::new();
    for _ in 0..operators {
        watching.spawn(watch(target.clone()));
    }
    // Everybody has opened the list.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let beside = processor_time(&server).await?;
    if watching.len() < operators || watching.try_join_next().is_some() {
        return Err("an operator's stream ended".into());
    }
    watching.abort_all();
    for service in [&mut server, &mut workers] {
        service.process.terminate().await;
    }
    run.note(&format!(
        "the server computed {:.1} % of a core without operators, and {:.1} % with {operators}",
        alone * 100.0,
        beside * 100.0
    ));
    let row = Row {
        work: format!("processor time for {operators} operators, {PAYOUTS_PER_SECOND} payouts a second"),
        against: "the target".to_owned(),
        unit: "% of a core",
        ours: vec![(beside - alone) * 100.0],
        theirs: vec![5.0],
        wanted: Wanted::AtMost(1.0),
    };
    run.done(&row);
    Ok(vec![row])
}

/// Returns the server's share of a core while payouts are made and completed.
async fn processor_time(server: &Service) -> Outcome<f64> {
    let target = server.target.clone();
    let create = make(move |number| creates::of_amount(&target, "1.00", number));
    let (begun, before) = (clock::now(), server.processor_seconds()?);
    open(&server.target, CONNECTIONS, PAYOUTS_PER_SECOND, MEASURED, &create).await?;
    let took = load::seconds(begun, clock::now());
    Ok((server.processor_seconds()? - before) / took)
}

/// Does what the page does: opens the list and its stream, and asks for the rows that changed among those it shows.
async fn watch(target: Target) -> Outcome<()> {
    loop {
        let (_, page) = once(&target, target.get("/console/payouts/")?).await?;
        let page = String::from_utf8_lossy(&page).into_owned();
        let shown: Vec<String> = page
            .split("id=\"payout-")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .take(SHOWN)
            .map(str::to_owned)
            .collect();
        follow(&target, &shown).await?;
    }
}

/// Follows the stream to its end.
async fn follow(target: &Target, shown: &[String]) -> Outcome<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    let request = format!("GET /console/live/ HTTP/1.1\r\nHost: {}\r\n\r\n", target.host);
    stream.write_all(request.as_bytes()).await?;
    let (mut text, mut part) = (String::new(), [0; 16 * 1024]);
    loop {
        let read = stream.read(&mut part).await?;
        if read == 0 || text.ends_with("0\r\n\r\n") {
            return Ok(());
        }
        text.push_str(&String::from_utf8_lossy(&part[..read]));
        while let Some((message, rest)) = text.split_once("\n\n") {
            let changed: Vec<&String> = shown.iter().filter(|id| message.contains(id.as_str())).collect();
            if !changed.is_empty() {
                let query: Vec<String> = changed.iter().map(|id| format!("id={id}")).collect();
                let path = format!("/console/payouts/rows/?{}", query.join("&"));
                once(target, target.get(&path)?).await?;
            }
            text = rest.to_owned();
        }
    }
}
