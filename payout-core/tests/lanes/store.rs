//! A store in memory for these tests. Its steps are those of the domain; its clock is tokio's paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::Timestamp;
use payout_core::attempt::{Recheck, Settlement, SettlementOutcome, Verdict};
use payout_core::payout::{Actor, Caller, Change, NewPayout, Payout, PayoutId};
use payout_core::ports::{
    ClaimRequest, Claims, Clock, DueProvider, MockPayoutRepository, MockRecheckRepository, PausedProvider,
    ProviderRepository, Randomness, RepositoryError, Settled,
};
use payout_core::provider::{ProviderCalls, ProviderName};

/// The clock of the worker, of the store and of the providers. Its random numbers are all zero.
#[derive(Clone, Copy)]
pub(crate) struct PausedClock(tokio::time::Instant);

impl PausedClock {
    #[expect(clippy::disallowed_methods, reason = "the paused clock is the tests' clock")]
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + chrono::TimeDelta::days(20_000) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Randomness for PausedClock {
    fn next_u64(&self) -> u64 {
        0
    }
}

/// The rows, the verdicts that were written to each, and the paused providers.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) clock: PausedClock,
    rows: Arc<Mutex<BTreeMap<PayoutId, Payout>>>,
    verdicts: Arc<Mutex<Vec<(PayoutId, Verdict)>>>,
    changes: Arc<Mutex<Vec<Change>>>,
    pub(crate) paused: Arc<Mutex<BTreeSet<ProviderName>>>,
    /// The calls that workers reported.
    pub(crate) calls: Arc<Mutex<Vec<ProviderCalls>>>,
    /// True while no recheck can be written.
    pub(crate) loses_rechecks: Arc<AtomicBool>,
    /// The payouts whose rechecks cannot be stored.
    pub(crate) refused_rechecks: Arc<Mutex<BTreeSet<PayoutId>>>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            clock: PausedClock::start(),
            rows: Arc::default(),
            verdicts: Arc::default(),
            changes: Arc::default(),
            paused: Arc::default(),
            calls: Arc::default(),
            loses_rechecks: Arc::default(),
            refused_rechecks: Arc::default(),
        }
    }

    pub(crate) fn insert(&self, new: &NewPayout) -> PayoutId {
        self.put(new.stored_at(self.clock.now()));
        new.id
    }

    pub(crate) fn put(&self, payout: Payout) {
        self.rows.lock().unwrap().insert(payout.id(), payout);
    }

    pub(crate) fn get(&self, id: PayoutId) -> Payout {
        self.rows.lock().unwrap()[&id].clone()
    }

    /// Returns the verdicts that were written, oldest first.
    pub(crate) fn verdicts(&self, id: PayoutId) -> Vec<Verdict> {
        let verdicts = self.verdicts.lock().unwrap();
        let own = verdicts.iter().filter(|(of, _)| *of == id);
        own.map(|(_, verdict)| verdict.clone()).collect()
    }

    /// Returns the changes that the worker wrote besides settlements.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap().clone()
    }

    fn claim(&self, request: &ClaimRequest) -> Claims {
        let (now, mut rows) = (self.clock.now(), self.rows.lock().unwrap());
        let mut due: Vec<_> = rows
            .values()
            .filter(|row| row.parts().due_at.is_some_and(|due_at| due_at <= now))
            .filter(|row| row.parts().provider == request.provider)
            .filter(|row| !request.unsent_only || row.parts().first_submitted_at.is_none())
            .filter(|row| request.only.as_ref().is_none_or(|only| only.contains(&row.id())))
            .map(|row| (row.parts().due_at, row.id()))
            .collect();
        due.sort_unstable();
        due.truncate(request.limit as usize);
        let won = due.into_iter().map(|(_, id)| {
            let claim = rows[&id]
                .clone()
                .claim(now, request.lease, request.calls_end_after);
            let claim = claim.unwrap();
            rows.insert(id, claim.payout().clone());
            claim
        });
        won.collect::<Vec<_>>().into()
    }

    fn settle(&self, settlement: &Settlement) -> Settled {
        let before = self.get(settlement.id);
        let late = Settled::Late {
            status: before.status(),
            generation: before.generation(),
            deleted: false,
        };
        match before.settle(settlement, self.clock.now()) {
            SettlementOutcome::Written(after) => {
                self.put(after);
                let verdict = (settlement.id, settlement.verdict.clone());
                self.verdicts.lock().unwrap().push(verdict);
                Settled::Applied
            }
            SettlementOutcome::Repeated => Settled::Applied,
            SettlementOutcome::Late => late,
        }
    }

    fn apply(&self, change: &Change) -> Result<Payout, RepositoryError> {
        if self.get(change.after.id()).version() != change.expected_version {
            return Err(RepositoryError::VersionConflict);
        }
        let after = change.made_at(self.clock.now());
        self.put(after.clone());
        self.changes.lock().unwrap().push(change.clone());
        Ok(after)
    }

    fn claim_rechecks(&self, provider: Option<&ProviderName>, limit: u32, lease: Duration) -> Vec<Payout> {
        let (now, mut rows) = (self.clock.now(), self.rows.lock().unwrap());
        let due = rows
            .values_mut()
            .filter(|row| row.parts().recheck_at.is_some_and(|at| at <= now))
            .filter(|row| row.parts().provider.as_ref() == provider)
            .take(limit as usize);
        due.map(|row| {
            *row = row.clone().rechecked_at(now + lease);
            row.clone()
        })
        .collect()
    }

    fn settle_recheck(&self, recheck: &Recheck) -> bool {
        let after = self.get(recheck.id).recheck(recheck, self.clock.now());
        after.map(|after| self.put(after)).is_some()
    }

    fn first_due(&self) -> Vec<DueProvider> {
        let (now, rows) = (self.clock.now(), self.rows.lock().unwrap());
        let mut first_due = BTreeMap::new();
        let due = rows.values().filter_map(|row| Some((row.parts().due_at?, row)));
        for (since, row) in due.filter(|(due_at, _)| *due_at <= now) {
            first_due.entry(row.parts().provider.clone()).or_insert(since);
        }
        let due = first_due.into_iter();
        due.map(|(name, since)| DueProvider { name, since }).collect()
    }

    /// Returns the repository as one worker sees it, until the worker dies.
    pub(crate) fn repository(&self, life: &Life) -> MockPayoutRepository {
        let mut port = MockPayoutRepository::new();
        port.expect_forget_answers().returning(|_, _| Ok(0));
        port.expect_bring_back().returning(|_| Ok(0));
        let (store, life_of) = (self.clone(), life.clone());
        port.expect_claim()
            .returning(move |request| life_of.permits().map(|()| store.claim(request)));
        let (store, life_of) = (self.clone(), life.clone());
        port.expect_settle().returning(move |batch| {
            life_of.permits()?;
            Ok(batch.iter().map(|one| store.settle(one)).collect())
        });
        let (store, life_of) = (self.clone(), life.clone());
        port.expect_apply().returning(move |change, _| {
            life_of.permits()?;
            store.apply(change)
        });
        port
    }

    pub(crate) fn rechecks(&self, life: &Life) -> MockRecheckRepository {
        let mut port = MockRecheckRepository::new();
        let (store, life_of) = (self.clone(), life.clone());
        port.expect_claim_rechecks()
            .returning(move |provider, limit, lease| {
                life_of.permits()?;
                Ok(store.claim_rechecks(provider.as_ref(), limit, lease))
            });
        let (store, life_of) = (self.clone(), life.clone());
        port.expect_settle_rechecks().returning(move |batch, _| {
            life_of.permits()?;
            if store.loses_rechecks.load(Ordering::SeqCst) {
                return Err(RepositoryError::Unavailable("away".into()));
            }
            let refused = store.refused_rechecks.lock().unwrap().clone();
            if batch.iter().any(|one| refused.contains(&one.id)) {
                return Err(RepositoryError::refused("it cannot be stored"));
            }
            Ok(batch.iter().map(|one| store.settle_recheck(one)).collect())
        });
        port
    }
}

