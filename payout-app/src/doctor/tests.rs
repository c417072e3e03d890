//! Tests each check over mocks: its finding, the level and the remedy.

use std::sync::Arc;

use payout_adapters::storage::admin::Durability;
use payout_core::payout::ProviderReference;
use payout_core::ports::{
    Clock, Count, DueProvider, MockBulkActionRepository, MockJobQueue, MockPayoutExport,
    MockPayoutRepository, MockProcessor, MockProviderRepository, MockRecipientRepository,
    MockStatsRepository, QueueError, RepositoryError, System,
};
use payout_core::provider::{LookUpAnswer, ProcessorError, ProviderAnswer, ProviderName};

use super::report::{Level, Report};
use super::{checks, durability, locks, providers, report};
use crate::settings::Config;
use crate::settings::providers::ConfiguredProvider;
use crate::wiring::{Ports, Traces, api_keys, nothing_to_operate};

fn config(options: &[&str]) -> Config {
    let mut all = vec!["payout"];
    all.extend_from_slice(options);
    Config::from_args(all, &System::default()).unwrap()
}

fn ports(repository: MockPayoutRepository, queue: MockJobQueue, processor: MockProcessor) -> Ports {
    let system = Arc::new(System::default());
    Ports {
        keys: api_keys(&nothing_to_operate(), &config(&[]), &system),
        store: nothing_to_operate(),
        repository: Arc::new(repository),
        queue: Arc::new(queue),
        batches: None,
        rechecks: None,
        provider_states: None,
        feed: None,
        bulk: Arc::new(MockBulkActionRepository::new()),
        webhooks: None,
        exports: Arc::new(MockPayoutExport::new()),
        recipients: Arc::new(MockRecipientRepository::new()),
        stats: Arc::new(MockStatsRepository::new()),
        repository_kind: "postgres",
        queue_kind: "redis",
        providers: vec![ConfiguredProvider::only(
            Arc::new(processor),
            "http",
            Some("https://bank.example/".parse().unwrap()),
        )],
        routes: None,
        system,
        traces: Traces::default(),
    }
}

fn levels(report: &Report) -> Vec<(&'static str, Level)> {
    report
        .findings()
        .iter()
        .map(|finding| (finding.check, finding.level))
        .collect()
}

const HTTP: [&str; 2] = ["--processor=http", "--processor-url=http://127.0.0.1:9/"];

async fn database(repository: MockPayoutRepository) -> Report {
    let mut report = Report::default();
    let ports = ports(repository, MockJobQueue::new(), MockProcessor::new());
    checks::database(
        &config(&["--database-url=postgres://payout@h/payout"]),
        &ports,
        &mut report,
    )
    .await;
    report
}

#[tokio::test]
async fn a_database_that_answers_in_time_and_has_no_reviews_is_well() {
    let mut repository = MockPayoutRepository::new();
    repository.expect_probe().returning(|| Ok(()));
    repository.expect_now().returning(|| Ok(System::default().now()));
    repository.expect_count_ahead().returning(|_| Ok(0));
    repository.expect_count().returning(|_, _| {
        Ok(Count {
            count: 0,
            exact: true,
        })
    });
    let found = levels(&database(repository).await);
    let names = [
        "database",
        "clock",
        "migrations",
        "writes",
        "audit trail",
        "reviews",
    ];
    assert_eq!(found, names.map(|name| (name, Level::Ok)));
}

#[tokio::test]
async fn a_database_that_is_away_fails_and_nothing_more_is_asked_of_it() {
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_now()
        .returning(|| Err(RepositoryError::Unavailable("no route to host".into())));
    let report = database(repository).await;
    assert_eq!(levels(&report), [("database", Level::Fail)]);
    let line = report.lines();
    assert!(line.starts_with("FAIL  database    postgres://payout@h/payout does not answer: the store is unavailable: no route to host; check"), "{line}");
}

