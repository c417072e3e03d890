//! Operators' files match the binary: the rules and the dashboard use existing metrics, the rules fire when they
//! should, and the runbook has a procedure for each. `promtool` is in Debian's package `prometheus`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use payout_tests::app::{Launch, path_of};
use payout_tests::body::payout;
use payout_tests::client::Api;
use payout_tests::ports::free_port;
use payout_tests::store::{Backend, Store};
use payout_tests::wait::{SOON, eventually};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const BINARY: &str = env!("CARGO_BIN_EXE_payout-under-test");

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// Runs promtool, which must succeed.
fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(args)
        .current_dir(ROOT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of Debian's package prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "promtool {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns the names in a scrape, including those of a histogram's parts.
fn names(scrape: &str) -> BTreeSet<String> {
    let lines = scrape.lines().filter(|line| line.starts_with("payout_"));
    lines
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect()
}

/// Returns the names of this service's metrics in an expression.
fn asked_for(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("payout_"))
        .map(str::to_owned)
        .collect()
}

fn expressions(value: &Value, found: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("expr", Value::String(text)) => *found += &format!("{text}\n"),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => (),
    }
}

fn rules() -> Value {
    yaml_serde::from_str(&read("observability/rules.yml")).unwrap()
}

fn alerts() -> Vec<Value> {
    rules()["groups"][0]["rules"].as_array().unwrap().clone()
}

/// Returns all metrics that the rules and the dashboard use.
fn needed() -> BTreeSet<String> {
    let dashboard: Value = serde_json::from_str(&read("observability/grafana/payout.json")).unwrap();
    let mut text = String::new();
    expressions(&rules(), &mut text);
    expressions(&dashboard, &mut text);
    let needed = asked_for(&text);
    assert!(needed.len() > 15, "{needed:?}");
    needed
}

async fn scrape(api: &Api) -> String {
    api.get("/metrics").await.expect(200).text()
}

/// Scrapes until payouts have been counted, and, for a worker, until it has swept.
async fn scrape_when_counted(api: &Api, last: &str) -> String {
    eventually("everything was counted", SOON, async || {
        let text = scrape(api).await;
        (text.contains("payout_census_timestamp_seconds 1") && text.contains(last)).then_some(text)
    })
    .await
}

async fn launch() -> Launch {
    Launch::new(BINARY, Arc::new(Store::new(Backend::Postgres).await))
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    promtool(&["check", "config", "observability/prometheus.yml"], "");
    promtool(&["check", "rules", "observability/rules.yml"], "");
    promtool(&["test", "rules", "observability/rules_test.yml"], "");
}

#[tokio::test]
async fn every_metric_that_is_asked_for_is_told_by_a_process_that_does_everything() {
    let app = launch().await.run().await;
    let path = path_of(&app.create(payout()).await);
    app.until(&path, "completed").await;
    let found = scrape_when_counted(&app, "payout_payouts{").await;
    promtool(&["check", "metrics"], &found);
    let missing: Vec<_> = needed().difference(&names(&found)).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "in {found}");
}

#[tokio::test]
async fn every_metric_that_is_asked_for_is_told_by_a_server_or_by_a_worker() {
    let port = free_port();
    let launch = launch().await;
    let app = launch.serve().await;
    app.create(payout()).await;
    let worker = launch.set("PAYOUT_METRICS_BIND", format!("127.0.0.1:{port}"));
    let _worker = worker.worker();
    let operators = Api::on_port(port);
    eventually("the worker is ready", SOON, async || {
        operators.is_ready().await.then_some(())
    })
    .await;
    let served = scrape_when_counted(&app, "payout_payouts{").await;
    let worked = scrape_when_counted(&operators, "payout_processor_call_duration_seconds_count").await;
    promtool(&["check", "metrics"], &served);
    promtool(&["check", "metrics"], &worked);
    let (served, worked) = (names(&served), names(&worked));
    let found = &served | &worked;
    let missing: Vec<_> = needed().difference(&found).cloned().collect();
    assert_eq!(missing, Vec::<String>::new());
    // The server and the worker both report on the database.
    for name in [
        "payout_payouts",
        "payout_oldest_due_age_seconds",
        "payout_dependency_up",
        "payout_build_info",
    ] {
        assert!(served.contains(name) && worked.contains(name), "{name}");
    }
}

#[tokio::test]
async fn clients_cannot_multiply_the_series() {
    let app = launch().await.run().await;
    let series = async || {
        let text = scrape(&app).await;
        text.lines()
            .filter(|line| line.starts_with("payout_http_"))
            .count()
    };
    for path in ["/x", "/api/payouts/1/"] {
        app.get(path).await.problem(404);
    }
    let before = series().await;
    for n in 0..50 {
        app.get(&format!("/x{n}")).await.problem(404);
        app.get(&format!("/api/payouts/{n}{n}/")).await.problem(404);
    }
    // At most the series that the scrapes themselves have added.
    assert!(series().await <= before + 20, "{}", scrape(&app).await);
    let text = scrape(&app).await;
    assert!(!text.contains("/x7") && !text.contains("payouts/7"), "{text}");
}

