//! A primary and a standby: an address that changes hands, several hosts in the URL, a synchronous standby that is
//! gone, a start at the wrong server.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use payout_tests::app::{App, Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::PAYOUTS;
use payout_tests::forwarder::Forwarder;
use payout_tests::store::Store;
use payout_tests::throwaway::Postgres;
use payout_tests::wait::{SOON, eventually, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::BINARY;
use crate::unusable::{OTHERS, RUNNING, each_ends};

/// The time after which a service writes again once its address leads to the primary.
const BACK: Duration = Duration::from_secs(2);
/// The longest time without an acknowledged payout while a standby takes over.
const GAP: Duration = Duration::from_secs(5);
/// The connections for writes of one process.
const CONNECTIONS: i64 = 16;

/// Starts a primary with these settings, and a standby of it.
async fn pair(settings: &[&str]) -> (Postgres, Postgres) {
    let mut primary = Postgres::reserved();
    primary.start().await;
    let mut standby = Postgres::standby_of(&primary);
    standby.start().await;
    if !settings.is_empty() {
        primary.stop();
        primary.start_with(&[&["fsync=off"], settings].concat()).await;
    }
    (primary, standby)
}

fn launch_on(url: String) -> Launch {
    Launch::new(BINARY, Arc::new(Store::on(url, None)))
        .set("PAYOUT_LOG", "info")
        .call_timeout_ms(500)
}

/// Waits until readiness reports a detail with this text.
async fn until_detail(app: &App, text: &str) {
    let what = format!("ready says {text:?}");
    eventually(&what, SOON, async || {
        let reply = app.get("/health/ready").await;
        let detail = reply.json()["checks"]["database"]["detail"].clone();
        let says = detail.as_str().is_some_and(|detail| detail.contains(text));
        (says && reply.status == 503).then_some(())
    })
    .await;
}

/// Waits until the service is ready and takes a payout.
async fn until_it_writes(app: &App) {
    eventually("it is ready and takes payouts", SOON, async || {
        let ready = app.get("/health/ready").await.status == 200;
        let status = app.post(PAYOUTS).json(payout()).await.status;
        (ready && status == 201).then_some(())
    })
    .await;
}

fn warnings<'l>(log: &'l str, what: &str) -> Vec<&'l str> {
    log.lines()
        .filter(|line| line.contains("WARN") && line.contains(what))
        .collect()
}

#[tokio::test]
async fn an_address_that_led_to_a_standby_is_of_use_two_seconds_after_it_leads_to_the_primary() {
    let (primary, standby) = pair(&[]).await;
    let address = Forwarder::to(primary.port()).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", address.port());
    let app = launch_on(url).run().await;
    app.create(payout()).await;
    address.lead_to(standby.port());
    address.cut();
    until_detail(&app, "a standby").await;
    app.post(PAYOUTS).json(payout()).await.problem(503);
    // Whatever the standby lets in stays open when the address leads to the primary again.
    address.lead_to(primary.port());
    let begun = now();
    until_it_writes(&app).await;
    let took = now() - begun;
    eprintln!("measured: {took:?} after the address led to the primary again, a payout was acknowledged");
    assert!(took < BACK, "{took:?}: {}", app.log());
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    let log = app.log();
    let said = warnings(&log, "the database takes no writes");
    assert_eq!(said.len(), 1, "once: {log}");
    assert!(
        said[0].contains("the server is a standby"),
        "with its cause: {log}"
    );
    let _ = app.get(PAYOUTS).await.expect(200);
}

