//! The binary: exit codes, and one line on standard error when a setting is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};

fn payout(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = std::env::temp_dir();
    let mut command = Command::new(env!("CARGO_BIN_EXE_payout"));
    command.args(arguments).current_dir(folder).env_clear();
    command.envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], variables: &[(&str, &str)], start: &str) {
    let output = payout(arguments, variables);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with(start), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_variable_is_one_line_and_exit_code_2() {
    refused(
        &[],
        &[("PAYOUT_LEASE_MS", "soon")],
        "payout: PAYOUT_LEASE_MS: \"soon\" is not a whole number",
    );
    refused(
        &["worker"],
        &[("PAYOUT_CALL_TIMEOUT_MS", "15000")],
        "payout: PAYOUT_CALL_TIMEOUT_MS: 15000 is more than a third",
    );
    refused(
        &["serve"],
        &[("DATABASE_URL", "memory:")],
        "payout: DATABASE_URL: memory: is seen by one process only",
    );
    refused(
        &["migrate"],
        &[("DATABASE_URL", "sqlite:///no/such/folder/x.db")],
        "payout: DATABASE_URL: there is no folder",
    );
    refused(
        &[],
        &[("DATABASE_URL", "memory:"), ("PAYOUT_BIND", "192.0.2.1:80")],
        "payout: PAYOUT_BIND: cannot listen on 192.0.2.1:80",
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let mut command = Command::new(env!("CARGO_BIN_EXE_payout"));
    let output = command
        .env("PAYOUT_LOG", OsStr::from_bytes(b"\xff"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "payout: PAYOUT_LOG: is not UTF-8 text\n"
    );
}

#[test]
fn a_malformed_env_file_is_one_line_without_what_it_holds() {
    let folder = std::env::temp_dir().join(format!("payout-env-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join(".env"),
        "PAYOUT_BIND=127.0.0.1:0\nDATABASE URL=hunter2\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_payout"))
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), error.as_str()),
        (Some(2), "payout: .env: line 2: this is not NAME=value\n")
    );
}

