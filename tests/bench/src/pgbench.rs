//! The other side: PostgreSQL's own load generator, writing the same rows one at a time.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use payout_tests::throwaway::postgres_bin;
use tokio::process::Command;

use crate::Outcome;
use crate::clock;

/// The payout and its first event in one statement and one commit, as the service writes a lone request. Ids grow with
/// time, as the service's do.
const INSERT: &str = r"
\set seq :seq + 1
WITH stored AS (
    INSERT INTO payout_details (
        id, created_at, amount, currency, recipient_account, recipient_name, recipient_name_folded, description,
        created_by, created_in)
    VALUES (
        (lpad(to_hex(:base::bigint + :seq::bigint), 12, '0') || lpad(to_hex(:client_id::bigint), 20, '0'))::uuid,
        now(), 10.50, 'USD', 'DE89370400440532013000', 'Ada Lovelace', 'ada lovelace', 'Invoice', 'api',
        'd59fdc855ec35eb5-1')
    RETURNING id, created_at)
INSERT INTO payout_states (id, created_at, generation, claims, fence, version, updated_at, due_at, needs_review, status)
SELECT id, created_at, 0, 0, 0, 1, created_at, created_at, false, 'pending' FROM stored;
";

/// A payout's life cycle after its creation: claimed and settled, each with its event and a commit of its own.
const LIFE: &str = r"
UPDATE payout_states
SET status = 'processing', fence = fence + 1, claims = claims + 1, version = version + 1, updated_at = now(),
    claimed_at = now(), due_at = now() + interval '15 seconds', quiet_at = now() + interval '20 seconds',
    first_submitted_at = now(), claimed_by = 'worker'
WHERE id = (lpad(to_hex(:base::bigint + :seq::bigint), 12, '0') || lpad(to_hex(:client_id::bigint), 20, '0'))::uuid
    AND status = 'pending';
WITH settled AS (
    UPDATE payout_states
    SET status = 'completed', version = version + 1, updated_at = now(), due_at = NULL, claimed_by = NULL,
        provider_reference = 'sim_4f2ff3aac8f7707fe7d6a029b68f2b15'
    WHERE id = (lpad(to_hex(:base::bigint + :seq::bigint), 12, '0') || lpad(to_hex(:client_id::bigint), 20, '0'))::uuid
        AND fence = 1 AND status = 'processing'
    RETURNING id, generation, fence, updated_at, claimed_at)
INSERT INTO payout_events (payout_id, generation, fence, at, kind, status, actor, claimed_by, claimed_at)
SELECT id, generation, fence, updated_at, 'completed', 'completed', 'worker', 'worker', claimed_at FROM settled;
";

/// The work of each pgbench transaction.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Creates a payout.
    Insert,
    /// Creates, claims and settles a payout.
    Life,
}

pub(crate) struct Pgbench {
    folder: PathBuf,
    url: String,
}

impl Pgbench {
    pub(crate) fn new(folder: &Path, url: &str) -> Outcome<Self> {
        std::fs::write(folder.join("insert.sql"), INSERT)?;
        std::fs::write(folder.join("life.sql"), format!("{INSERT}{LIFE}"))?;
        Ok(Self {
            folder: folder.to_owned(),
            url: url.to_owned(),
        })
    }

    /// Returns transactions per second with prepared statements, not counting the time to connect.
    pub(crate) async fn run(&self, work: Work, clients: usize, duration: Duration) -> Outcome<f64> {
        let script = match work {
            Work::Insert => "insert.sql",
            Work::Life => "life.sql",
        };
        // The ids of later runs begin above those of earlier runs.
        let base = clock::since_epoch().as_millis() * 100;
        let output = Command::new(postgres_bin().join("pgbench"))
            .current_dir(&self.folder)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "-D", "seq=0"])
            .args(["-D", &format!("base={base}"), "-c", &clients.to_string()])
            .args(["-T", &duration.as_secs().max(1).to_string(), "-f", script])
            .arg(&self.url)
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| format!("install PostgreSQL with pgbench: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || !said.contains("number of failed transactions: 0 ") {
            return Err(format!("pgbench: {}{said}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps
            .and_then(|line| line.split_whitespace().next())
            .ok_or("pgbench gave no tps")?;
        Ok(tps.parse()?)
    }
}
