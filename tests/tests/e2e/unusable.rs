//! A database that only the operator can make usable ends every command at once, with one line that names the database
//! and the reason.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use payout_tests::app::Launch;
use payout_tests::store::{Backend, is_root};

use crate::support::{launch, on_each_backend};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Makes permission bits apply even to root.
fn kept_out(launch: Launch) -> Launch {
    if is_root() {
        let without = "--bounding-set=-dac_override,-dac_read_search";
        launch.through(&["setpriv", without])
    } else {
        launch
    }
}

/// Checks that each command ends, and logs this reason once.
pub(crate) async fn each_ends(launch: &Launch, commands: &[&[&str]], name: &str, reason: &str) {
    for command in commands {
        let launch = launch.clone().set(
            "PAYOUT_BIND",
            format!("127.0.0.1:{}", payout_tests::ports::free_port()),
        );
        let launch = if command[0] == "encryption" {
            launch.set("PAYOUT_ENCRYPTION_KEYS", format!("k1:{}=", "A".repeat(43)))
        } else {
            launch
        };
        let mut process = launch.finish(command).await;
        let (code, log) = (process.ended().unwrap().code(), process.log());
        let line = if command[0] == "doctor" {
            let printed = process.printed();
            printed
                .lines()
                .find(|line| line.starts_with("FAIL"))
                .unwrap_or_default()
                .to_owned()
        } else {
            let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("payout: ")).collect();
            assert_eq!(lines.len(), 1, "{command:?}: {log}");
            lines[0].to_owned()
        };
        assert_eq!(code, Some(1), "{command:?}: {line}");
        assert!(line.contains(name), "{command:?} names {name}: {line}");
        assert_eq!(
            line.matches(reason).count(),
            1,
            "{command:?} says {reason:?} once: {line}"
        );
        assert!(
            !log.contains("waiting for it"),
            "{command:?} does not wait: {log}"
        );
    }
}

pub(crate) const RUNNING: [&[&str]; 3] = [&["run"], &["serve"], &["worker"]];
pub(crate) const OTHERS: [&[&str]; 4] = [
    &["migrate"],
    &["keys", "create", "x", "--scopes", "read"],
    &["encryption", "rotate"],
    &["doctor"],
];

#[tokio::test]
async fn a_folder_is_no_database_file() {
    let launch = launch(Backend::Sqlite).await;
    std::fs::create_dir(launch.store().folder().join("payouts.db")).unwrap();
    let all: Vec<&[&str]> = RUNNING
        .into_iter()
        .chain(OTHERS)
        .chain([&["backup", "copy.db"][..]])
        .collect();
    each_ends(&launch, &all, "payouts.db", "it is a folder").await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_as_that() {
    let launch = launch(Backend::Sqlite).await;
    let file = launch.store().folder().join("payouts.db");
    std::fs::write(file, "this is no database, but a text of some length".repeat(100)).unwrap();
    let all: Vec<&[&str]> = RUNNING
        .into_iter()
        .chain(OTHERS)
        .chain([&["backup", "copy.db"][..]])
        .collect();
    each_ends(&launch, &all, "payouts.db", "file is not a database").await;
}

#[tokio::test]
async fn a_folder_that_nobody_may_write_to_is_named() {
    let launch = kept_out(launch(Backend::Sqlite).await);
    let folder = launch.store().folder().to_owned();
    let inner = folder.join("kept");
    std::fs::create_dir(&inner).unwrap();
    let url = format!("sqlite://{}", inner.join("payouts.db").display());
    let launch = launch.set("DATABASE_URL", url);
    chmod(&inner, 0o555);
    each_ends(&launch, &RUNNING, "kept/payouts.db", "Permission denied").await;
    each_ends(&launch, &[&["migrate"]], "kept/payouts.db", "Permission denied").await;
    // A database that already exists in the folder.
    chmod(&inner, 0o755);
    launch.migrate().await;
    chmod(&inner, 0o555);
    let all: Vec<&[&str]> = RUNNING
        .into_iter()
        .chain(OTHERS)
        .chain([&["backup", "copy.db"][..]])
        .collect();
    each_ends(&launch, &all, "kept/payouts.db", "Permission denied").await;
    chmod(&inner, 0o755);
    // The folder of a backup.
    chmod(&folder, 0o555);
    each_ends(&launch, &[&["backup", "copy.db"]], "copy.db", "Permission denied").await;
    chmod(&folder, 0o755);
}

#[tokio::test]
async fn a_file_that_nobody_may_write_to_is_named() {
    let launch = kept_out(launch(Backend::Sqlite).await);
    launch.migrate().await;
    let file = launch.store().folder().join("payouts.db");
    chmod(&file, 0o444);
    // The owner of the file may change its mode, and the service does so to make it private, but not writable.
    let all: Vec<&[&str]> = RUNNING
        .into_iter()
        .chain(OTHERS)
        .filter(|command| command[0] != "migrate")
        .collect();
    each_ends(&launch, &all, "payouts.db", "Permission denied").await;
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_not_waited_for() {
    let launch = launch(Backend::Postgres).await;
    let mut url: reqwest::Url = launch.store().url().parse().unwrap();
    let nowhere = launch
        .clone()
        .set("DATABASE_URL", on(&url, "payout_no_such_database"));
    let all: Vec<&[&str]> = RUNNING.into_iter().chain(OTHERS).collect();
    each_ends(&nowhere, &all, "payout_no_such_database", "does not exist").await;
    url.set_username("payout_no_such_role").unwrap();
    each_ends(
        &launch.set("DATABASE_URL", &url),
        &all,
        "payout_no_such_role",
        "(code 28",
    )
    .await;
}

fn on(url: &reqwest::Url, database: &str) -> String {
    let mut url = url.clone();
    url.set_path(database);
    url.into()
}

/// A disabled audit trail does not end the service: other guards protect the payments.
async fn an_audit_trail_that_was_laid_open_is_told_at_the_start_and_by_doctor(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let mut doctor = launch.finish(&["doctor"]).await;
    assert_eq!(doctor.ended().unwrap().code(), Some(0), "{}", doctor.printed());
    let open = match backend {
        Backend::Sqlite => "DROP TRIGGER payout_events_refuse_delete",
        Backend::Postgres => "ALTER TABLE payout_events DISABLE TRIGGER ALL",
    };
    launch.store().execute(open).await;
    let mut doctor = launch.finish(&["doctor"]).await;
    assert_eq!(doctor.ended().unwrap().code(), Some(1));
    assert!(
        doctor.printed().contains("FAIL  audit trail"),
        "{}",
        doctor.printed()
    );
    let app = launch.run().await;
    let log = app.log();
    let said = log
        .lines()
        .filter(|line| line.contains("ERROR") && line.contains("audit trail"));
    assert_eq!(said.count(), 1, "{log}");
}

on_each_backend!(an_audit_trail_that_was_laid_open_is_told_at_the_start_and_by_doctor);
