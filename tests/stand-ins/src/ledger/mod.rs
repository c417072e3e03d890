//! The durable ledger of one stand-in. Each line is on the disk before an answer leaves, and the file is read again at
//! the next start.
//!
//! The ledger keeps the promise of idempotency: under one idempotency key there is one payment. A judge does not rely on
//! it and counts by [`Payment::key`], which is the service's own key.

mod entry;
mod state;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::entry::{Entry, NewPayment, Payment, Planned, Standing, StoredAnswer};
pub use self::state::Creation;
use self::state::LedgerState;
use self::writer::Writer;
use crate::clock::Time;

/// The ledger of one stand-in.
#[derive(Clone)]
pub struct Ledger(Arc<Mutex<LedgerState>>);

impl Ledger {
    /// Opens a ledger, with the payments of its file if there is one. Without a path, the ledger is kept in memory.
    ///
    /// # Errors
    /// The file cannot be opened, or a line before the last cannot be read.
    pub fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let entries = path.map_or_else(|| Ok(Vec::new()), entry::read)?;
        let writer = path.map(Writer::open).transpose()?;
        Ok(Self(Arc::new(Mutex::new(LedgerState::new(entries, writer)))))
    }

    fn state(&self) -> MutexGuard<'_, LedgerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and waits until the change is durable.
    async fn durably<T>(&self, change: impl FnOnce(&mut LedgerState) -> T) -> T {
        let (result, written) = {
            let mut state = self.state();
            let result = change(&mut state);
            (result, state.take_written())
        };
        writer::wait(written).await;
        result
    }

    /// Records a new payment, or finds the one that exists under its idempotency key.
    pub async fn create(&self, payment: NewPayment) -> Creation {
        self.durably(|state| state.create(payment)).await
    }

    /// Changes the standing of a payment. Returns the payment, or `None` if the change is not possible: an accepted
    /// payment ends in any way, a paid one is only returned, and any other is final.
    pub async fn change(&self, id: &str, standing: Standing, code: Option<&str>) -> Option<Payment> {
        self.durably(|state| state.change(id, standing, code)).await
    }

    /// Makes the planned changes that are due. Returns the payments after each change, in order.
    pub async fn advance(&self, now: Time) -> Vec<Payment> {
        self.durably(|state| state.advance(now)).await
    }

    /// Makes the first planned change of a payment now. Returns the payment after it.
    pub async fn advance_now(&self, id: &str) -> Option<Payment> {
        self.durably(|state| state.advance_now(id)).await
    }

    /// Stores an answer that the vendor replays under an idempotency key.
    pub async fn store_answer(&self, idempotency: &str, answer: StoredAnswer) {
        self.durably(|state| state.store_answer(idempotency, answer))
            .await;
    }

    /// Returns the answer that is replayed under an idempotency key.
    pub fn stored_answer(&self, idempotency: &str) -> Option<StoredAnswer> {
        self.state().stored_answer(idempotency)
    }

    /// Returns the payment with this reference of the vendor.
    pub fn by_id(&self, id: &str) -> Option<Payment> {
        self.state().by_id(id)
    }

    /// Returns the payment under this idempotency key.
    pub fn by_idempotency(&self, idempotency: &str) -> Option<Payment> {
        self.state().by_idempotency(idempotency)
    }

    /// Returns the payments with this key of the service, oldest first.
    pub fn by_key(&self, key: &str) -> Vec<Payment> {
        self.state().by_key(key)
    }

    /// Returns the number of payments.
    pub fn count(&self) -> usize {
        self.state().count()
    }

    /// Returns every payment, oldest first.
    pub fn payments(&self) -> Vec<Payment> {
        self.state().payments()
    }
}

#[cfg(test)]
mod tests;
