//! Dependencies point inward only. payout-core knows no database, no queue, no HTTP and no other crate of this
//! workspace; payout-adapters does not know the application; nothing depends on the tests. The evidence is cargo's own
//! description of the workspace. Each rule is also tested against a workspace that violates it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the helpers here are test code too"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;

use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Crates that payout-core may not depend on. A name stands for its whole family: `sqlx` includes `sqlx-core`.
const OUTSIDE_CORE: &[&str] = &[
    "async-nats",
    "axum",
    "bb8",
    "clap",
    "dotenvy",
    "http",
    "hyper",
    "lapin",
    "libsqlite3",
    "opentelemetry",
    "payout",
    "postgres",
    "redis",
    "reqwest",
    "rustls",
    "salvo",
    "sentry",
    "sqlx",
    "utoipa",
];

/// Crates that payout-adapters may not depend on: the web server and its documentation belong to the application.
const OUTSIDE_ADAPTERS: &[&str] = &["payout-app", "payout-tests", "salvo", "utoipa"];

/// Every crate of this workspace, so that a new crate must be given its place in the rules.
const OURS: &[&str] = &[
    "payout-adapters",
    "payout-app",
    "payout-bench",
    "payout-conformance",
    "payout-core",
    "payout-drill",
    "payout-stand-ins",
    "payout-tests",
];

// ---------------------------------------------------------------- the graph

#[derive(Clone, Copy, PartialEq)]
enum Kinds {
    /// Dependencies that are built into every user of the crate.
    Shipped,
    /// These, and the dependencies of the crate's own tests and examples.
    WithDev,
}

/// Dependencies by name, as `cargo metadata` resolved them: name → (name, whether it is for development only).
struct Graph(BTreeMap<String, BTreeMap<String, bool>>);

impl Graph {
    fn read(metadata: &Value) -> Graph {
        let names: BTreeMap<&str, &str> = list(metadata, "packages")
            .map(|package| (text(package, "id"), text(package, "name")))
            .collect();
        let mut graph = BTreeMap::<String, BTreeMap<String, bool>>::new();
        for node in list(&metadata["resolve"], "nodes") {
            let uses = graph.entry(names[text(node, "id")].to_owned()).or_default();
            for dep in list(node, "deps") {
                let dev = list(dep, "dep_kinds").all(|kind| kind["kind"] == "dev");
                let only_dev = uses.entry(names[text(dep, "pkg")].to_owned()).or_insert(true);
                *only_dev &= dev;
            }
        }
        Graph(graph)
    }

    /// Returns, for each forbidden crate found, the shortest path to it from `start`: `a > b > c`.
    fn forbidden(&self, start: &str, families: &[&str], kinds: Kinds) -> Vec<String> {
        assert!(self.0.contains_key(start), "no crate {start} in this workspace");
        let (mut seen, mut found) = (BTreeSet::from([start.to_owned()]), Vec::new());
        let mut ways = VecDeque::from([vec![start.to_owned()]]);
        while let Some(way) = ways.pop_front() {
            let here = way.last().expect("a way has a start");
            for (name, only_dev) in self.0.get(here).into_iter().flatten() {
                // Development dependencies count for `start` alone: the tests of other crates are not built.
                let counts = !only_dev || (kinds == Kinds::WithDev && way.len() == 1);
                if !counts || !seen.insert(name.clone()) {
                    continue;
                }
                let next = [way.as_slice(), slice::from_ref(name)].concat();
                if families.iter().any(|family| is_of(name, family)) {
                    found.push(next.join(" > "));
                } else {
                    ways.push_back(next);
                }
            }
        }
        found.sort();
        found
    }
}

/// Returns whether a crate belongs to a family: `sqlx-core` belongs to `sqlx`, `sqlxyz` does not.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("cargo metadata without {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("cargo metadata without {key}"))
        .iter()
}

/// Reads the metadata of this workspace for this platform only, so that the crates of other platforms need not be
/// downloaded.
fn metadata() -> Value {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(ROOT)
            .output()
            .expect("cargo and rustc run");
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let about = run("rustc", &["-vV"]);
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = [
        "metadata",
        "--format-version=1",
        "--all-features",
        "--locked",
        "--filter-platform",
        host,
    ];
    serde_json::from_str(&run(&cargo, &args)).expect("JSON")
}

