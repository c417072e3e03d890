//! Deployment, checked in the files that define it: an image that does not run as root, containers that can change
//! nothing and gain no privileges, and a CI that checks every dependency.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use yaml_serde::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// Reads a YAML file, with its `<<` merges applied.
fn yaml(path: &str) -> Value {
    let mut value: Value = yaml_serde::from_str(&read(path)).unwrap();
    // Once for the merged mappings, and once more for the mappings that these have merged themselves.
    value.apply_merge().unwrap();
    value.apply_merge().unwrap();
    value
}

/// Returns whether a user, by name or number and with or without a group, is not root.
fn is_nobody_special(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    !name.is_empty() && name != "root" && name.parse() != Ok(0)
}

/// Returns the reasons why a container could change its image, gain privileges, or be reached from outside; empty for a
/// hardened one.
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
    for limit in ["mem_limit", "cpus", "pids_limit"] {
        let no_limit = format!("it has no {limit}");
        expect(service.get(limit).is_some(), &no_limit);
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
    let hardened = "{read_only: true, cap_drop: [ALL], security_opt: ['no-new-privileges:true'], user: '10001:10001', \
                    mem_limit: 1g, cpus: 1, pids_limit: 9}";
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
    for name in [
        "read_only",
        "cap_drop",
        "security_opt",
        "user",
        "mem_limit",
        "cpus",
        "pids_limit",
    ] {
        let mut weak = hardened.clone();
        weak.as_mapping_mut().unwrap().remove(name);
        assert_eq!(weaknesses(&weak).len(), 1, "without {name}");
    }
}

/// Returns whether an image is pinned, by digest or by a tag with a minor version: a later push to the same name cannot
/// replace it by another version.
fn is_pinned(image: &str) -> bool {
    if image.contains("@sha256:") {
        return true;
    }
    let Some((_, tag)) = image.rsplit_once(':') else {
        return false;
    };
    let mut numbers = tag.trim_start_matches('v').split(['.', '-']);
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    is_number(numbers.next()) && is_number(numbers.next())
}

#[test]
fn every_image_is_pinned_to_a_minor_version() {
    let compose = yaml("docker-compose.yml");
    let images = compose["services"].as_mapping().unwrap().values();
    let mut images: Vec<String> = images
        .filter(|service| service.get("build").is_none())
        .map(|service| service["image"].as_str().unwrap().to_owned())
        .collect();
    let dockerfile = read("payout-app/Dockerfile");
    let bases = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM "));
    images.extend(bases.map(|base| base.split(' ').next().unwrap_or_default().to_owned()));
    assert!(images.len() >= 8, "{images:?}");
    for image in images {
        assert!(is_pinned(&image), "{image}");
    }
    for moving in [
        "postgres",
        "postgres:16",
        "debian:bookworm-slim",
        "redis:latest",
        "x:16-1b",
    ] {
        assert!(!is_pinned(moving), "{moving}");
    }
    assert!(is_pinned("prom/prometheus:v3.5.0") && is_pinned("postgres@sha256:0123"));
}

#[test]
fn no_build_asks_a_registry_for_its_own_syntax() {
    assert!(!read("payout-app/Dockerfile").contains("syntax="));
}

/// Every command except `up` (`down`, `ps`, `logs`) must work with an empty environment.
#[test]
fn nothing_is_required_before_a_container_starts() {
    let compose = read("docker-compose.yml");
    for line in compose.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for required in [":?", "?}"] {
            assert!(!line.contains(required), "{line}");
        }
    }
}

/// Each secret that a container may read from a file is a file of this host, mounted at the path that its variable
/// names.
#[test]
fn secrets_reach_the_containers_by_files() {
    let compose = yaml("docker-compose.yml");
    let secrets = compose["secrets"].as_mapping().unwrap();
    let environment = compose["services"]["web"]["environment"].as_mapping().unwrap();
    let mut found = Vec::new();
    for (name, value) in environment {
        let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap_or_default());
        // It names a file of settings, and not one with a secret.
        let Some(variable) = name
            .strip_suffix("_FILE")
            .filter(|_| name != "PAYOUT_PROVIDERS_FILE")
        else {
            continue;
        };
        let short = variable.trim_start_matches("PAYOUT_");
        let secret = short.to_lowercase();
        assert_eq!(
            value,
            format!("${{DOCKER_{short}_FILE:+/run/secrets/{secret}}}"),
            "{name}"
        );
        let file = secrets[secret.as_str()]["file"].as_str().unwrap();
        assert_eq!(file, format!("${{DOCKER_{short}_FILE:-/dev/null}}"), "{name}");
        for service in ["web", "worker", "migrate"] {
            let mounted = compose["services"][service]["secrets"].as_sequence().unwrap();
            assert!(
                mounted.contains(&secret.as_str().into()),
                "{service} has no {secret}"
            );
        }
        found.push(variable);
    }
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "DATABASE_URL",
            "PAYOUT_ENCRYPTION_KEYS",
            "PAYOUT_KEY_SECRET",
            "PAYOUT_PROCESSOR_TOKEN",
            "SENTRY_DSN"
        ]
    );
    let example = read(".env.example");
    for variable in secrets.values().map(|secret| secret["file"].as_str().unwrap()) {
        let (name, _) = variable.trim_start_matches("${").split_once(':').unwrap();
        assert!(
            example.contains(&format!("#{name}=")),
            "{name} is not in .env.example"
        );
    }
}

