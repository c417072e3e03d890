//! Settings: the error for each invalid one, and the ways to give them.

use payout_tests::app::{Launch, path_of};
use payout_tests::body;
use payout_tests::store::Backend;

use crate::support::{launch, on_each_backend};

/// Checks that the command ends at once with an error, and with exactly one line, which names the variable.
async fn refused(launch: &Launch, args: &[&str], variable: &str) -> String {
    let mut process = launch.finish(args).await;
    let status = process.ended().unwrap();
    assert!(
        !status.success() && status.code().is_some(),
        "{variable}: {status}"
    );
    let log = process.log();
    assert_eq!(log.lines().count(), 1, "{variable}: {log}");
    assert!(log.contains(variable), "{variable}: {log}");
    assert_eq!(process.printed(), "", "{variable}");
    log
}

#[tokio::test]
async fn each_wrong_setting_is_refused_by_name() {
    let launch = launch(Backend::Sqlite).await;
    for (variable, values) in [
        (
            "DATABASE_URL",
            &[
                "mysql://x/y",
                "payouts.db",
                "postgres:",
                "sqlite://",
                "sqlite::memory:",
                "memory:x",
            ][..],
        ),
        (
            "REDIS_URL",
            &["localhost:6379", "http://127.0.0.1:6379", "redis:", "x"],
        ),
        (
            "PAYOUT_BIND",
            &[
                "8000",
                "127.0.0.1",
                "127.0.0.1:99999",
                "nowhere:8000",
                "256.0.0.1:80",
            ],
        ),
        ("PAYOUT_PROCESSOR", &["paypal", "Simulated", "0"]),
        (
            "PAYOUT_SIMULATED_DELAY_MS",
            &["-1", "1.5", "x", "1s", "99999999999999999999"],
        ),
        (
            "PAYOUT_SIMULATED_FAILURE_RATE",
            &["-0.1", "1.1", "NaN", "x", "50%", "inf"],
        ),
        (
            "PAYOUT_WORKER_CONCURRENCY",
            &["0", "-1", "x", "1e3", "99999999999999999999"],
        ),
        ("PAYOUT_LEASE_MS", &["0", "-1", "x"]),
        ("PAYOUT_CALL_TIMEOUT_MS", &["0", "-1", "x"]),
        ("PAYOUT_SWEEP_MS", &["0", "-1", "x"]),
        ("PAYOUT_BACKOFF_BASE_MS", &["0", "-1", "x"]),
        ("PAYOUT_BACKOFF_CAP_MS", &["0", "-1", "x"]),
        ("PAYOUT_MAX_ATTEMPTS", &["0", "-1", "x"]),
        ("PAYOUT_KEY_WINDOW_HOURS", &["0", "-1", "x"]),
        ("PAYOUT_READ_CONNECTIONS", &["0", "65", "x"]),
        ("PAYOUT_READ_TIMEOUT_MS", &["0", "99", "60001", "x"]),
        ("PAYOUT_POSTGRES_CONNECTIONS", &["0", "1", "1001", "x"]),
        ("PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS", &["999", "60001"]),
        ("PAYOUT_POSTGRES_LOCK_TIMEOUT_MS", &["0", "2001"]),
        ("PAYOUT_SQLITE_READERS", &["0", "65"]),
        ("PAYOUT_SQLITE_BUSY_TIMEOUT_MS", &["0", "499"]),
        ("PAYOUT_LOG", &["loud", "info,=", "payout=noise"]),
        ("PAYOUT_LOG_FORMAT", &["xml", "JSON5"]),
    ] {
        for value in values {
            refused(&launch.clone().set(variable, value), &["run"], variable).await;
        }
    }
}

#[tokio::test]
async fn settings_of_what_is_chosen_are_refused_by_name() {
    let launch = launch(Backend::Sqlite).await;
    for command in ["run", "serve", "worker"] {
        refused(
            &launch.clone().set("PAYOUT_METRICS_BIND", "here"),
            &[command],
            "PAYOUT_METRICS_BIND",
        )
        .await;
        refused(
            &launch.clone().set("PAYOUT_SWEEP_MS", "often"),
            &[command],
            "PAYOUT_SWEEP_MS",
        )
        .await;
    }
    let redis = launch
        .clone()
        .set("REDIS_URL", "redis://127.0.0.1:9")
        .set("PAYOUT_REDIS_PREFIX", "a b");
    refused(&redis, &["run"], "PAYOUT_REDIS_PREFIX").await;
    refused(
        &launch.clone().set("DATABASE_URL", "nowhere"),
        &["migrate"],
        "DATABASE_URL",
    )
    .await;
    // A database that can never exist is an invalid setting as well, and the command does not wait for it.
    let unreachable = launch.set("DATABASE_URL", "sqlite:///nothing/is/here/payouts.db");
    for command in ["run", "serve", "worker", "migrate"] {
        let mut process = unreachable.finish(&[command]).await;
        assert!(!process.ended().unwrap().success(), "{command}");
        assert!(
            process.log().contains("DATABASE_URL") || process.log().contains("/nothing/is/here"),
            "{}",
            process.log()
        );
    }
}

