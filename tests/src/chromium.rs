//! A headless browser.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::store::Folder;

/// A page as the browser rendered it.
#[derive(Debug)]
pub struct Page {
    /// The document after its scripts have run.
    pub dom: String,
    /// Every address that the page requested.
    pub asked: Vec<String>,
}

/// Opens a page in a browser that can resolve no other host.
pub async fn open(url: &str) -> Page {
    let folder = Folder::new();
    let netlog = folder.path().join("net.json");
    let dom = folder.path().join("dom.html");
    let browser = std::env::var("TEST_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--disable-extensions", "--virtual-time-budget=20000", "--dump-dom"])
        // The browser contacts its vendor at start; with these rules only the page's own requests can be answered.
        .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        .arg(format!("--log-net-log={}", netlog.display()))
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(url)
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&dom).unwrap())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("Chromium starts");
    let status = tokio::time::timeout(Duration::from_secs(60), child.wait()).await;
    let status = status
        .expect("Chromium renders the page within a minute")
        .unwrap();
    assert!(status.success(), "Chromium ended with {status}");
    let log = std::fs::read_to_string(netlog).unwrap();
    Page {
        dom: std::fs::read_to_string(dom).unwrap(),
        asked: asked_by(url, &log),
    }
}

/// Finds the page's own requests, not the browser's: those whose initiator is the page's origin.
fn asked_by(url: &str, log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(log).expect("a network log");
    let origin: String = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let events = log["events"].as_array().expect("events").iter();
    let requests = events
        .map(|event| &event["params"])
        .filter(|params| params["initiator"] == origin.as_str());
    requests
        .filter_map(|params| params["url"].as_str())
        .map(str::to_owned)
        .collect()
}