#[test]
fn the_runbook_says_of_every_alert_what_it_means_and_what_to_do() {
    let runbook = read("docs/runbook.md");
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let alerts = alerts();
    let named: BTreeSet<&str> = alerts
        .iter()
        .map(|alert| alert["alert"].as_str().unwrap())
        .collect();
    assert_eq!(sections, named, "sections of the runbook, and alerts");
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], anchor.as_str(), "{name}");
        let section = runbook.split(&format!("\n## {name}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        assert!(section.contains("**Means:**"), "{name}");
        assert!(
            section.contains("\n1. ") || section.contains("\n- **"),
            "{name} has no steps"
        );
    }
}

/// Collects the source text, comments included: enough to notice that a log line was reworded.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *all += &std::fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn every_log_line_that_the_runbook_quotes_is_written() {
    let mut all = String::new();
    for package in ["payout-core", "payout-adapters", "payout-app"] {
        sources(&Path::new(ROOT).join(package).join("src"), &mut all);
    }
    let runbook = read("docs/runbook.md");
    // A quotation may go on in the next line.
    let unwrapped = |quoted: &str| quoted.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted: Vec<String> = runbook
        .split("log line *")
        .skip(1)
        .filter_map(|rest| rest.split('*').next().map(unwrapped))
        .collect();
    assert!(quoted.len() >= 3, "{quoted:?}");
    for line in quoted {
        assert!(all.contains(&format!("\"{line}\"")), "{line}");
    }
}

/// Each request to the API in the runbook sends a key; health checks need none.
#[test]
fn every_request_of_the_runbook_shows_a_key() {
    let runbook = read("docs/runbook.md");
    let requests: Vec<&str> = runbook.lines().filter(|line| line.contains("curl ")).collect();
    assert!(requests.len() > 4, "{requests:?}");
    for request in requests {
        let open = request.contains("/health/") || !request.contains("localhost");
        assert!(open || request.contains("Bearer $KEY"), "{request}");
    }
}

#[test]
fn every_link_of_the_runbook_within_itself_leads_somewhere() {
    let runbook = read("docs/runbook.md");
    for target in runbook
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let leads = runbook
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .any(|name| name.to_lowercase() == target);
        assert!(leads, "#{target}");
    }
}

#[test]
fn the_compose_profile_starts_everything_with_files_that_are_there() {
    let mut compose: yaml_serde::Value = yaml_serde::from_str(&read("docker-compose.yml")).unwrap();
    compose.apply_merge().unwrap();
    let mut mounted = BTreeSet::new();
    for name in ["prometheus", "alertmanager", "grafana"] {
        let service = &compose["services"][name];
        assert_eq!(service["profiles"][0], "observability", "{name}");
        for volume in service["volumes"].as_sequence().unwrap() {
            let Some(file) = volume.as_str().unwrap().strip_prefix("./") else {
                continue;
            };
            let (file, target) = file.split_once(':').unwrap();
            assert!(target.ends_with(":ro"), "{file} can be changed");
            assert!(!read(file).is_empty());
            mounted.insert(file.to_owned());
        }
    }
    let all = [
        "prometheus.yml",
        "rules.yml",
        "alertmanager.yml",
        "grafana/datasources.yml",
        "grafana/dashboards.yml",
        "grafana/payout.json",
    ];
    let all = all.map(|file| format!("observability/{file}"));
    assert_eq!(mounted, BTreeSet::from(all));
    // Prometheus sends alerts to Alertmanager, which sends them to a configured receiver.
    let prometheus: yaml_serde::Value = yaml_serde::from_str(&read("observability/prometheus.yml")).unwrap();
    let told = &prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0];
    assert_eq!(told, "alertmanager:9093");
    let alertmanager: yaml_serde::Value =
        yaml_serde::from_str(&read("observability/alertmanager.yml")).unwrap();
    let receivers = alertmanager["receivers"].as_sequence().unwrap();
    let known = |name: &yaml_serde::Value| receivers.iter().any(|receiver| &receiver["name"] == name);
    let route = &alertmanager["route"];
    assert!(known(&route["receiver"]));
    for route in route["routes"].as_sequence().unwrap() {
        assert!(known(&route["receiver"]), "{route:?}");
        let severity = route["matchers"][0].as_str().unwrap();
        let label = severity.replace("=\"", ": ").replace('"', "");
        assert!(
            read("observability/rules.yml").contains(&label),
            "no rule has {label}"
        );
    }
    let source: yaml_serde::Value =
        yaml_serde::from_str(&read("observability/grafana/datasources.yml")).unwrap();
    let dashboard: Value = serde_json::from_str(&read("observability/grafana/payout.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(
            Some(panel["datasource"]["uid"].as_str().unwrap()),
            source["datasources"][0]["uid"].as_str()
        );
    }
}