#[tokio::test]
async fn contradictions_are_refused_by_name() {
    let launch = launch(Backend::Sqlite).await;
    let slow = launch
        .clone()
        .set("PAYOUT_LEASE_MS", 3_000)
        .set("PAYOUT_CALL_TIMEOUT_MS", 1_001);
    refused(&slow, &["run"], "PAYOUT_CALL_TIMEOUT_MS").await;
    let short = launch.clone().set("PAYOUT_LEASE_MS", 3_000);
    refused(&short, &["worker"], "PAYOUT_CALL_TIMEOUT_MS").await;
    let crossed = launch
        .clone()
        .set("PAYOUT_BACKOFF_BASE_MS", 5_000)
        .set("PAYOUT_BACKOFF_CAP_MS", 4_000);
    refused(&crossed, &["run"], "PAYOUT_BACKOFF").await;
    let patient = launch
        .clone()
        .set("PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS", 1_000)
        .set("PAYOUT_POSTGRES_LOCK_TIMEOUT_MS", 1_000);
    refused(&patient, &["run"], "PAYOUT_POSTGRES_LOCK_TIMEOUT_MS").await;
    let nowhere = launch.clone().set("PAYOUT_PROCESSOR", "http");
    refused(&nowhere, &["run"], "PAYOUT_PROCESSOR_URL").await;
    for url in [
        "127.0.0.1:80",
        "ftp://x/",
        "http://",
        "http://user:secret@x/",
        "http://x/?a=b",
    ] {
        refused(
            &nowhere.clone().set("PAYOUT_PROCESSOR_URL", url),
            &["run"],
            "PAYOUT_PROCESSOR_URL",
        )
        .await;
    }
    // Data in one process's memory is not available to another.
    for alone in ["serve", "worker"] {
        refused(
            &launch.clone().set("DATABASE_URL", "memory:"),
            &[alone],
            "DATABASE_URL",
        )
        .await;
    }
}

#[tokio::test]
async fn a_variable_that_is_no_setting_is_refused_by_name() {
    let launch = launch(Backend::Sqlite).await;
    for (name, nearest) in [
        ("PAYOUT_PROCESOR", "PAYOUT_PROCESSOR"),
        ("PAYOUT_ENCRYPTION_KEY", "PAYOUT_ENCRYPTION_KEYS"),
        ("REDIS_URLL", "REDIS_URL"),
    ] {
        for command in [
            &["run"][..],
            &["serve"],
            &["worker"],
            &["migrate"],
            &["keys", "list"],
            &["doctor"],
        ] {
            let line = refused(&launch.clone().set(name, "hunter2"), command, name).await;
            assert!(line.contains(nearest) && !line.contains("hunter2"), "{line}");
        }
    }
    // The variable belongs to another program, and the similar setting of ours is set.
    let both = launch
        .set("DATABASE_URI", "x")
        .set("PAYOUT_SERVICE_HOST", "10.0.0.1");
    both.migrate().await;
    std::fs::write(
        both.store().folder().join(".env"),
        "PAYOUT_LOG=info\nDATABSE_URL=hunter2\n",
    )
    .unwrap();
    let line = refused(&both, &["run"], "DATABSE_URL").await;
    assert!(
        line.contains(".env: line 2: ") && !line.contains("hunter2"),
        "{line}"
    );
}

