//! The payout service's processes.

use std::path::Path;
use std::time::Duration;

use payout_tests::ports::free_port;
use payout_tests::process::Process;

use crate::Outcome;
use crate::clock;
use crate::load::{Target, once};

/// A running process, and the address at which it answers.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) target: Target,
}

/// Starts processes of one binary.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) binary: String,
    pub(crate) folder: std::path::PathBuf,
}

impl Services {
    /// Runs a command until it ends.
    pub(crate) async fn run(&self, command: &str, variables: &[(String, String)]) -> Outcome<()> {
        let mut process = Process::start(&self.binary, &[command], variables, &self.folder);
        let status = process.end_within(Duration::from_secs(120)).await;
        if status.success() {
            Ok(())
        } else {
            Err(format!("payout {command} failed: {}", process.log()).into())
        }
    }

    /// Starts a command, and waits until it is ready.
    pub(crate) async fn start(&self, command: &str, variables: &[(String, String)]) -> Outcome<Service> {
        let port = free_port();
        let mut variables = variables.to_vec();
        // A lone worker answers only at this address; the other commands listen at PAYOUT_BIND.
        let bind = if command == "worker" {
            "PAYOUT_METRICS_BIND"
        } else {
            "PAYOUT_BIND"
        };
        variables.push((bind.to_owned(), format!("127.0.0.1:{port}")));
        variables.push(("PAYOUT_LOG".to_owned(), "warn".to_owned()));
        let process = Process::start(&self.binary, &[command], &variables, &self.folder);
        let mut service = Service {
            process,
            target: Target::local(port),
        };
        service.wait_until_ready().await?;
        Ok(service)
    }
}

impl Service {
    async fn wait_until_ready(&mut self) -> Outcome<()> {
        let deadline = clock::now() + Duration::from_secs(30);
        while clock::now() < deadline {
            if let Ok((status, _)) = once(&self.target, self.target.get("/health/ready")?).await
                && status.is_success()
            {
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                return Err(format!("payout ended at its start, {status}: {}", self.process.log()).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(format!("payout does not get ready: {}", self.process.log()).into())
    }

    /// Returns the process's resident memory, in bytes.
    pub(crate) fn resident(&self) -> Outcome<u64> {
        self.memory("VmRSS:")
    }

    /// Returns the most resident memory that the process ever had, in bytes.
    pub(crate) fn peak(&self) -> Outcome<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> Outcome<u64> {
        memory(Path::new(&format!("/proc/{}/status", self.process.id())), name)
    }

    /// Returns the processor time that the process has used, in seconds.
    pub(crate) fn processor_seconds(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // After the name, which may contain blanks, user and system time are fields 12 and 13, in hundredths of a
        // second (proc(5)).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or("no times in the process's stat")?;
        Ok((user + system) / 100.0)
    }
}

fn memory(status: &Path, name: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string(status)?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes: u64 = line
        .ok_or("the process's status does not tell it")?
        .trim()
        .trim_end_matches(" kB")
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}
