//! The bounds of a single host: a synced commit on its disk, and the HTTP library itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use salvo::conn::TcpListener;
use salvo::{Listener, Router, Server, handler};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::process::Command;

use crate::creates::create;
use crate::load::{Make, Target, closed, once, seconds};
use crate::run::Run;
use crate::table::{Row, Wanted};
use crate::{Outcome, clock, load};

const DETAILS: &str = "
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
        created_by, created_in
    ) VALUES (?1, ?2, '10.5000', 'USD', 'DE89370400440532013000', 'Ada Lovelace', 'ada lovelace', 'Invoice', 'api',
        'd59fdc855ec35eb5-1')";
const STATE: &str = "
    INSERT INTO payout_states (
        id, created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status
    ) VALUES (?1, ?2, 0, 0, 0, 1, ?2, ?2, 0, 'pending')";

/// Measures rows per second, each in a commit of its own that the disk has acknowledged.
async fn synced_commits(file: &Path, duration: Duration) -> Outcome<f64> {
    let mut connection: SqliteConnection = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await?;
    let begun = clock::now();
    let mut done = 0_u64;
    while clock::now() < begun + duration {
        let at = i64::try_from(clock::since_epoch().as_micros())?;
        let id = uuid::Uuid::from_u128((u128::from(at.unsigned_abs()) << 64) | u128::from(done))
            .into_bytes()
            .to_vec();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(DETAILS)
            .bind(&id)
            .bind(at)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(STATE)
            .bind(&id)
            .bind(at)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        done += 1;
    }
    let rate = done as f64 / seconds(begun, clock::now());
    connection.close().await?;
    Ok(rate)
}

/// Measures `POST` on SQLite, beside one synced commit per row on the same file system.
pub(crate) async fn sqlite(run: &Run) -> Outcome<Vec<Row>> {
    let file = |name: &str| run.services.folder.join(name);
    let on = |file: &Path| vec![("DATABASE_URL".to_owned(), format!("sqlite://{}", file.display()))];
    let (ours, theirs) = (on(&file("ours.db")), on(&file("theirs.db")));
    for variables in [&ours, &theirs] {
        run.services.run("migrate", variables).await?;
    }
    let server = run.services.start("serve", &ours).await?;
    let mut row = Row {
        work: "`POST` on SQLite, 64 connections".to_owned(),
        against: "one synced commit a row, the same file system".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(5.0),
    };
    let make = create(&server.target);
    for round in 1..=run.plan.rounds {
        let rate = closed(&server.target, 64, run.plan.round, &make).await?;
        if rate.failed > 0 {
            return Err(format!("{} creates failed", rate.failed).into());
        }
        row.ours.push(rate.per_second);
        row.theirs
            .push(synced_commits(&file("theirs.db"), run.plan.round).await?);
        run.round(round, &row);
    }
    run.done(&row);
    Ok(vec![row])
}

#[handler]
async fn constant() -> &'static str {
    "a constant"
}

/// Serves a constant answer until it is killed.
pub(crate) async fn serve_constant(port: u16) -> Outcome<()> {
    let acceptor = TcpListener::new(("127.0.0.1", port)).try_bind().await?;
    Server::new(acceptor)
        .try_serve(Router::with_path("constant").get(constant))
        .await?;
    Ok(())
}

/// Measures `GET` by id over HTTP, beside a salvo handler that returns a constant.
pub(crate) async fn reads(run: &Run) -> Outcome<Vec<Row>> {
    let database = run.database("reads").await?;
    database.finish(10_000, |_| ()).await?;
    let server = run.services.start("serve", &database.variables).await?;
    let ids = database.ids(10_000).await?;
    let target = server.target.clone();
    let by_id: Make = load::make(move |number| {
        let place = usize::try_from(number.wrapping_mul(7919))? % ids.len();
        target.get(&format!("/api/payouts/{}/", ids[place]))
    });

    let other = Target::local(payout_tests::ports::free_port());
    let _process = Command::new(std::env::current_exe()?)
        .args(["constant", &other.address.port().to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    while once(&other, other.get("/constant")?).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let for_make = other.clone();
    let a_constant: Make = load::make(move |_| for_make.get("/constant"));

    let mut row = Row {
        work: "`GET` by id over HTTP, 64 connections".to_owned(),
        against: "a salvo handler that returns a constant".to_owned(),
        unit: "/s",
        ours: Vec::new(),
        theirs: Vec::new(),
        wanted: Wanted::AtLeast(0.3),
    };
    for round in 1..=run.plan.rounds {
        row.ours.push(
            closed(&server.target, 64, run.plan.round, &by_id)
                .await?
                .per_second,
        );
        row.theirs
            .push(closed(&other, 64, run.plan.round, &a_constant).await?.per_second);
        run.round(round, &row);
    }
    run.done(&row);
    Ok(vec![row])
}
