//! The provider's ledger: what it was told, what it paid. Each line is on the disk before it is acted on or told.
//!
//! The ledger keeps the provider's one promise: its first definite answer for a key is its answer for good, and a key
//! is paid at most once. The judge does not take its word for it, and counts.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::Outcome;
use crate::clock::{self, Time};

/// What is to be paid, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instruction {
    pub(crate) payout_id: String,
    pub(crate) amount: String,
    pub(crate) currency: String,
    pub(crate) recipient_account: String,
    pub(crate) recipient_name: String,
    pub(crate) description: String,
}

/// Who or what caused a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Submission,
    LookUp,
    /// A person asked, and wants a definite answer now.
    Person,
}

/// What happened.
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
    /// Told again what the key was answered before; with `paid`, a second payment was prevented.
    Repeated {
        paid: bool,
    },
    /// Came, and was not acted on.
    Ignored,
    Asked,
    /// The key came with another instruction than before.
    Altered,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: Time,
    /// `{payout_id}:{generation}`
    pub(crate) key: String,
    pub(crate) cause: Cause,
    #[serde(flatten)]
    pub(crate) deed: Deed,
    /// Set with a submission that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instruction: Option<Instruction>,
}

/// What the provider makes of a submission of a key that it has not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pay,
    Decline,
    /// Answer later, after this: paid or declined.
    Accept {
        after: Duration,
        pays: bool,
    },
    Nothing,
}

/// Where a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Paid { reference: String },
    Declined { code: String },
    Accepted { reference: String },
}

struct Key {
    /// Absent when a person closed the key before anything came under it.
    instruction: Option<Instruction>,
    standing: Standing,
    /// When an accepted payment is settled, and how.
    settles: Option<(Time, bool)>,
}

struct Written {
    line: Vec<u8>,
    done: oneshot::Sender<()>,
}

struct Book {
    keys: HashMap<String, Key>,
    references: u64,
    writer: mpsc::Sender<Written>,
}

#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

pub(crate) const DECLINED: &str = "declined_by_drill";
pub(crate) const CLOSED: &str = "closed_by_person";

impl Ledger {
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let file = File::options().append(true).create_new(true).open(path)?;
        let (writer, lines) = mpsc::channel();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write(file, &lines))?;
        Ok(Self(Arc::new(Mutex::new(Book {
            keys: HashMap::new(),
            references: 0,
            writer,
        }))))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A submission. `None`: it was not acted on, and the key has no answer yet.
    pub(crate) async fn submit(&self, key: &str, instruction: Instruction, act: Act) -> Option<Standing> {
        let (standing, written) = {
            let mut book = self.book();
            let mut written = Vec::new();
            book.settle(key, false, Cause::Submission, &mut written);
            let standing = book.submit(key, instruction, act, &mut written);
            (standing, written)
        };
        durable(written).await;
        standing
    }

    /// A look-up. `None`: never received.
    pub(crate) async fn look_up(&self, key: &str, now: bool) -> Option<Standing> {
        let (standing, written) = {
            let mut book = self.book();
            let mut written = Vec::new();
            book.settle(key, now, Cause::LookUp, &mut written);
            book.note(key, Cause::LookUp, Deed::Asked, None, &mut written);
            (book.keys.get(key).map(|key| key.standing.clone()), written)
        };
        durable(written).await;
        standing
    }

    /// A person wants to know for good: whatever is not paid by now never will be.
    pub(crate) async fn close(&self, key: &str) -> Standing {
        let (standing, written) = {
            let mut book = self.book();
            let mut written = Vec::new();
            book.settle(key, true, Cause::Person, &mut written);
            (book.close(key, &mut written), written)
        };
        durable(written).await;
        standing
    }
}

impl Book {
    fn note(
        &mut self,
        key: &str,
        cause: Cause,
        deed: Deed,
        instruction: Option<Instruction>,
        written: &mut Vec<oneshot::Receiver<()>>,
    ) {
        let entry = Entry {
            at: clock::now(),
            key: key.to_owned(),
            cause,
            deed,
            instruction,
        };
        let mut line = serde_json::to_vec(&entry).unwrap_or_default();
        line.push(b'\n');
        let (done, wait) = oneshot::channel();
        // Within the lock, so that the lines are in the order of what happened.
        let _ = self.writer.send(Written { line, done });
        written.push(wait);
    }

    fn reference(&mut self) -> String {
        self.references += 1;
        format!("drill-{}", self.references)
    }

    fn submit(
        &mut self,
        key: &str,
        instruction: Instruction,
        act: Act,
        written: &mut Vec<oneshot::Receiver<()>>,
    ) -> Option<Standing> {
        let cause = Cause::Submission;
        if let Some(known) = self.keys.get(key) {
            let standing = known.standing.clone();
            if known
                .instruction
                .as_ref()
                .is_some_and(|known| *known != instruction)
            {
                self.note(key, cause, Deed::Altered, Some(instruction), written);
            }
            let paid = matches!(standing, Standing::Paid { .. });
            let deed = if act == Act::Nothing {
                Deed::Ignored
            } else {
                Deed::Repeated { paid }
            };
            self.note(key, cause, deed, None, written);
            return Some(standing);
        }
        let (standing, deed, settles) = match act {
            Act::Nothing => {
                self.note(key, cause, Deed::Ignored, None, written);
                return None;
            }
            Act::Pay => {
                let reference = self.reference();
                (
                    Standing::Paid {
                        reference: reference.clone(),
                    },
                    Deed::Paid { reference },
                    None,
                )
            }
            Act::Decline => {
                let code = DECLINED.to_owned();
                (
                    Standing::Declined { code: code.clone() },
                    Deed::Declined { code },
                    None,
                )
            }
            Act::Accept { after, pays } => {
                let reference = self.reference();
                let settles = Some((clock::now() + after, pays));
                (
                    Standing::Accepted {
                        reference: reference.clone(),
                    },
                    Deed::Accepted { reference },
                    settles,
                )
            }
        };
        self.note(key, cause, deed, Some(instruction.clone()), written);
        self.keys.insert(
            key.to_owned(),
            Key {
                instruction: Some(instruction),
                standing: standing.clone(),
                settles,
            },
        );
        Some(standing)
    }

