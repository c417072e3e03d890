//! The state of each key, and the provider's promise: its first definite answer for a key is final, and a key is paid
//! at most once.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{self, Time};
use crate::ledger::{Cause, Deed, Entry, Instruction, Written};

/// The provider's action on a submission of a key that has no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pay,
    Decline,
    /// The provider answers after this delay: paid or declined.
    Accept {
        after: Duration,
        pays: bool,
    },
    /// The provider does not act, and answers nothing definite.
    Nothing,
    /// The provider does not act, and asks the caller to try again later.
    Refuse,
}

/// The state of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Paid { reference: String },
    Declined { code: String },
    Accepted { reference: String },
}

struct Key {
    /// Absent when an operator closed the key before a submission arrived under it.
    instruction: Option<Instruction>,
    standing: Standing,
    /// The time at which an accepted payment is settled, and whether it is then paid.
    settles: Option<(Time, bool)>,
}

/// All keys of the provider.
pub(crate) struct LedgerState {
    keys: HashMap<String, Key>,
    references: u64,
    writer: mpsc::Sender<Written>,
}

pub(crate) const DECLINED: &str = "declined_by_drill";
pub(crate) const CLOSED: &str = "closed_by_person";

impl LedgerState {
    pub(crate) fn new(writer: mpsc::Sender<Written>) -> Self {
        Self {
            keys: HashMap::new(),
            references: 0,
            writer,
        }
    }

    pub(crate) fn standing(&self, key: &str) -> Option<Standing> {
        self.keys.get(key).map(|key| key.standing.clone())
    }

    pub(crate) fn note(
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
        // Sent within the lock, so that the lines are in the order of events.
        let _ = self.writer.send(Written { line, done });
        written.push(wait);
    }

    fn reference(&mut self) -> String {
        self.references += 1;
        format!("drill-{}", self.references)
    }

    pub(crate) fn submit(
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
            let deed = match act {
                Act::Nothing => Deed::Ignored,
                Act::Refuse => Deed::Refused,
                Act::Pay | Act::Decline | Act::Accept { .. } => Deed::Repeated { paid },
            };
            self.note(key, cause, deed, None, written);
            return Some(standing);
        }
        let (standing, deed, settles) = match act {
            Act::Nothing => {
                self.note(key, cause, Deed::Ignored, None, written);
                return None;
            }
            Act::Refuse => {
                self.note(key, cause, Deed::Refused, None, written);
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

    /// Settles an accepted payment once it is due, or immediately with `now`.
    pub(crate) fn settle(&mut self, key: &str, now: bool, written: &mut Vec<oneshot::Receiver<()>>) {
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
        self.note(key, Cause::Settlement, deed, instruction, written);
    }

    pub(crate) fn close(&mut self, key: &str, written: &mut Vec<oneshot::Receiver<()>>) -> Standing {
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