/// The life of a worker. A dead one reaches neither the store nor a provider; requests on their way arrive.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<AtomicBool>);

impl Life {
    pub(crate) fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn permits(&self) -> Result<(), RepositoryError> {
        if self.0.load(Ordering::SeqCst) {
            Err(RepositoryError::Unavailable("the worker is dead".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl ProviderRepository for Store {
    async fn paused_providers(&self) -> Result<Vec<PausedProvider>, RepositoryError> {
        // A store takes time to answer.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let paused = self.paused.lock().unwrap().clone().into_iter();
        let paused = paused.map(|name| PausedProvider {
            name,
            since: self.clock.now(),
            by: Actor::new("operator"),
            reason: None,
        });
        Ok(paused.collect())
    }

    async fn pause_provider(&self, _: &ProviderName, _: &Caller) -> Result<(), RepositoryError> {
        Ok(())
    }

    async fn resume_provider(&self, _: &ProviderName, _: &Caller) -> Result<(), RepositoryError> {
        Ok(())
    }

    async fn count_workers(&self, _: &Actor, _: Duration) -> Result<u32, RepositoryError> {
        Ok(1)
    }

    async fn due_providers(&self) -> Result<Vec<DueProvider>, RepositoryError> {
        Ok(self.first_due())
    }

    async fn add_calls(&self, calls: &[ProviderCalls]) -> Result<(), RepositoryError> {
        self.calls.lock().unwrap().extend_from_slice(calls);
        Ok(())
    }

    async fn count_calls(&self, _: Duration) -> Result<Vec<ProviderCalls>, RepositoryError> {
        Ok(self.calls.lock().unwrap().clone())
    }
}
