//! The provider's ledger of submissions, look-ups and payments. Each line is durable before the provider acts on it or
//! answers.
//!
//! The [`LedgerState`] keeps the provider's promise. The judge does not trust it, and counts the lines.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::Outcome;
use crate::clock::Time;
use crate::ledger_state::{Act, LedgerState, Standing};

/// A payment instruction, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instruction {
    pub(crate) payout_id: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) recipient_account: String,
    pub(crate) recipient_name: String,
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) digest: String,
}

/// The cause of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Submission,
    LookUp,
    /// An operator asks for a definite answer now.
    Person,
    /// A payment that was accepted earlier is settled.
    Settlement,
}

/// An event of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Deed {
    Paid {
        reference: String,
    },
    Declined {
        code: String,
    },
    Accepted {
        reference: String,
    },
    /// The key's earlier answer was repeated. With `paid`, a second payment was prevented.
    Repeated {
        paid: bool,
    },
    /// The request arrived and was not acted on, and the caller received nothing definite.
    Ignored,
    /// The request arrived and was refused for now: the caller was asked to try again later.
    Refused,
    Asked,
    /// The key arrived with an instruction that differs from the first.
    Altered,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    /// The payout's key prefix, `:`, and the generation.
    pub(crate) key: String,
    pub(crate) cause: Cause,
    #[serde(flatten)]
    pub(crate) deed: Deed,
    /// Set for a submission that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instruction: Option<Instruction>,
}

/// A line on its way to the disk.
pub(crate) struct Written {
    pub(crate) line: Vec<u8>,
    pub(crate) done: oneshot::Sender<()>,
}

#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<LedgerState>>);

impl Ledger {
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let file = File::options().append(true).create_new(true).open(path)?;
        let (writer, lines) = mpsc::channel();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write(file, &lines))?;
        Ok(Self(Arc::new(Mutex::new(LedgerState::new(writer)))))
    }

    fn ledger_state(&self) -> MutexGuard<'_, LedgerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a submission. `None` means that it was not acted on and the key has no answer yet.
    pub(crate) async fn submit(&self, key: &str, instruction: Instruction, act: Act) -> Option<Standing> {
        let (standing, written) = {
            let mut ledger_state = self.ledger_state();
            let mut written = Vec::new();
            ledger_state.settle(key, false, &mut written);
            let standing = ledger_state.submit(key, instruction, act, &mut written);
            (standing, written)
        };
        durable(written).await;
        standing
    }

    /// Records a look-up. `None` means that the key was never received.
    pub(crate) async fn look_up(&self, key: &str, now: bool) -> Option<Standing> {
        let (standing, written) = {
            let mut ledger_state = self.ledger_state();
            let mut written = Vec::new();
            ledger_state.settle(key, now, &mut written);
            ledger_state.note(key, Cause::LookUp, Deed::Asked, None, &mut written);
            (ledger_state.standing(key), written)
        };
        durable(written).await;
        standing
    }

    /// Closes a key for an operator: if it is unpaid by now, it is never paid.
    pub(crate) async fn close(&self, key: &str) -> Standing {
        let (standing, written) = {
            let mut ledger_state = self.ledger_state();
            let mut written = Vec::new();
            ledger_state.settle(key, true, &mut written);
            (ledger_state.close(key, &mut written), written)
        };
        durable(written).await;
        standing
    }
}

async fn durable(written: Vec<oneshot::Receiver<()>>) {
    for written in written {
        if written.await.is_err() {
            // Without its ledger the provider answers nobody: an event that it cannot record did not happen.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes the waiting lines, makes them durable, and only then reports them as written.
fn write(mut file: File, lines: &mpsc::Receiver<Written>) {
    while let Ok(first) = lines.recv() {
        let batch: Vec<Written> = std::iter::once(first).chain(lines.try_iter()).collect();
        let text: Vec<u8> = batch
            .iter()
            .flat_map(|written| written.line.iter().copied())
            .collect();
        if file.write_all(&text).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        for written in batch {
            let _ = written.done.send(());
        }
    }
}

/// Reads every line, in order.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
