//! What is shipped and how it is run, by the files that say so: an image without root, containers that can change
//! nothing and gain nothing, and a CI that looks at every dependency.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use yaml_serde::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// With what `<<` brings in.
fn yaml(path: &str) -> Value {
    let mut value: Value = yaml_serde::from_str(&read(path)).unwrap();
    // Once for what a service takes over, and once for what that has taken over itself.
    value.apply_merge().unwrap();
    value.apply_merge().unwrap();
    value
}

/// A user by name or number, with or without a group, who is not root.
fn is_nobody_special(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    !name.is_empty() && name != "root" && name.parse() != Ok(0)
}

/// What lets a container change its image, gain rights, or be reached from outside; empty for a hardened one.
fn weaknesses(service: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            found.push(what.to_owned());
        }
    };
    let list = |name: &str| -> Vec<String> {
        let items = service.get(name).and_then(Value::as_sequence);
        let text = |item: &Value| item.as_str().unwrap_or("?").to_owned();
        items
            .map(|items| items.iter().map(text).collect())
            .unwrap_or_default()
    };
    expect(
        service.get("read_only") == Some(&Value::Bool(true)),
        "its files can be changed",
    );
    expect(
        list("cap_drop") == ["ALL"] && service.get("cap_add").is_none(),
        "it has capabilities",
    );
    expect(
        list("security_opt") == ["no-new-privileges:true"],
        "it can gain privileges",
    );
    expect(
        service
            .get("user")
            .and_then(Value::as_str)
            .is_some_and(is_nobody_special),
        "it runs as root, or as whoever the image says",
    );
    for name in [
        "privileged",
        "network_mode",
        "pid",
        "ipc",
        "devices",
        "userns_mode",
    ] {
        expect(service.get(name).is_none(), name);
    }
    let docker = list("volumes")
        .iter()
        .any(|volume| volume.contains("docker.sock"));
    expect(!docker, "it holds Docker itself");
    let local = list("ports").iter().all(|port| port.starts_with("127.0.0.1:"));
    expect(local, "it is published beyond this host");
    found
}

#[test]
fn every_container_is_without_root_and_capabilities_and_cannot_change_its_files() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_mapping().unwrap();
    assert!(services.len() >= 5, "{services:?}");
    for (name, service) in services {
        assert_eq!(weaknesses(service), Vec::<String>::new(), "{name:?}");
    }
}

#[test]
fn a_container_that_could_do_more_is_caught() {
    let hardened =
        "{read_only: true, cap_drop: [ALL], security_opt: ['no-new-privileges:true'], user: '10001:10001'}";
    let hardened: Value = yaml_serde::from_str(hardened).unwrap();
    assert_eq!(weaknesses(&hardened), Vec::<String>::new());
    for (name, value) in [
        ("read_only", "false"),
        ("cap_drop", "[NET_RAW]"),
        ("cap_add", "[SYS_ADMIN]"),
        ("security_opt", "[]"),
        ("user", "'0:0'"),
        ("user", "root"),
        ("user", "''"),
        ("privileged", "true"),
        ("network_mode", "host"),
        ("volumes", "['/var/run/docker.sock:/var/run/docker.sock']"),
        ("ports", "['8000:8000']"),
    ] {
        let mut weak = hardened.clone();
        weak.as_mapping_mut()
            .unwrap()
            .insert(name.into(), yaml_serde::from_str(value).unwrap());
        assert_eq!(weaknesses(&weak).len(), 1, "{name}: {value}");
    }
    for name in ["read_only", "cap_drop", "security_opt", "user"] {
        let mut weak = hardened.clone();
        weak.as_mapping_mut().unwrap().remove(name);
        assert_eq!(weaknesses(&weak).len(), 1, "without {name}");
    }
}

#[test]
fn the_database_and_redis_are_reached_from_within_alone() {
    let compose = yaml("docker-compose.yml");
    assert_eq!(compose["networks"]["backend"]["internal"], Value::Bool(true));
    for name in ["db", "redis"] {
        let service = &compose["services"][name];
        assert!(service.get("ports").is_none(), "{name}");
        assert_eq!(service["networks"].as_sequence().unwrap().len(), 1, "{name}");
        assert_eq!(service["networks"][0], "backend", "{name}");
    }
}

#[test]
fn the_image_runs_the_binary_as_a_user_of_its_own() {
    let dockerfile = read("payout-app/Dockerfile");
    let last = dockerfile.rfind("\nFROM ").unwrap();
    let words = |instruction: &str| -> Vec<String> {
        let lines = dockerfile[last..].lines();
        lines
            .filter_map(|line| line.strip_prefix(instruction))
            .map(|rest| rest.trim().to_owned())
            .collect()
    };
    let users = words("USER ");
    assert!(
        users.last().is_some_and(|user| is_nobody_special(user)),
        "{users:?}"
    );
    // By number, so that an orchestrator can see that it is not root.
    assert!(
        users[0].bytes().all(|byte| byte.is_ascii_digit() || byte == b':'),
        "{users:?}"
    );
    assert_eq!(words("ENTRYPOINT "), ["[\"payout\"]"]);
    assert!(
        words("ADD ").is_empty(),
        "ADD fetches and unpacks; COPY does neither"
    );
    let secrets = words("ENV ").join(" ") + &words("ARG ").join(" ");
    for word in ["PASSWORD", "TOKEN", "SECRET", "DATABASE_URL"] {
        assert!(!secrets.contains(word), "{secrets}");
    }
}

#[test]
fn ci_checks_the_dependencies() {
    let runs: Vec<String> = yaml(".github/workflows/ci.yml")["jobs"]
        .as_mapping()
        .unwrap()
        .values()
        .flat_map(|job| job["steps"].as_sequence().unwrap().clone())
        .filter_map(|step| step.get("run").and_then(Value::as_str).map(str::to_owned))
        .collect();
    for command in [".ci/run", "tests/supply-chain deny", "tests/supply-chain audit"] {
        assert!(
            runs.iter().any(|run| run == command),
            "{command} is not in {runs:?}"
        );
    }
    assert!(read(".ci/run").lines().any(|line| line == "make supply-chain"));
    let rules = read("deny.toml");
    for table in ["[advisories]", "[licenses]", "[bans]", "[sources]"] {
        assert!(rules.contains(table), "{table}");
    }
}
