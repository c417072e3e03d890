//! README's section *Paying many*, run word by word: its commands, in their order, in one shell.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;

use payout_tests::app::Launch;
use payout_tests::store::{Backend, Store};

use crate::support::BINARY;

const README: &str = include_str!("../../../README.md");
/// The address of README's commands.
const ADDRESS: &str = "http://127.0.0.1:8000";

/// Returns the commands of a section, without those that start the service.
fn commands(section: &str) -> String {
    let (_, rest) = README.split_once(&format!("\n## {section}\n")).unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let blocks = section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split_once("```").unwrap().0);
    let blocks: Vec<&str> = blocks.collect();
    let (starts, others): (Vec<&str>, Vec<&str>) =
        blocks.into_iter().partition(|block| block.contains("make run"));
    assert_eq!(starts, ["PAYOUT_APPROVALS=EUR=2000:1 make run\n"]);
    others.concat()
}

#[tokio::test]
async fn a_newcomer_pays_many_by_copy_and_paste() {
    let store = Arc::new(Store::new(Backend::Sqlite).await);
    let launch = Launch::bare(BINARY, store.clone())
        .set("PAYOUT_SIMULATED_DELAY_MS", 50)
        .set("PAYOUT_APPROVALS", "EUR=2000:1");
    let app = launch.start(&[]).ready().await;
    let folder = store.folder().to_owned();
    let programs = folder.join("bin");
    std::fs::create_dir(&programs).unwrap();
    symlink(BINARY, programs.join("payout")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let script = commands("Paying many").replace(ADDRESS, &format!("http://127.0.0.1:{}", app.port()));
    let mut shell = Command::new("timeout");
    shell
        .args(["120", "bash", "-eu", "-c", &script])
        .current_dir(&folder)
        .envs(store.env())
        .env("PATH", path);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{errors}\n{}", app.log());
    let parts = [
        "3,\"amount\",\"The amount has a comma.",
        "5,\"currency\",\"This field is required.\"",
        "\"forecast\":{\"awaiting_approval\":3,\"for_amount\":3,",
        "\"external_id\":\"salaries-11\"",
        "\"awaiting_approval\":3,",
        "\"not_allowed\":3,",
        "\"approved\":3,\"completed\":3,",
    ];
    let mut rest = said.as_str();
    for part in parts {
        let (_, after) = rest
            .split_once(part)
            .unwrap_or_else(|| panic!("{part} does not follow in {said}\n{errors}"));
        rest = after;
    }
    let paid = std::fs::read_to_string(folder.join("paid.csv")).unwrap();
    let rows: Vec<&str> = paid.lines().skip(1).collect();
    assert_eq!(rows.len(), 5, "{paid}");
    for (row, name) in rows
        .iter()
        .zip(["Lovelace", "Pascal", "Huygens", "Schrödinger", "Lemaître"])
    {
        assert!(row.contains(name) && row.contains("completed"), "{row}");
    }
}