// ---------------------------------------------------------------- the rules

fn core_reaches_outside(graph: &Graph) -> Vec<String> {
    graph.forbidden("payout-core", OUTSIDE_CORE, Kinds::Shipped)
}

fn core_tests_reach_our_crates(graph: &Graph) -> Vec<String> {
    graph.forbidden("payout-core", &["payout"], Kinds::WithDev)
}

fn adapters_reach_the_app(graph: &Graph) -> Vec<String> {
    graph.forbidden("payout-adapters", OUTSIDE_ADAPTERS, Kinds::Shipped)
}

fn somebody_reaches_the_tests(graph: &Graph) -> Vec<String> {
    // The bench uses the tests' servers and processes.
    let others = graph
        .0
        .keys()
        .filter(|name| !["payout-tests", "payout-bench"].contains(&name.as_str()));
    others
        .flat_map(|name| graph.forbidden(name, &["payout-tests"], Kinds::WithDev))
        .collect()
}

/// Finds backend libraries that payout-adapters declares without making them optional. Each adapter is behind a
/// feature, so that a user of one adapter does not build the libraries of others.
fn adapters_always_build(metadata: &Value) -> Vec<String> {
    let adapters = list(metadata, "packages").find(|package| package["name"] == "payout-adapters");
    list(
        adapters.expect("payout-adapters is in the workspace"),
        "dependencies",
    )
    .filter(|dep| dep["kind"].is_null() && dep["optional"] == false)
    .map(|dep| text(dep, "name").to_owned())
    .filter(|name| {
        [
            "async-nats",
            "bb8",
            "lapin",
            "opentelemetry",
            "redis",
            "reqwest",
            "sentry",
            "sqlx",
        ]
        .iter()
        .any(|family| is_of(name, family))
    })
    .collect()
}

/// Finds versions in a lock file that are pre-releases, or that do not come from a registry.
fn unreleased(lock: &str) -> Vec<String> {
    let (mut name, mut version, mut found) = ("", "", Vec::new());
    for line in lock.lines() {
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let value = value.trim_matches('"');
        match key {
            "name" => name = value,
            "version" => {
                version = value;
                // The part after a plus sign is build metadata, and may contain a hyphen.
                if version
                    .split('+')
                    .next()
                    .is_some_and(|version| version.contains('-'))
                {
                    found.push(format!("{name} {version}"));
                }
            }
            "source" if !value.starts_with("registry+") => {
                found.push(format!("{name} {version} from {value}"))
            }
            _ => {}
        }
    }
    found
}

