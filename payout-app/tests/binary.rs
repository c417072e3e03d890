//! The binary: exit codes, and one line on standard error when a setting is wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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
    assert!(!help.contains("healthcheck"));
}

#[test]
fn a_health_check_of_nobody_fails() {
    let output = payout(&["healthcheck"], &[("PAYOUT_BIND", "127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(1));
}
