//! `payout doctor`: what it says of a service that is well, and of one that is not.

use payout_tests::app::Launch;
use payout_tests::store::Backend;
use serde_json::Value;

use crate::support::{launch, on_each_backend};

/// The exit code, and what each check says.
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
    // Several lines of one check: the worst.
    levels
        .max_by_key(|level| ["ok", "warn", "fail"].iter().position(|one| one == level))
        .unwrap_or("none")
        .to_owned()
}

on_each_backend!(a_service_that_is_well_passes, pending_migrations_fail);

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
    assert_eq!(level(&checks, "queue"), "warn", "{said}");
    assert_eq!(level(&checks, "provider"), "fail", "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