/// Finds lines of Rust source that perform input or output through the standard library or tokio.
fn input_and_output(source: &str) -> Vec<String> {
    let outside = [
        "std::env",
        "std::fs",
        "std::net",
        "std::io",
        "tokio::fs",
        "tokio::io",
        "tokio::net",
        "tokio::process",
    ];
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.filter(|line| outside.iter().any(|path| line.contains(path)))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Finds lines of the domain's source that refer to modules built on it. The tests in a file are exempt: they may use
/// the operating system's clock.
fn outside_the_domain(source: &str) -> Vec<String> {
    let outer = [
        "ports",
        "usecase",
        "worker",
        "concurrency",
        "contract",
        "request_context",
    ];
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| {
            outer
                .iter()
                .any(|module| line.contains(&format!("crate::{module}")))
        })
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Finds lines that name a variable of the environment, comments included: only the application knows these names.
fn variables(source: &str) -> Vec<String> {
    let names = |line: &str| {
        let ours = line.split("PAYOUT_").skip(1);
        let mut after = ours.map(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        let others = ["DATABASE_URL", "REDIS_URL", "SENTRY_DSN"];
        after.any(|is_name| is_name) || others.iter().any(|name| line.contains(name))
    };
    let lines = source.lines().filter(|line| names(line));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// Finds the lines in a folder's sources that break a rule, each with its file.
fn broken(folder: &str, rule: fn(&str) -> Vec<String>) -> Vec<String> {
    let files = sources(&Path::new(ROOT).join(folder));
    assert!(!files.is_empty(), "{folder}");
    let of_file = |file: &PathBuf| {
        let source = std::fs::read_to_string(file).expect("a readable source");
        let lines = rule(&source).into_iter();
        let lines = lines.map(|line| format!("{}: {line}", file.display()));
        lines.collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

// ---------------------------------------------------------------- this workspace follows them

const NONE: [String; 0] = [];

#[test]
fn core_depends_on_nothing_outside() {
    assert_eq!(core_reaches_outside(&Graph::read(&metadata())), NONE);
}

#[test]
fn core_depends_on_no_other_crate_of_ours_even_in_its_tests() {
    assert_eq!(core_tests_reach_our_crates(&Graph::read(&metadata())), NONE);
}

#[test]
fn core_does_no_input_or_output() {
    assert_eq!(broken("payout-core/src", input_and_output), NONE);
}

#[test]
fn core_and_adapters_name_no_variable_of_the_environment() {
    assert_eq!(broken("payout-core/src", variables), NONE);
    assert_eq!(broken("payout-adapters/src", variables), NONE);
}

#[test]
fn the_domain_knows_no_port_and_nothing_that_is_built_on_it() {
    let folder = "payout-core/src/domain";
    assert!(sources(&Path::new(ROOT).join(folder)).len() > 20);
    assert_eq!(broken(folder, outside_the_domain), NONE);
}

#[test]
fn adapters_do_not_depend_on_the_app() {
    assert_eq!(adapters_reach_the_app(&Graph::read(&metadata())), NONE);
}

#[test]
fn each_adapter_is_behind_a_feature() {
    assert_eq!(adapters_always_build(&metadata()), NONE);
}

#[test]
fn nothing_depends_on_the_tests() {
    assert_eq!(somebody_reaches_the_tests(&Graph::read(&metadata())), NONE);
}

#[test]
fn every_crate_of_ours_is_known_here() {
    let metadata = metadata();
    let members: BTreeSet<&str> = list(&metadata, "workspace_members")
        .map(|id| id.as_str().expect("a package id"))
        .collect();
    let names: BTreeSet<&str> = list(&metadata, "packages")
        .filter(|package| members.contains(text(package, "id")))
        .map(|package| text(package, "name"))
        .collect();
    assert_eq!(names, OURS.iter().copied().collect());
}

#[test]
fn only_releases_are_locked() {
    let lock = std::fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).expect("Cargo.lock");
    assert!(lock.contains("name = \"payout-core\""));
    assert_eq!(unreleased(&lock), NONE);
}

// ---------------------------------------------------------------- and each rule detects a violation

/// Makes a small workspace in the form of `cargo metadata`: user, dependency, and the kind (`dev`, `build`, or none).
fn workspace(uses: &[(&str, &str, Option<&str>)]) -> Graph {
    let names: BTreeSet<&str> = uses
        .iter()
        .flat_map(|(from, to, _)| [*from, *to])
        .chain(OURS.iter().copied())
        .collect();
    let packages: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": format!("path+{name}"), "name": name}))
        .collect();
    let nodes: Vec<Value> = names
        .iter()
        .map(|name| {
            let deps: Vec<Value> = uses
                .iter()
                .filter(|(from, ..)| from == name)
                .map(|(_, to, kind)| json!({"pkg": format!("path+{to}"), "dep_kinds": [{"kind": kind}]}))
                .collect();
            json!({"id": format!("path+{name}"), "deps": deps})
        })
        .collect();
    Graph::read(&json!({"packages": packages, "resolve": {"nodes": nodes}}))
}

#[test]
fn a_core_with_a_database_is_caught_however_it_gets_it() {
    for kind in [None, Some("build")] {
        let direct = workspace(&[("payout-core", "sqlx-core", kind)]);
        assert_eq!(core_reaches_outside(&direct), ["payout-core > sqlx-core"]);
        let far = workspace(&[("payout-core", "helper", kind), ("helper", "bb8-redis", None)]);
        assert_eq!(core_reaches_outside(&far), ["payout-core > helper > bb8-redis"]);
    }
    let ours = workspace(&[("payout-core", "payout-adapters", None)]);
    assert_eq!(core_reaches_outside(&ours), ["payout-core > payout-adapters"]);
    let fine = workspace(&[
        ("payout-core", "uuid", None),
        ("payout-core", "sqlx", Some("dev")),
    ]);
    assert_eq!(core_reaches_outside(&fine), NONE);
}

#[test]
fn a_crate_used_both_in_tests_and_in_earnest_is_caught() {
    let both = workspace(&[
        ("payout-core", "redis", Some("dev")),
        ("payout-core", "redis", None),
    ]);
    assert_eq!(core_reaches_outside(&both), ["payout-core > redis"]);
}

#[test]
fn a_core_that_tests_itself_with_the_adapters_is_caught() {
    let graph = workspace(&[("payout-core", "payout-adapters", Some("dev"))]);
    assert_eq!(
        core_tests_reach_our_crates(&graph),
        ["payout-core > payout-adapters"]
    );
    assert_eq!(
        core_tests_reach_our_crates(&workspace(&[("payout-core", "proptest", Some("dev"))])),
        NONE
    );
}

#[test]
fn adapters_that_know_the_app_are_caught() {
    let app = workspace(&[("payout-adapters", "payout-app", None)]);
    assert_eq!(adapters_reach_the_app(&app), ["payout-adapters > payout-app"]);
    let web = workspace(&[
        ("payout-adapters", "helper", None),
        ("helper", "salvo_core", None),
    ]);
    assert_eq!(
        adapters_reach_the_app(&web),
        ["payout-adapters > helper > salvo_core"]
    );
    let fine = workspace(&[
        ("payout-adapters", "sqlx", None),
        ("payout-adapters", "salvo", Some("dev")),
    ]);
    assert_eq!(adapters_reach_the_app(&fine), NONE);
}

#[test]
fn an_adapter_that_is_always_built_is_caught() {
    let with = |optional: bool| {
        json!({"packages": [{"name": "payout-adapters", "dependencies": [
            {"name": "sqlx", "kind": null, "optional": optional},
            {"name": "tokio", "kind": null, "optional": false},
            {"name": "reqwest", "kind": "dev", "optional": false},
        ]}]})
    };
    assert_eq!(adapters_always_build(&with(false)), ["sqlx"]);
    assert_eq!(adapters_always_build(&with(true)), NONE);
}

#[test]
fn somebody_who_uses_the_tests_is_caught() {
    for kind in [None, Some("build"), Some("dev")] {
        let graph = workspace(&[("payout-app", "payout-tests", kind)]);
        assert_eq!(somebody_reaches_the_tests(&graph), ["payout-app > payout-tests"]);
    }
    assert_eq!(
        somebody_reaches_the_tests(&workspace(&[("payout-tests", "payout-app", None)])),
        NONE
    );
}

#[test]
fn a_pre_release_and_a_foreign_source_are_caught() {
    let lock = "[[package]]\nname = \"a\"\nversion = \"2.0.0-rc.1\"\nsource = \"registry+x\"\n\
                [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"git+x\"\n\
                [[package]]\nname = \"c\"\nversion = \"1.0.0+built-today\"\nsource = \"registry+x\"\n";
    assert_eq!(unreleased(lock), ["a 2.0.0-rc.1", "b 1.0.0 from git+x"]);
}

#[test]
fn input_and_output_is_caught_but_not_in_comments() {
    assert_eq!(
        input_and_output("let x = std::env::var(\"X\");"),
        ["let x = std::env::var(\"X\");"]
    );
    assert_eq!(
        input_and_output("    use tokio::net::TcpStream;"),
        ["use tokio::net::TcpStream;"]
    );
    assert_eq!(
        input_and_output("/// not std::env::var\nuse std::time::Duration;"),
        NONE
    );
}

#[test]
fn a_domain_that_uses_a_port_is_caught() {
    assert_eq!(
        outside_the_domain("use crate::money::Money;\nuse crate::ports::Clock;"),
        ["use crate::ports::Clock;"]
    );
    assert_eq!(
        outside_the_domain("fn f() -> crate::usecase::Payouts {"),
        ["fn f() -> crate::usecase::Payouts {"]
    );
    assert_eq!(
        outside_the_domain(
            "/// See `crate::ports::Clock`.\n#[cfg(test)]\nmod tests {\n    use crate::ports::System;\n}"
        ),
        NONE
    );
}

#[test]
fn a_variable_is_caught_even_in_a_comment() {
    for line in [
        "/// As `PAYOUT_LIMITS` has it.",
        "\"made under another PAYOUT_KEY_SECRET\"",
        "// see DATABASE_URL",
    ] {
        assert_eq!(variables(line), [line]);
    }
    assert_eq!(
        variables("format!(\"PAYOUT_{digits}\")\nlet url = database_url;"),
        NONE
    );
}
