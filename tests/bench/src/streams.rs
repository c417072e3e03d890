//! The memory of a server with many readers of the live stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::load::{Target, once};
use crate::run::Run;
use crate::table::{Row, Wanted};
use crate::{Outcome, clock, creates};

/// The number of payouts that are made while the readers follow, and so of events that each must receive.
const PAYOUTS: u64 = 200;
/// The time within which every reader has every event.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures the row.
pub(crate) async fn measure(run: &Run, readers: u64) -> Outcome<Vec<Row>> {
    let database = run.fresh_database("streams").await?;
    let mut server = run.services.start("serve", &database.variables).await?;
    warm_up(&server.target).await?;
    let before = server.resident()?;
    let received = Arc::new(AtomicU64::new(0));
    let mut following = JoinSet::new();
    for _ in 0..readers {
        let stream = follow(&server.target).await?;
        following.spawn(count(stream, received.clone()));
    }
    for number in 0..PAYOUTS {
        let request = creates::of_amount(&server.target, "1.00", number)?;
        once(&server.target, request).await?;
    }
    let until = clock::now() + PATIENCE;
    while received.load(Ordering::Relaxed) < readers * PAYOUTS {
        if clock::now() > until {
            let received = received.load(Ordering::Relaxed);
            return Err(format!("{received} of {} events arrived", readers * PAYOUTS).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = server.resident()?;
    following.abort_all();
    server.process.terminate().await;
    let each = after.saturating_sub(before) as f64 / 1024.0 / readers as f64;
    let row = Row {
        work: format!("memory for each of {readers} readers of the live stream"),
        against: "the target".to_owned(),
        unit: "KiB",
        ours: vec![each],
        theirs: vec![64.0],
        wanted: Wanted::AtMost(1.0),
    };
    run.done(&row);
    Ok(vec![row])
}

/// Makes some payouts, so that what the server allocates once is not counted.
async fn warm_up(target: &Target) -> Outcome<()> {
    for number in 0..PAYOUTS {
        once(target, creates::of_amount(target, "1.00", number)?).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// Opens a stream, and waits for its first message.
async fn follow(target: &Target) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(target.address).await?;
    let request = format!(
        "GET /api/events/stream/ HTTP/1.1\r\nHost: {}\r\n\r\n",
        target.host
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !contains(&head, b"retry: ") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Err(format!("a stream ended: {}", String::from_utf8_lossy(&head)).into());
        }
        head.extend_from_slice(&part[..read]);
    }
    Ok(stream)
}

/// Counts the events that a stream sends.
async fn count(mut stream: TcpStream, received: Arc<AtomicU64>) {
    const MARK: &[u8] = b"event: payout.created";
    let mut rest: Vec<u8> = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part).await {
        rest.extend_from_slice(&part[..read]);
        let found = rest.windows(MARK.len()).filter(|window| *window == MARK).count();
        received.fetch_add(found as u64, Ordering::Relaxed);
        // A mark may be split between two parts.
        let keep = rest.len().min(MARK.len() - 1);
        rest.drain(..rest.len() - keep);
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