/// Creates payouts until told to stop; returns the paths of all acknowledged ones, and the longest time without one.
async fn load(app: &App, stop: &tokio::sync::watch::Receiver<bool>) -> (HashSet<String>, Duration) {
    let acknowledged = std::sync::Mutex::new((HashSet::new(), now(), Duration::ZERO));
    let client = async || {
        while !*stop.borrow() {
            let reply = app.post(PAYOUTS).json(payout()).await;
            if reply.status == 201 {
                let (paths, last, gap) = &mut *acknowledged.lock().unwrap();
                paths.insert(path_of(&reply.json()));
                *gap = (*gap).max(now() - *last);
                *last = now();
            } else {
                reply.problem(503);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    futures::future::join_all((0..8).map(|_| client())).await;
    let (paths, _, gap) = acknowledged.into_inner().unwrap();
    (paths, gap)
}

#[tokio::test]
async fn a_promoted_standby_is_found_under_load_and_nothing_acknowledged_is_missing() {
    let (mut primary, standby) = pair(&["synchronous_standby_names=*"]).await;
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let app = launch_on(url).run().await;
    app.create(payout()).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let failover = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        primary.stop();
        standby.promote().await;
        tokio::time::sleep(GAP + Duration::from_secs(2)).await;
        stop.send_replace(true);
    };
    let ((paths, gap), ()) = tokio::join!(load(&app, &stopped), failover);
    eprintln!(
        "measured: {} payouts acknowledged, {gap:?} without one during the failover",
        paths.len()
    );
    assert!(paths.len() > 100, "{} acknowledged", paths.len());
    assert!(gap < GAP, "{gap:?} without an acknowledged payout: {}", app.log());
    for path in &paths {
        app.until(path, "completed").await;
    }
    assert_eq!(app.get("/health/ready").await.status, 200);
    let doctor = app.launch().finish(&["doctor"]).await;
    let line = doctor.printed();
    assert!(line.contains(&format!("{hosts}/postgres answers")), "{line}");
    let log = app.log();
    assert_eq!(warnings(&log, "another host of the database").len(), 1, "{log}");
}

#[tokio::test]
async fn hosts_of_which_none_takes_writes_are_named() {
    let (mut primary, standby) = pair(&[]).await;
    primary.stop();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let launch = launch_on(format!("postgres://postgres@{hosts}/postgres"));
    let mut doctor = launch.finish(&["doctor"]).await;
    assert_eq!(doctor.ended().unwrap().code(), Some(1));
    assert!(doctor.printed().contains(&hosts), "{}", doctor.printed());
    // A process that starts during a failover waits for its end.
    let app = launch.start(&["run"]);
    let first = format!("127.0.0.1:{} (", primary.port());
    let second = format!("127.0.0.1:{} (a standby)", standby.port());
    eventually("it names the hosts", SOON, async || {
        let log = app.log();
        (log.contains(&first) && log.contains(&second)).then_some(())
    })
    .await;
    standby.promote().await;
    let app = app.ready().await;
    app.create(payout()).await;
}

/// Counts the sessions that wait for a synchronous standby.
async fn waiting(primary: &Postgres) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    Store::on(primary.url(), None).number(count).await
}

#[tokio::test]
async fn a_synchronous_standby_that_is_gone_stops_the_writes_and_leaves_few_of_them_waiting() {
    let (primary, mut standby) = pair(&["synchronous_standby_names=*"]).await;
    let app = launch_on(primary.url()).run().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    standby.stop();
    let gone = now();
    // As many clients as give up and try again.
    let attempts = async {
        while now() - gone < Duration::from_secs(12) {
            let tries = (0..20).map(|_| app.post(PAYOUTS).json(payout()).into_future());
            for reply in futures::future::join_all(tries).await {
                reply.problem(503);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let told = async {
        until_detail(&app, "confirms no writes").await;
        now() - gone
    };
    let ((), told) = tokio::join!(attempts, told);
    eprintln!("measured: not ready {told:?} after the standby was gone");
    assert!(told < Duration::from_secs(6), "{told:?}");
    let waiting = waiting(&primary).await;
    eprintln!("measured: {waiting} sessions wait for it");
    assert!(
        (1..=CONNECTIONS + 1).contains(&waiting),
        "{waiting} sessions wait"
    );
    // A write is refused at once, and a read is answered.
    let begun = now();
    app.post(PAYOUTS).json(payout()).await.problem(503);
    assert!(now() - begun < Duration::from_secs(1), "{:?}", now() - begun);
    let _ = app.get(&path).await.expect(200);
    standby.start().await;
    let begun = now();
    until_it_writes(&app).await;
    eprintln!("measured: back {:?} after the standby", now() - begun);
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    let log = app.log();
    let said = warnings(&log, "the database ");
    assert_eq!(said.len(), 1, "one line: {log}");
    assert!(said[0].contains("synchronous_standby_names"), "{log}");
}

#[tokio::test]
async fn a_start_on_a_standby_ends_with_one_line() {
    let (primary, standby) = pair(&[]).await;
    launch_on(primary.url()).migrate().await;
    let all: Vec<&[&str]> = RUNNING.into_iter().chain(OTHERS).collect();
    let name = format!("127.0.0.1:{}", standby.port());
    each_ends(&launch_on(standby.url()), &all, &name, "the server is a standby").await;
}

/// Lets every client in as a server of this version does, and answers nothing else.
async fn server_of_version(version: &'static str) -> u16 {
    let port = payout_tests::ports::free_port();
    let listener = payout_tests::ports::listen(port).await;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut startup = vec![0; 4];
                client.read_exact(&mut startup).await?;
                let length = u32::from_be_bytes([startup[0], startup[1], startup[2], startup[3]]);
                startup.resize(usize::try_from(length).unwrap_or(4) - 4, 0);
                client.read_exact(&mut startup).await?;
                let mut status = b"server_version\0".to_vec();
                status.extend_from_slice(version.as_bytes());
                status.push(0);
                let mut hello = b"R\0\0\0\x08\0\0\0\0S".to_vec();
                hello.extend_from_slice(&u32::try_from(status.len() + 4).unwrap_or(0).to_be_bytes());
                hello.extend_from_slice(&status);
                hello.extend_from_slice(b"Z\0\0\0\x05I");
                client.write_all(&hello).await?;
                client.read_to_end(&mut startup).await
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_too_old_ends_the_start_with_one_line() {
    let port = server_of_version("14.9 (Debian 14.9-1)").await;
    let launch = launch_on(format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    let all: Vec<&[&str]> = RUNNING.into_iter().chain(OTHERS).collect();
    let name = format!("127.0.0.1:{port}");
    each_ends(&launch, &all, &name, "PostgreSQL 14.9: upgrade it to 15 or later").await;
}