    /// Settles what was accepted, once it is time.
    fn settle(&mut self, key: &str, now: bool, cause: Cause, written: &mut Vec<oneshot::Receiver<()>>) {
        let Some(known) = self.keys.get_mut(key) else {
            return;
        };
        let (Some((at, pays)), Standing::Accepted { reference }) = (known.settles, known.standing.clone())
        else {
            return;
        };
        if !now && clock::now() < at {
            return;
        }
        known.settles = None;
        let deed = if pays {
            known.standing = Standing::Paid {
                reference: reference.clone(),
            };
            Deed::Paid { reference }
        } else {
            let code = DECLINED.to_owned();
            known.standing = Standing::Declined { code: code.clone() };
            Deed::Declined { code }
        };
        let instruction = known.instruction.clone();
        self.note(key, cause, deed, instruction, written);
    }

    fn close(&mut self, key: &str, written: &mut Vec<oneshot::Receiver<()>>) -> Standing {
        if let Some(known) = self.keys.get(key) {
            let standing = known.standing.clone();
            self.note(key, Cause::Person, Deed::Asked, None, written);
            return standing;
        }
        let code = CLOSED.to_owned();
        let standing = Standing::Declined { code: code.clone() };
        self.note(key, Cause::Person, Deed::Declined { code }, None, written);
        self.keys.insert(
            key.to_owned(),
            Key {
                instruction: None,
                standing: standing.clone(),
                settles: None,
            },
        );
        standing
    }
}

async fn durable(written: Vec<oneshot::Receiver<()>>) {
    for written in written {
        if written.await.is_err() {
            // Without its ledger the provider answers nobody: what it cannot write down did not happen.
            std::future::pending::<()>().await;
        }
    }
}

/// Writes whatever waits, makes it durable, and only then says so.
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

/// Every line, in order.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(amount: &str) -> Instruction {
        let text = |text: &str| text.to_owned();
        Instruction {
            payout_id: text("p"),
            amount: text(amount),
            currency: text("EUR"),
            recipient_account: text("a"),
            recipient_name: text("n"),
            description: text("d"),
        }
    }

    fn deeds(path: &Path) -> Vec<Deed> {
        read(path).unwrap().into_iter().map(|entry| entry.deed).collect()
    }

    #[tokio::test]
    async fn a_key_is_paid_once_and_its_answer_is_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::create(&path).unwrap();
        assert_eq!(ledger.look_up("p:0", false).await, None);
        assert_eq!(ledger.submit("p:0", instruction("1"), Act::Nothing).await, None);
        let paid = ledger.submit("p:0", instruction("1"), Act::Pay).await.unwrap();
        assert_eq!(
            ledger
                .submit("p:0", instruction("1"), Act::Decline)
                .await
                .unwrap(),
            paid
        );
        assert_eq!(ledger.close("p:0").await, paid);
        let reference = "drill-1".to_owned();
        assert_eq!(
            deeds(&path),
            [
                Deed::Asked,
                Deed::Ignored,
                Deed::Paid { reference },
                Deed::Repeated { paid: true },
                Deed::Asked
            ]
        );
    }

    #[tokio::test]
    async fn a_key_that_comes_with_another_instruction_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::create(&path).unwrap();
        ledger.submit("p:0", instruction("1"), Act::Pay).await;
        ledger.submit("p:0", instruction("2"), Act::Pay).await;
        assert!(deeds(&path).contains(&Deed::Altered));
    }

    #[tokio::test]
    async fn what_was_accepted_is_settled_when_it_is_time_or_a_person_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::create(&path).unwrap();
        let later = Act::Accept {
            after: Duration::from_secs(60),
            pays: true,
        };
        assert!(matches!(
            ledger.submit("p:0", instruction("1"), later).await,
            Some(Standing::Accepted { .. })
        ));
        assert!(matches!(
            ledger.look_up("p:0", false).await,
            Some(Standing::Accepted { .. })
        ));
        assert!(matches!(ledger.close("p:0").await, Standing::Paid { .. }));
        let soon = Act::Accept {
            after: Duration::ZERO,
            pays: false,
        };
        ledger.submit("p:1", instruction("1"), soon).await;
        assert!(matches!(
            ledger.look_up("p:1", false).await,
            Some(Standing::Declined { .. })
        ));
    }

    #[tokio::test]
    async fn a_closed_key_is_never_paid() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(&folder.path().join("ledger")).unwrap();
        assert!(matches!(ledger.close("p:0").await, Standing::Declined { .. }));
        let answer = ledger.submit("p:0", instruction("1"), Act::Pay).await;
        assert!(matches!(answer, Some(Standing::Declined { .. })));
    }
}