#[tokio::test]
async fn another_clock_and_payouts_under_review_are_told() {
    let mut repository = MockPayoutRepository::new();
    repository
        .expect_now()
        .returning(|| Ok(System::default().now() - chrono::TimeDelta::seconds(90)));
    repository.expect_count_ahead().returning(|_| Ok(7));
    repository
        .expect_probe()
        .returning(|| Err(RepositoryError::Unavailable("read-only".into())));
    repository.expect_count().returning(|_, _| {
        Ok(Count {
            count: 3,
            exact: true,
        })
    });
    let report = database(repository).await;
    assert_eq!(levels(&report)[1], ("clock", Level::Warn));
    assert_eq!(levels(&report)[2], ("clock", Level::Warn));
    assert!(report.lines().contains("7 payouts wait for a time"));
    assert_eq!(
        levels(&report)[4],
        ("writes", Level::Fail),
        "it answers, and takes none"
    );
    assert_eq!(levels(&report)[6], ("reviews", Level::Warn));
    assert!(report.lines().contains("3 payouts are under review"));
}

async fn provider(said: Result<LookUpAnswer, ProcessorError>) -> Report {
    let mut processor = MockProcessor::new();
    processor.expect_look_up().return_once(|look_up| {
        assert_eq!(look_up.key.as_str(), "00000000-0000-0000-0000-000000000000:0");
        said
    });
    let mut report = Report::default();
    let ports = ports(MockPayoutRepository::new(), MockJobQueue::new(), processor);
    providers::answers(&config(&HTTP), &ports, &mut report).await;
    report
}

#[tokio::test]
async fn only_a_provider_that_does_not_know_a_key_of_nobody_is_well() {
    let why = "HTTP 401".to_owned();
    let paid = ProviderAnswer::Paid {
        reference: ProviderReference::new("x").unwrap(),
    };
    for (said, level, remedy) in [
        (Ok(LookUpAnswer::Absent), Level::Ok, ""),
        (
            Ok(LookUpAnswer::Found(paid)),
            Level::Fail,
            "must be answered with 404",
        ),
        (
            Err(ProcessorError::Refused {
                why: why.clone(),
                retry_after: None,
            }),
            Level::Fail,
            "check PAYOUT_PROCESSOR_TOKEN",
        ),
        (
            Err(ProcessorError::NeverSent { why: why.clone() }),
            Level::Fail,
            "check PAYOUT_PROCESSOR_URL",
        ),
        (
            Err(ProcessorError::Unknown {
                why,
                retry_after: None,
            }),
            Level::Fail,
            "check PAYOUT_PROCESSOR_URL",
        ),
    ] {
        let report = provider(said).await;
        assert_eq!(levels(&report), [("provider", level)]);
        assert!(report.lines().contains(remedy), "{}", report.lines());
    }
}

#[tokio::test]
async fn payouts_that_are_due_for_a_provider_that_is_not_configured_are_named() {
    let name = |text: &str| Some(ProviderName::new(text).unwrap());
    for (configured, adopts_unnamed, due, said) in [
        (name("a"), false, name("a"), None),
        (
            name("a"),
            false,
            name("b"),
            Some("of the provider b, which is not configured"),
        ),
        (name("a"), false, None, Some("that name no provider")),
        (name("a"), true, None, None),
        (None, false, None, None),
        (
            None,
            false,
            name("a"),
            Some("of the provider a, which is not configured"),
        ),
    ] {
        let mut ports = ports(
            MockPayoutRepository::new(),
            MockJobQueue::new(),
            MockProcessor::new(),
        );
        ports.providers[0].name = configured;
        ports.providers[0].settings.adopts_unnamed = adopts_unnamed;
        let mut states = MockProviderRepository::new();
        states.expect_due_providers().return_once(|| {
            let since = System::default().now();
            Ok(vec![DueProvider { name: due, since }])
        });
        ports.provider_states = Some(Arc::new(states));
        let mut report = Report::default();
        providers::due(&ports, &mut report).await;
        match said {
            Some(said) => {
                assert_eq!(levels(&report), [("providers", Level::Fail)]);
                assert!(report.lines().contains(said), "{}", report.lines());
            }
            None => assert_eq!(levels(&report), []),
        }
    }
}

