//! `payout doctor`: its findings for a healthy service, and for an unhealthy one.

use payout_tests::app::Launch;
use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::{launch, on_each_backend};

/// Returns the exit code, each check's result, and the output as text.
async fn examined(launch: &Launch) -> (i32, Vec<Value>, String) {
    let mut process = launch.finish(&["doctor", "--json"]).await;
    let code = process.ended().unwrap().code().unwrap();
    let report: Value = serde_json::from_str(&process.printed()).unwrap();
    assert_eq!(report["ok"], code == 0, "{report}");
    let checks = report["checks"].as_array().unwrap().clone();
    (code, checks, format!("{} {}", process.printed(), process.log()))
}

#[track_caller]
fn level(checks: &[Value], name: &str) -> String {
    let of_name = checks.iter().filter(|check| check["check"] == name);
    let levels = of_name.map(|check| check["level"].as_str().unwrap());
    // If a check has several lines, the worst counts.
    levels
        .max_by_key(|level| ["ok", "warn", "fail"].iter().position(|one| one == level))
        .unwrap_or("none")
        .to_owned()
}

on_each_backend!(
    a_service_that_is_well_passes,
    pending_migrations_fail,
    looking_makes_no_encryption_key_known,
    api_keys_of_another_secret_fail,
);

async fn a_service_that_is_well_passes(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    let (code, checks, said) = examined(&launch).await;
    assert_eq!(code, 0, "{said}");
    for name in ["database", "clock", "migrations", "reviews", "queue", "provider"] {
        assert_eq!(level(&checks, name), "ok", "{name}: {said}");
    }
    let lines = launch.finish(&["doctor"]).await.printed();
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with("ok ") || line.starts_with("warn ")),
        "{lines}"
    );
}

async fn pending_migrations_fail(backend: Backend) {
    let (code, checks, said) = examined(&launch(backend).await).await;
    let check = match backend {
        Backend::Sqlite => "database",
        Backend::Postgres => "migrations",
    };
    assert_eq!((code, level(&checks, check).as_str()), (1, "fail"), "{said}");
    assert!(said.contains("payout migrate"), "{said}");
}

/// A process that lacks a key in the database does not start, so the doctor, which only reads, must not add a key.
async fn looking_makes_no_encryption_key_known(backend: Backend) {
    let launch = launch(backend).await;
    launch.migrate().await;
    for id in ["tried", "meant"] {
        let keys = format!("{id}:{}=", "A".repeat(43));
        let (code, checks, said) = examined(&launch.clone().set("PAYOUT_ENCRYPTION_KEYS", keys)).await;
        assert_eq!((code, level(&checks, "encryption").as_str()), (0, "ok"), "{said}");
    }
}

async fn api_keys_of_another_secret_fail(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_KEY_SECRET", "a".repeat(32));
    launch.migrate().await;
    launch.make_key("ci", "read").await;
    let (_, checks, said) = examined(&launch).await;
    assert_eq!(level(&checks, "access"), "ok", "{said}");
    let (code, checks, said) = examined(&launch.set("PAYOUT_KEY_SECRET", "b".repeat(32))).await;
    assert_eq!((code, level(&checks, "access").as_str()), (1, "fail"), "{said}");
    assert!(said.contains("PAYOUT_KEY_SECRET"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_without_its_password() {
    let launch = launch(Backend::Sqlite)
        .await
        .set(
            "DATABASE_URL",
            "postgres://me:hunter2@127.0.0.1:9/payout?password=hunter2",
        )
        .set("REDIS_URL", "redis://:hunter2@127.0.0.1:9/")
        .set("PAYOUT_PROCESSOR", "http")
        .set("PAYOUT_PROCESSOR_URL", "http://127.0.0.1:9/")
        .set("PAYOUT_PROCESSOR_TOKEN", "hunter2");
    let (code, checks, said) = examined(&launch).await;
    assert_eq!(code, 1, "{said}");
    assert_eq!(level(&checks, "database"), "fail", "{said}");
    assert!(!said.contains("pool"), "in plain words: {said}");
    assert_eq!(level(&checks, "queue"), "warn", "{said}");
    assert_eq!(level(&checks, "provider"), "fail", "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