/// A server that was stopped while it was being initialized answers pg_isready forever, but no query.
#[test]
fn the_database_is_healthy_only_once_it_answers_a_query() {
    let check = &yaml("docker-compose.yml")["services"]["db"]["healthcheck"]["test"];
    let check = check[1].as_str().unwrap();
    for part in [
        "psql ",
        "--host 127.0.0.1",
        "--username \"$$POSTGRES_USER\"",
        "--dbname \"$$POSTGRES_DB\"",
        "'SELECT 1'",
    ] {
        assert!(check.contains(part), "{part} is not in {check}");
    }
}

/// `make` in a folder with only the Makefile and possibly a `.env`; its docker prints its arguments.
struct Make(payout_tests::store::Folder);

impl Make {
    fn new(env: Option<&str>) -> Self {
        use std::os::unix::fs::PermissionsExt;

        let folder = payout_tests::store::Folder::new();
        std::fs::copy(format!("{ROOT}/Makefile"), folder.path().join("Makefile")).unwrap();
        let docker = folder.path().join("docker");
        std::fs::write(&docker, "#!/bin/sh\necho docker \"$@\"\n").unwrap();
        std::fs::set_permissions(&docker, PermissionsExt::from_mode(0o755)).unwrap();
        if let Some(env) = env {
            std::fs::write(folder.path().join(".env"), env).unwrap();
        }
        Self(folder)
    }

    fn run(&self, args: &[&str]) -> String {
        let path = std::env::var("PATH").unwrap();
        let output = std::process::Command::new("make")
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.0.path().display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.0.path().join(file)).ok()
    }

    fn mode(&self, file: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt;

        let metadata = std::fs::metadata(self.0.path().join(file)).unwrap();
        metadata.permissions().mode() & 0o777
    }
}

#[test]
fn make_up_keeps_the_containers_key_out_of_what_make_run_reads() {
    for env in [
        None,
        Some("PAYOUT_LOG=debug\nPAYOUT_ENCRYPTION_KEYS=\n#DOCKER_ENCRYPTION_KEYS_FILE=x"),
    ] {
        let make = Make::new(env);
        let said = make.run(&["up"]);
        let key = make.text("secrets/encryption_keys").unwrap();
        let key = key.trim_end();
        assert!(key.starts_with("k1:") && key.len() == 47, "{}", key.len());
        assert!(!said.contains(key), "the key is shown");
        // Only this user can enter the folder; any user in the container can read the file.
        assert_eq!(
            (make.mode("secrets"), make.mode("secrets/encryption_keys")),
            (0o700, 0o444)
        );
        let lines = "DOCKER_ENCRYPTION_KEYS_FILE=secrets/encryption_keys\nPOSTGRES_PASSWORD=\n\
            DOCKER_POSTGRES_PASSWORD_FILE=secrets/postgres_password\nDOCKER_DATABASE_URL=\n\
            DOCKER_DATABASE_URL_FILE=secrets/database_url\n";
        let expected = env.map_or_else(String::new, |env| format!("{env}\n")) + lines;
        let written = make.text(".env").unwrap();
        assert_eq!(written, expected);
        make.run(&["up"]);
        assert_eq!(make.text(".env").unwrap(), written, "once");
        assert_eq!(make.text("secrets/encryption_keys").unwrap().trim_end(), key);
        let password = make.text("secrets/postgres_password").unwrap();
        assert!(
            password.len() == 32 && password.chars().all(|c| c.is_ascii_alphanumeric()),
            "it is part of a URL"
        );
        let address = format!("postgres://payout:{password}@db:5432/payout\n");
        assert_eq!(make.text("secrets/database_url"), Some(address));
        assert!(!said.contains(&password), "the password is shown");
    }
}

/// The volume of an earlier version has the password that .env, or nothing, named.
#[test]
fn make_up_changes_no_password_that_is_in_use() {
    for env in [
        "POSTGRES_PASSWORD=x1\n",
        "POSTGRES_DB=other\n",
        "DOCKER_DATABASE_URL=postgres://elsewhere/x\n",
    ] {
        let make = Make::new(Some(env));
        make.run(&["up"]);
        assert_eq!(make.text("secrets/postgres_password"), None);
        assert!(
            !make.text(".env").unwrap().contains("POSTGRES_PASSWORD_FILE"),
            "{env}"
        );
    }
    let make = Make::new(Some("DOCKER_ENCRYPTION_KEYS_FILE=secrets/encryption_keys\n"));
    make.run(&["up"]);
    assert_eq!(make.text("secrets/postgres_password"), None);
}