#[test]
fn the_document_is_printed_in_both_forms() {
    let yaml = payout(&["openapi"], &[]);
    assert!(yaml.status.success() && yaml.stdout.starts_with(b"openapi: 3.1.0\n"));
    let json = payout(&["openapi", "--format", "json"], &[]);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn help_and_version_are_there() {
    let version = payout(&["--version"], &[]);
    assert_eq!(
        version.stdout,
        format!("payout {}\n", env!("CARGO_PKG_VERSION")).into_bytes()
    );
    let help = String::from_utf8(payout(&["--help"], &[]).stdout).unwrap();
    for name in [
        "DATABASE_URL",
        "PAYOUT_LEASE_MS",
        "migrate",
        "[default: 127.0.0.1:8000]",
    ] {
        assert!(help.contains(name), "{name}");
    }
    assert!(help.contains("healthcheck"));
}

#[test]
fn a_health_check_of_nobody_fails() {
    let output = payout(&["healthcheck"], &[("PAYOUT_BIND", "127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(1));
}

/// A folder for one test, deleted when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, env: Option<&str>) -> Self {
        let path = std::env::temp_dir().join(format!("payout-binary-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        if let Some(env) = env {
            std::fs::write(path.join(".env"), env).unwrap();
        }
        Self(path)
    }

    /// Runs the binary in the folder; returns its exit code, standard output and standard error.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_payout"));
        command.args(arguments).current_dir(&self.0).env_clear();
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command line of each command that reads settings.
const READ_SETTINGS: &[&[&str]] = &[
    &[],
    &["run"],
    &["serve"],
    &["worker"],
    &["migrate"],
    &["keys", "list"],
    &["keys", "create", "a", "--scopes", "read"],
    &["encryption", "rotate"],
    &["keys-rotate"],
    &["doctor"],
    &["reconcile", "--since", "1d"],
    &["backup", "copy.db"],
    &["healthcheck"],
];

#[test]
fn an_unknown_variable_ends_every_command_with_the_nearest_name() {
    let folder = Folder::new("unknown", None);
    for arguments in READ_SETTINGS {
        let (code, _, error) = folder.run(arguments, &[("PAYOUT_PROCESOR", "http")]);
        let line = "payout: PAYOUT_PROCESOR: is not a setting; is PAYOUT_PROCESSOR meant?\n";
        assert_eq!((code, error.as_str()), (Some(2), line), "{arguments:?}");
    }
    for (name, nearest) in [
        ("PAYOUT_ENCRYPTION_KEY", "PAYOUT_ENCRYPTION_KEYS"),
        ("PAYOUT_LEASE", "PAYOUT_LEASE_MS"),
        ("DATABSE_URL", "DATABASE_URL"),
    ] {
        let (code, _, error) = folder.run(&["run"], &[(name, "hunter2")]);
        let line = format!("payout: {name}: is not a setting; is {nearest} meant?\n");
        assert_eq!((code, error), (Some(2), line));
    }
    assert_eq!(folder.files(), Vec::<String>::new(), "nothing was made");
}

#[test]
fn an_unknown_name_in_the_env_file_is_named_with_its_line() {
    for (name, nearest) in [
        ("DATABSE_URL", "DATABASE_URL"),
        ("REDIS_URLL", "REDIS_URL"),
        ("SENTRY_DNS", "SENTRY_DSN"),
        ("PAYOUT_PROCESOR", "PAYOUT_PROCESSOR"),
    ] {
        let folder = Folder::new("unknown-in-file", Some(&format!("# ours\n\n{name}=hunter2\n")));
        for arguments in READ_SETTINGS {
            // A misspelt name in the file is refused even where the right one is set.
            let variables = [("DATABASE_URL", "memory:")];
            let (code, _, error) = folder.run(arguments, &variables);
            let line = format!("payout: .env: line 3: {name}: is not a setting; is {nearest} meant?\n");
            assert_eq!((code, error), (Some(2), line), "{arguments:?}");
        }
    }
}

#[test]
fn what_others_put_into_the_environment_is_passed_over() {
    let folder = Folder::new(
        "others",
        Some("POSTGRES_PASSWORD=x\nPAYOUT_IMAGE=x\nGRAFANA_PORT=1\n"),
    );
    let variables = [
        ("PAYOUT_BIND", "127.0.0.1:1"),
        ("PAYOUT_PORT", "tcp://10.0.0.1:8000"),
        ("PAYOUT_SERVICE_HOST", "10.0.0.1"),
        ("PAYOUT_SERVICE_PORT_HTTP", "8000"),
        ("PAYOUT_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("PAYOUT_WEB_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("DATABASE_URL", "memory:"),
        ("DATABASE_URI", "another program's"),
        ("OTEL_SERVICE_NAME", "payout"),
    ];
    let (code, _, error) = folder.run(&["healthcheck"], &variables);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("127.0.0.1:1 does not answer"), "{error}");
}

#[test]
fn a_value_of_the_env_file_is_kept_as_it_is() {
    for (line, value) in [
        ("PAYOUT_LOG=ab$cd", "ab$cd"),
        ("PAYOUT_LOG=\"ab${PATH}cd\"", "ab${PATH}cd"),
        ("PAYOUT_LOG='$ab'", "$ab"),
        ("PAYOUT_LOG=a b$ # comment", "a b$"),
    ] {
        let folder = Folder::new("dollar", Some(line));
        let (code, _, error) = folder.run(&["run"], &[]);
        let start = format!("payout: PAYOUT_LOG: {value:?} is not a log filter");
        assert!(code == Some(2) && error.starts_with(&start), "{line}: {error}");
    }
    // The environment takes precedence over the file.
    let folder = Folder::new("wins", Some("PAYOUT_LOG=ab$cd\nPAYOUT_BIND=nowhere\n"));
    let (_, _, error) = folder.run(&["run"], &[("PAYOUT_LOG", "info")]);
    assert!(error.starts_with("payout: PAYOUT_BIND: \"nowhere\""), "{error}");
}

#[test]
fn an_empty_variable_counts_as_unset_beside_the_env_file() {
    let folder = Folder::new("empty", Some("PAYOUT_LOG=ab$cd\n"));
    for empty in ["", " "] {
        let (code, _, error) = folder.run(&["run"], &[("PAYOUT_LOG", empty)]);
        let start = "payout: PAYOUT_LOG: \"ab$cd\" is not a log filter";
        assert!(code == Some(2) && error.starts_with(start), "{empty:?}: {error}");
    }
}

#[test]
fn a_misspelt_name_is_refused_beside_the_right_one_that_is_empty() {
    let folder = Folder::new("empty-and-misspelt", None);
    let variables = [("DATABASE_URL", ""), ("DATABASE_URI", "memory:")];
    let (code, _, error) = folder.run(&["run"], &variables);
    let line = "payout: DATABASE_URI: is not a setting; is DATABASE_URL meant?\n";
    assert_eq!((code, error.as_str()), (Some(2), line));
}

#[test]
fn commands_on_a_database_make_none() {
    let folder = Folder::new("elsewhere", None);
    let path = std::fs::canonicalize(&folder.0).unwrap().join("payouts.db");
    for arguments in [
        &["keys", "list"][..],
        &["keys", "create", "billing", "--scopes", "read"],
        &["keys", "revoke", "billing"],
        &["keys", "rotate", "billing"],
        &[
            "encryption",
            "rotate",
            "--encryption-keys",
            "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ],
        &["reconcile", "--since", "1d"],
        &["backup", "copy.db"],
        &["doctor"],
    ] {
        let (code, printed, error) = folder.run(arguments, &[]);
        assert!(code != Some(0), "{arguments:?}");
        let said = printed + &error;
        assert!(said.contains(path.to_str().unwrap()), "{arguments:?}: {said}");
        assert_eq!(folder.files(), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn the_earlier_name_of_encryption_rotate_works_and_names_the_new_one() {
    let folder = Folder::new("earlier-name", None);
    let key = (
        "PAYOUT_ENCRYPTION_KEYS",
        "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    );
    assert_eq!(folder.run(&["migrate"], &[]).0, Some(0));
    let (code, earlier, error) = folder.run(&["keys-rotate"], &[key]);
    assert_eq!(code, Some(0), "{error}");
    assert!(error.contains("payout encryption rotate"), "{error}");
    let (code, now, error) = folder.run(&["encryption", "rotate"], &[key]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert_eq!(earlier, now);
    assert!(!folder.run(&["--help"], &[]).1.contains("keys-rotate"));
}

#[test]
fn the_document_and_help_need_no_settings() {
    let folder = Folder::new("document", Some("this is nothing"));
    for arguments in [
        &["openapi"][..],
        &["--help"],
        &["help", "keys"],
        &["--version"],
        &["run", "--help"],
    ] {
        let (code, printed, error) = folder.run(arguments, &[("PAYOUT_PROCESOR", "http")]);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!printed.is_empty());
    }
}

#[test]
fn an_option_of_another_command_is_one_line_that_names_it() {
    refused(
        &["serve", "--restored"],
        &[],
        "payout: --restored: does not apply to `payout serve`",
    );
    refused(
        &["openapi", "--database-url=memory:"],
        &[],
        "payout: --database-url: does not apply to `payout openapi`",
    );
}