#[tokio::test]
async fn a_queue_that_is_away_is_a_warning_since_payouts_go_on() {
    let mut queue = MockJobQueue::new();
    queue
        .expect_probe()
        .return_once(|| Err(QueueError::Unavailable("refused".into())));
    let mut report = Report::default();
    let ports = ports(MockPayoutRepository::new(), queue, MockProcessor::new());
    checks::queue(&ports, &mut report).await;
    assert_eq!(levels(&report), [("queue", Level::Warn)]);
}

#[test]
fn what_is_allowed_and_seldom_meant_is_told() {
    for (options, told) in [
        (&["--database-url=memory:"][..], "gone when the process ends"),
        (&["--processor=simulated"], "nobody is paid"),
        (
            &["--database-url=postgres://u:hunter2@h/d", "--queue-url=memory:"],
            "without a queue",
        ),
        (&["--bind=0.0.0.0:8000"], "SQLite serves one host"),
        (
            &["--processor=http", "--processor-url=http://bank.example/"],
            "unencrypted",
        ),
        (
            &["--processor=http", "--processor-url=https://bank.example/"],
            "no token",
        ),
    ] {
        let mut report = Report::default();
        checks::settings(&config(options), &mut report);
        let lines = report.lines();
        assert!(lines.contains(told), "{options:?}: {lines}");
        assert!(lines.contains("warn") && !lines.contains("hunter2"), "{lines}");
    }
    let mut report = Report::default();
    checks::settings(&config(&HTTP), &mut report);
    assert_eq!(levels(&report), [("settings", Level::Ok)]);
}

#[test]
fn a_report_is_lines_for_people_and_json_for_programs() {
    let mut report = Report::default();
    report.ok("queue", "answers");
    report.fail("database", "does not\nanswer", "start it");
    assert_eq!(
        report.lines(),
        "ok    queue       answers\nFAIL  database    does not answer; start it\n"
    );
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"ok": false, "checks": [
            {"check": "queue", "level": "ok", "says": "answers"},
            {"check": "database", "level": "fail", "says": "does not answer", "do": "start it"},
        ]})
    );
}

#[test]
fn a_cause_that_says_the_same_is_not_repeated() {
    let inner: Box<dyn std::error::Error + Send + Sync> = "refused".into();
    assert_eq!(
        report::in_a_line(&RepositoryError::Unavailable(inner)),
        "the store is unavailable: refused"
    );
}

async fn locks(options: &[&str]) -> Report {
    let mut report = Report::default();
    let ports = ports(
        MockPayoutRepository::new(),
        MockJobQueue::new(),
        MockProcessor::new(),
    );
    let config = config(options);
    locks::access(&config, &ports, &mut report).await;
    locks::encryption(&config, &ports, &mut report).await;
    report
}

#[tokio::test]
async fn who_is_let_in_and_what_is_stored_in_plain_is_told() {
    for (options, access) in [
        (&["--bind=127.0.0.1:1"][..], Level::Warn),
        (&["--bind=0.0.0.0:1"], Level::Fail),
        (&["--bind=0.0.0.0:1", "--auth=off"], Level::Warn),
    ] {
        let report = locks(options).await;
        assert_eq!(
            levels(&report),
            [("access", access), ("encryption", Level::Warn)],
            "{options:?}"
        );
    }
}

#[test]
fn a_commit_that_may_be_lost_fails() {
    let set = |fsync, full_page_writes, commit: &str, configured: &str| Durability {
        fsync,
        full_page_writes,
        synchronous_commit: commit.to_owned(),
        configured_synchronous_commit: configured.to_owned(),
    };
    for (durability, level) in [
        (set(true, true, "on", "on"), Level::Ok),
        (set(true, true, "on", "off"), Level::Ok),
        (set(true, true, "remote_apply", "remote_apply"), Level::Ok),
        (set(true, true, "off", "off"), Level::Fail),
        (set(true, true, "local", "local"), Level::Fail),
        (set(false, true, "on", "on"), Level::Fail),
        (set(true, false, "on", "on"), Level::Warn),
    ] {
        let mut report = Report::default();
        durability::say(&durability, &mut report);
        assert_eq!(levels(&report)[0], ("durability", level), "{durability:?}");
    }
}