/// Returns whether Docker's ignore file leaves a path of the root out of the context.
fn is_ignored(list: &str, name: &str) -> bool {
    list.lines().any(|line| match line.split_once('*') {
        Some((begin, end)) => name.starts_with(begin) && name.ends_with(end),
        None => line == name,
    })
}

#[test]
fn an_edit_to_anything_but_the_code_reaches_no_build_of_the_image() {
    let list = read(".dockerignore");
    let code = [
        "Cargo.lock",
        "Cargo.toml",
        "payout-adapters",
        "payout-app",
        "payout-core",
        "tests",
    ];
    for entry in std::fs::read_dir(ROOT).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(is_ignored(&list, &name), !code.contains(&name.as_str()), "{name}");
    }
    assert!(
        list.contains("\ntests/**\n!tests/**/Cargo.toml\n!tests/**/*.rs\n"),
        "{list}"
    );
}

#[test]
fn a_release_has_both_architectures_checksums_an_image_and_an_sbom() {
    let release = read(".github/workflows/release.yml");
    for part in [
        "arch: x86-64",
        "arch: arm64",
        "sha256sum",
        "imagetools create",
        "cargo cyclonedx",
        "make package",
    ] {
        assert!(release.contains(part), "{part}");
    }
    let checked = std::process::Command::new(format!("{ROOT}/tests/release-check"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let other = std::process::Command::new(format!("{ROOT}/tests/release-check"))
        .arg("v99.0.0")
        .output()
        .unwrap();
    assert!(!other.status.success(), "a tag that is not the version");
}

#[test]
fn ci_runs_the_tests_on_the_oldest_and_the_newest_servers() {
    let servers = &yaml(".github/workflows/ci.yml")["jobs"]["servers"]["strategy"]["matrix"];
    let versions: Vec<&str> = servers["postgres"]
        .as_sequence()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(versions, ["15", "18"]);
    let queues: Vec<&str> = servers["queue"]
        .as_sequence()
        .unwrap()
        .iter()
        .filter_map(|one| one["image"].as_str())
        .collect();
    assert_eq!(queues, ["redis:7", "valkey/valkey:8"]);
}

/// Returns the features of a manifest that no comment before them explains.
fn unexplained(manifest: &str) -> Vec<String> {
    let (_, rest) = manifest.split_once("\n[features]\n").unwrap();
    let (features, _) = rest.split_once("\n[").unwrap();
    let mut explained = false;
    let mut found = Vec::new();
    for line in features.lines() {
        match line.split_once(" = ") {
            Some((name, _)) if !name.starts_with(' ') && name != "default" => {
                if !explained {
                    found.push(name.to_owned());
                }
                explained = false;
            }
            Some(_) | None => explained = line.starts_with("## "),
        }
    }
    found
}

#[test]
fn the_published_crates_say_what_each_feature_does() {
    for name in ["payout-core", "payout-adapters"] {
        let manifest = read(&format!("{name}/Cargo.toml"));
        assert_eq!(unexplained(&manifest), Vec::<String>::new(), "{name}");
        assert!(!manifest.contains("publish"), "{name} can be published");
        assert!(
            manifest.contains("[package.metadata.docs.rs]\nall-features = true\n"),
            "{name}"
        );
    }
    assert_eq!(
        unexplained("\n[features]\n## It is.\na = []\nb = []\n\n[x]"),
        ["b"]
    );
}

#[test]
fn make_up_takes_a_key_that_is_given() {
    for env in [
        "PAYOUT_ENCRYPTION_KEYS=k1:abc\n",
        "export DOCKER_ENCRYPTION_KEYS_FILE=/elsewhere/keys\n",
    ] {
        let make = Make::new(Some(env));
        make.run(&["up"]);
        assert_eq!(make.text(".env").as_deref(), Some(env));
        assert_eq!(make.text("secrets/encryption_keys"), None);
    }
}

#[test]
fn make_up_waits_and_make_down_takes_everything_down() {
    let make = Make::new(Some("PAYOUT_ENCRYPTION_KEYS=k1:abc\n"));
    let up = make.run(&["up", "WORKERS=3"]);
    for part in ["--detach", "--wait ", "--scale worker=3"] {
        assert!(up.contains(part), "{up}");
    }
    let down = make.run(&["down"]);
    assert!(
        down.contains("docker compose --profile observability down"),
        "{down}"
    );
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
    // A numeric user, so that an orchestrator can see that it is not root.
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