#[tokio::test]
async fn a_provider_that_is_named_is_used_or_ends_the_start() {
    let launch = launch(Backend::Sqlite).await;
    let url = launch.clone().set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/");
    let token = launch.clone().set("PAYOUT_PROCESSOR_TOKEN", "hunter2");
    let file = from_files(launch, &[("PAYOUT_PROCESSOR_TOKEN", "hunter2")]);
    for (launch, variable) in [
        (url, "PAYOUT_PROCESSOR_URL"),
        (token, "PAYOUT_PROCESSOR_TOKEN"),
        (file, "PAYOUT_PROCESSOR_TOKEN"),
    ] {
        for launch in [launch.clone(), launch.set("PAYOUT_PROCESSOR", "simulated")] {
            for command in ["run", "serve", "worker", "doctor"] {
                let line = refused(&launch, &[command], variable).await;
                assert!(
                    line.contains("PAYOUT_PROCESSOR=http") && !line.contains("hunter2"),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_and_not_made() {
    let launch = launch(Backend::Sqlite).await;
    let file = launch.store().folder().join("payouts.db");
    for args in [
        &["keys", "create", "billing", "--scopes", "read"][..],
        &["keys", "list"],
        &["reconcile", "--since", "1d"],
        &["backup", "copy.db"],
    ] {
        refused(&launch, args, file.to_str().unwrap()).await;
        assert!(!file.exists(), "{args:?}");
    }
}

#[tokio::test]
async fn no_refusal_shows_a_secret() {
    let launch = launch(Backend::Sqlite).await;
    for (variable, value) in [
        ("DATABASE_URL", "postgres//me:hunter2@db/x"),
        ("DATABASE_URL", "mysql://me:hunter2@db/x"),
        ("REDIS_URL", "http://:hunter2@cache"),
        ("PAYOUT_PROCESSOR_URL", "http://me:hunter2@bank/"),
        ("PAYOUT_PROCESSOR_TOKEN", "hunter2 \u{e9}"),
    ] {
        let launch = launch
            .clone()
            .set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/")
            .set("PAYOUT_PROCESSOR", "http");
        let line = refused(&launch.set(variable, value), &["run"], variable).await;
        assert!(!line.contains("hunter2"), "{line}");
    }
}

on_each_backend!(secrets_may_come_from_files);

/// Moves these settings into files, and leaves the others as they are.
fn from_files(launch: Launch, secrets: &[(&str, &str)]) -> Launch {
    secrets.iter().fold(launch, |launch, (variable, secret)| {
        let path = launch.store().folder().join(variable);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        launch
            .unset(variable)
            .set(&format!("{variable}_FILE"), path.display())
    })
}

async fn secrets_may_come_from_files(backend: Backend) {
    let launch = launch(backend).await;
    let env = launch.store().env();
    let urls: Vec<_> = env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| name.ends_with("_URL"))
        .collect();
    let app = from_files(launch, &urls).run().await;
    let path = path_of(&app.create(body::payout()).await);
    app.until(&path, "completed").await;
}

#[tokio::test]
async fn a_secret_both_in_a_variable_and_in_a_file_is_refused_by_name() {
    let launch = launch(Backend::Sqlite).await;
    for variable in ["DATABASE_URL", "REDIS_URL", "PAYOUT_PROCESSOR_TOKEN"] {
        let both = from_files(launch.clone(), &[(variable, "hunter2")]).set(variable, "hunter3");
        let both = both
            .set("PAYOUT_PROCESSOR", "http")
            .set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/");
        let line = refused(&both, &["run"], &format!("{variable}_FILE")).await;
        assert!(!line.contains("hunter"), "{line}");
        let lost = both
            .unset(variable)
            .set(&format!("{variable}_FILE"), "/nowhere/hunter2");
        let line = refused(&lost, &["run"], &format!("{variable}_FILE")).await;
        assert!(!line.contains("hunter"), "{line}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_by_name() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", payout_tests::ports::free_port())).unwrap();
    let launch = launch(Backend::Sqlite)
        .await
        .set("PAYOUT_BIND", taken.local_addr().unwrap());
    refused(&launch, &["run"], "PAYOUT_BIND").await;
}

#[tokio::test]
async fn an_unknown_command_is_refused() {
    let launch = launch(Backend::Sqlite).await;
    for args in [
        &["walk"][..],
        &["run", "--fast"],
        &["--database"],
        &["serve", "worker"],
    ] {
        let mut process = launch.finish(args).await;
        assert!(!process.ended().unwrap().success(), "{args:?}");
    }
}

#[tokio::test]
async fn help_names_every_command_and_variable() {
    let launch = launch(Backend::Sqlite).await;
    let process = launch.finish(&["--help"]).await;
    let help = process.printed();
    for name in [
        "run",
        "serve",
        "worker",
        "migrate",
        "openapi",
        "doctor",
        "reconcile",
        "backup",
        "--restored",
        "DATABASE_URL",
        "REDIS_URL",
        "PAYOUT_BIND",
        "PAYOUT_PROCESSOR",
        "PAYOUT_SIMULATED_DELAY_MS",
        "PAYOUT_SIMULATED_FAILURE_RATE",
        "PAYOUT_WORKER_CONCURRENCY",
        "PAYOUT_LEASE_MS",
        "PAYOUT_CALL_TIMEOUT_MS",
        "PAYOUT_SWEEP_MS",
        "PAYOUT_BACKOFF_BASE_MS",
        "PAYOUT_BACKOFF_CAP_MS",
        "PAYOUT_MAX_ATTEMPTS",
        "PAYOUT_KEY_WINDOW_HOURS",
        "PAYOUT_READ_CONNECTIONS",
        "PAYOUT_READ_TIMEOUT_MS",
        "PAYOUT_POSTGRES_CONNECTIONS",
        "PAYOUT_SQLITE_READERS",
        "PAYOUT_LOG",
        "PAYOUT_LOG_FORMAT",
    ] {
        assert!(help.contains(name), "{name} is not in the help:\n{help}");
    }
    let secret = launch
        .set("PAYOUT_PROCESSOR_TOKEN", "hunter2")
        .finish(&["--help"])
        .await;
    assert!(!secret.printed().contains("hunter2"));
}
