//! The state that every vendor's module uses: the ledger, the faults, and the queue of notifications.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

use tokio::sync::mpsc;

use crate::chance::Chance;
use crate::faults::{CallFault, Course, FaultProfile};
use crate::ledger::{Ledger, Payment};

/// The state that every vendor's module uses.
pub struct Shared {
    ledger: Ledger,
    seed: u64,
    faults: RwLock<FaultProfile>,
    notify: RwLock<Option<String>>,
    changes: mpsc::UnboundedSender<Payment>,
    /// The number of calls of each purpose, since every call of a purpose draws its own fault.
    calls: Mutex<HashMap<String, u64>>,
    /// The stable names of payments, by the service's key.
    names: Mutex<HashMap<String, String>>,
}

impl Shared {
    pub(crate) fn new(
        ledger: Ledger,
        seed: u64,
        faults: FaultProfile,
        notify: Option<String>,
    ) -> (Self, mpsc::UnboundedReceiver<Payment>) {
        let (changes, received) = mpsc::unbounded_channel();
        let shared = Self {
            ledger,
            seed,
            faults: RwLock::new(faults),
            notify: RwLock::new(notify),
            changes,
            calls: Mutex::default(),
            names: Mutex::default(),
        };
        (shared, received)
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the fault profile.
    pub fn faults(&self) -> FaultProfile {
        self.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the fault profile for the calls and payments that follow.
    pub fn set_faults(&self, faults: FaultProfile) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    pub(crate) fn notify_url(&self) -> Option<String> {
        self.notify.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_notify_url(&self, url: Option<String>) {
        *self.notify.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Returns the random numbers of a purpose.
    pub fn chance(&self, purpose: &str) -> Chance {
        Chance::of(self.seed, purpose)
    }

    /// Gives a payment the name by which its faults are drawn. The name is the same in every run of a seed, which the
    /// service's key is not. The key's generation is added, so that a retry has another course. Without a name, the key
    /// itself is used.
    pub fn name_key(&self, key: &str, name: &str) {
        let generation = key.rsplit(':').next().unwrap_or_default();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(key.to_owned(), format!("{name}/{generation}"));
    }

    fn name_of_key(&self, key: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(key).map_or_else(|| key.to_owned(), Clone::clone)
    }

    pub(crate) fn name_of(&self, payment: &Payment) -> String {
        self.name_of_key(&payment.key)
    }

    /// Draws the fault of a call that creates a payment with this key.
    pub fn fault_of_creation(&self, key: &str) -> CallFault {
        self.fault_of("create", &self.name_of_key(key), true)
    }

    /// Draws the fault of any other call, which concerns this key.
    pub fn fault_of_question(&self, key: &str) -> CallFault {
        self.fault_of("question", &self.name_of_key(key), false)
    }

    fn fault_of(&self, what: &str, name: &str, creates: bool) -> CallFault {
        let purpose = format!("{what}/{name}");
        let nth = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let calls = calls.entry(purpose.clone()).or_default();
            *calls += 1;
            *calls
        };
        self.faults()
            .of_call(&mut self.chance(&format!("{purpose}/{nth}")), creates)
    }

    /// Draws the course of a new payment with this key.
    pub fn course_of(&self, key: &str) -> Course {
        let purpose = format!("course/{}", self.name_of_key(key));
        self.faults().of_payment(&mut self.chance(&purpose))
    }

    /// Queues the notification of a change.
    pub fn notify(&self, payment: &Payment) {
        let _ = self.changes.send(payment.clone());
    }
}
