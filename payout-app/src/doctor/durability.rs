//! The checks of stored data: writes succeed, commits are durable, and no other user can read or change the data.

use std::fs;
use std::os::unix::fs::MetadataExt;

use payout_adapters::storage::admin::Durability;
use tokio::time::timeout;

use super::checks::{PATIENCE, SEE_MESSAGE};
use super::report::{Report, in_a_line};
use crate::settings::{Config, Database};
use crate::unusable::Unusable;
use crate::wiring::Ports;

/// Checks that a write succeeds: a database that can be read may still refuse writes.
pub(super) async fn writes(config: &Config, ports: &Ports, report: &mut Report) {
    match timeout(PATIENCE, ports.repository.probe()).await {
        Ok(Ok(())) => report.ok("writes", "a write goes through"),
        Ok(Err(error)) => report.fail(
            "writes",
            Unusable::new(&config.database, &error),
            "nothing can be created or paid: is the disk full, the file or the server read-only, a standby?",
        ),
        Err(_) => report.fail(
            "writes",
            format!("no write goes through within {} s", PATIENCE.as_secs()),
            "is another process writing, or the disk slow?",
        ),
    }
}

pub(super) async fn commits(ports: &Ports, report: &mut Report) {
    match timeout(PATIENCE, ports.store.durability()).await {
        Ok(Ok(Some(durability))) => say(&durability, report),
        // SQLite waits for its disk at every commit, and memory has nothing to wait for.
        Ok(Ok(None)) => (),
        Ok(Err(error)) => report.fail("durability", in_a_line(&error), SEE_MESSAGE),
        Err(_) => report.warn("durability", "the database does not say in time", "ask again"),
    }
}

/// Reports the settings. A function of its own, so that tests can try every combination.
pub(super) fn say(durability: &Durability, report: &mut Report) {
    let Durability {
        fsync,
        full_page_writes,
        synchronous_commit,
        configured_synchronous_commit,
    } = durability;
    if !fsync {
        report.fail(
            "durability",
            "fsync is off: a crash of the server's host may lose payouts that were paid, or all of them",
            "set fsync=on at the server",
        );
    }
    if !full_page_writes {
        report.warn(
            "durability",
            "full_page_writes is off: a crash may leave pages half written",
            "set full_page_writes=on, unless the file system writes whole pages only",
        );
    }
    if matches!(synchronous_commit.as_str(), "off" | "local") {
        report.fail(
            "durability",
            format!("synchronous_commit is {synchronous_commit}: what was acknowledged may be lost"),
            "let this service set it for its sessions, or set it to on",
        );
    } else if synchronous_commit == configured_synchronous_commit {
        report.ok(
            "durability",
            format!("synchronous_commit is {synchronous_commit}"),
        );
    } else {
        report.ok(
            "durability",
            format!(
                "synchronous_commit is {synchronous_commit} in this service's sessions, where the server, the database or \
                 the role says {configured_synchronous_commit}"
            ),
        );
    }
}

pub(super) async fn audit_trail(ports: &Ports, report: &mut Report) {
    match timeout(PATIENCE, ports.store.audit_trail_flaws()).await {
        Ok(Ok(flaws)) if flaws.is_empty() => report.ok("audit trail", "the database refuses to change it"),
        Ok(Ok(flaws)) => report.fail(
            "audit trail",
            format!("events may be changed or removed unnoticed: {}", flaws.join("; ")),
            "find out who did that; make it again as the first migration does",
        ),
        Ok(Err(error)) => report.fail("audit trail", in_a_line(&error), SEE_MESSAGE),
        Err(_) => report.warn("audit trail", "the database does not say in time", "ask again"),
    }
}

/// Warns of database files that other users can access. A process creates its own files as private.
pub(super) fn file_modes(config: &Config, report: &mut Report) {
    let Database::Sqlite { path } = &config.database else {
        return;
    };
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if let Ok(metadata) = fs::metadata(&name)
            && metadata.mode() & 0o077 != 0
        {
            report.warn(
                "files",
                format!(
                    "{} is readable or writable by others than its owner",
                    name.display()
                ),
                "chmod 600",
            );
        }
    }
}
