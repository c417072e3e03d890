//! The payments of a ledger, and the changes that are possible.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::entry::{Entry, NewPayment, Payment, Standing, StoredAnswer};
use super::writer::Writer;
use crate::clock::{self, Time};

/// The result of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// The payment is new.
    New(Payment),
    /// The payment existed under the idempotency key.
    Repeated(Payment),
}

impl Creation {
    /// Returns the payment.
    pub fn payment(self) -> Payment {
        match self {
            Self::New(payment) | Self::Repeated(payment) => payment,
        }
    }
}

/// The payments of a ledger.
pub(super) struct LedgerState {
    payments: Vec<Payment>,
    places: HashMap<String, usize>,
    by_idempotency: HashMap<String, usize>,
    stored: HashMap<String, StoredAnswer>,
    writer: Option<Writer>,
    written: Vec<oneshot::Receiver<()>>,
}

impl LedgerState {
    pub(super) fn new(entries: Vec<Entry>, writer: Option<Writer>) -> Self {
        let mut state = Self {
            payments: Vec::new(),
            places: HashMap::new(),
            by_idempotency: HashMap::new(),
            stored: HashMap::new(),
            writer: None,
            written: Vec::new(),
        };
        for entry in entries {
            match entry {
                Entry::Created { payment } | Entry::Changed { payment } => state.put(payment),
                Entry::Repeated { id, .. } => {
                    if let Some(payment) = state.known(&id) {
                        payment.repeats += 1;
                    }
                }
                Entry::Stored {
                    idempotency, answer, ..
                } => {
                    state.stored.insert(idempotency, answer);
                }
            }
        }
        state.writer = writer;
        state
    }

    /// Takes the lines that are not known to be durable.
    pub(super) fn take_written(&mut self) -> Vec<oneshot::Receiver<()>> {
        std::mem::take(&mut self.written)
    }

    fn write(&mut self, entry: &Entry) {
        self.written
            .extend(self.writer.as_ref().map(|writer| writer.write(entry)));
    }

    fn put(&mut self, payment: Payment) {
        if let Some(known) = self.known(&payment.id) {
            *known = payment;
            return;
        }
        let place = self.payments.len();
        self.places.insert(payment.id.clone(), place);
        if let Some(idempotency) = &payment.idempotency {
            self.by_idempotency.insert(idempotency.clone(), place);
        }
        self.payments.push(payment);
    }

    fn known(&mut self, id: &str) -> Option<&mut Payment> {
        let place = *self.places.get(id)?;
        self.payments.get_mut(place)
    }

    pub(super) fn create(&mut self, new: NewPayment) -> Creation {
        let at = clock::now();
        let known = new
            .idempotency
            .as_deref()
            .and_then(|key| self.by_idempotency(key));
        if let Some(payment) = known {
            self.write(&Entry::Repeated {
                at,
                id: payment.id.clone(),
            });
            if let Some(known) = self.known(&payment.id) {
                known.repeats += 1;
            }
            return Creation::Repeated(payment);
        }
        let payment = Payment {
            id: new.id,
            key: new.key,
            idempotency: new.idempotency,
            amount: new.amount,
            currency: new.currency,
            recipient: new.recipient,
            standing: new.standing,
            code: new.code,
            created_at: at,
            paid_at: (new.standing == Standing::Paid).then_some(at),
            changed_at: at,
            sequence: 1,
            repeats: 0,
            plan: new.plan,
            detail: new.detail,
        };
        self.write(&Entry::Created {
            payment: payment.clone(),
        });
        self.put(payment.clone());
        Creation::New(payment)
    }

    pub(super) fn change(&mut self, id: &str, standing: Standing, code: Option<&str>) -> Option<Payment> {
        let at = clock::now();
        let payment = self.known(id)?;
        let possible = match payment.standing {
            Standing::Accepted => standing != Standing::Accepted,
            Standing::Paid => standing == Standing::Returned,
            Standing::Declined | Standing::Refused | Standing::Returned => false,
        };
        if !possible {
            return None;
        }
        payment.standing = standing;
        payment.code = code.map(str::to_owned);
        payment.changed_at = at;
        payment.sequence += 1;
        // A payment that is returned was paid before.
        if matches!(standing, Standing::Paid | Standing::Returned) {
            payment.paid_at.get_or_insert(at);
        }
        match standing {
            Standing::Accepted => (),
            // What was planned for its settlement is over; a return may still follow.
            Standing::Paid => payment.plan.retain(|next| next.standing == Standing::Returned),
            Standing::Declined | Standing::Refused | Standing::Returned => payment.plan.clear(),
        }
        let payment = payment.clone();
        self.write(&Entry::Changed {
            payment: payment.clone(),
        });
        Some(payment)
    }

    pub(super) fn advance(&mut self, now: Time) -> Vec<Payment> {
        let is_due = |payment: &&Payment| payment.plan.first().is_some_and(|next| next.at <= now);
        let due: Vec<String> = self
            .payments
            .iter()
            .filter(is_due)
            .map(|payment| payment.id.clone())
            .collect();
        due.iter().filter_map(|id| self.advance_now(id)).collect()
    }

    pub(super) fn advance_now(&mut self, id: &str) -> Option<Payment> {
        let payment = self.known(id)?;
        if payment.plan.is_empty() {
            return None;
        }
        let next = payment.plan.remove(0);
        self.change(id, next.standing, next.code.as_deref())
    }

    pub(super) fn store_answer(&mut self, idempotency: &str, answer: StoredAnswer) {
        self.write(&Entry::Stored {
            at: clock::now(),
            idempotency: idempotency.to_owned(),
            answer: answer.clone(),
        });
        self.stored.insert(idempotency.to_owned(), answer);
    }

    pub(super) fn stored_answer(&self, idempotency: &str) -> Option<StoredAnswer> {
        self.stored.get(idempotency).cloned()
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Payment> {
        self.payments.get(*self.places.get(id)?).cloned()
    }

    pub(super) fn by_idempotency(&self, idempotency: &str) -> Option<Payment> {
        self.payments.get(*self.by_idempotency.get(idempotency)?).cloned()
    }

    pub(super) fn by_key(&self, key: &str) -> Vec<Payment> {
        let of_key = self.payments.iter().filter(|payment| payment.key == key);
        of_key.cloned().collect()
    }

    pub(super) fn count(&self) -> usize {
        self.payments.len()
    }

    pub(super) fn payments(&self) -> Vec<Payment> {
        self.payments.clone()
    }
}
