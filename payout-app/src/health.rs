//! The state of this process's dependencies, and the task that checks it.
//!
//! The task checks about once a second. A readiness probe reads the latest result, so a client can neither make the
//! process check more often nor wait for a check.
//!
//! A check is a write. A dependency that can be read may still refuse writes: the disk is full, the server is a
//! standby or waits for one, the file was replaced, or the queue is out of memory.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use payout_adapters::StoreFault;
use payout_core::Causes;
use payout_core::ports::{
    JobQueue, Observer, PaceState, PayoutRepository, PayoutStats, QueueError, RepositoryError, Signal,
};
use payout_core::provider::ProviderName;
use payout_core::usecase::providers::Providers;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

const EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// The state of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was not checked yet.
    Starting,
    /// It answers.
    Up,
    /// It does not answer.
    Away,
    /// It answers but takes no writes.
    ReadOnly,
    /// It works on writes and confirms none.
    Unconfirmed,
    /// There is no room for a write.
    Full,
    /// The file of the database is not the one that is open.
    FileReplaced,
    /// The queue answers but takes no hints.
    Refuses,
    /// The database answers, but its schema is not the one of this version.
    SchemaBehind,
    /// The database answers, but is encrypted with a key that this process does not have.
    KeysDoNotFit,
}

impl State {
    /// Returns the state that an error of the database indicates.
    pub(crate) fn of(error: &RepositoryError) -> Self {
        match StoreFault::of(error) {
            StoreFault::ReadOnlyServer | StoreFault::Standby | StoreFault::ReadOnlyFile => Self::ReadOnly,
            StoreFault::Unconfirmed => Self::Unconfirmed,
            StoreFault::Full => Self::Full,
            StoreFault::FileReplaced => Self::FileReplaced,
            StoreFault::Away
            | StoreFault::TooOld
            | StoreFault::CannotOpen
            | StoreFault::NotADatabase
            | StoreFault::NotLetIn => Self::Away,
        }
    }

    /// Describes the state of a database for the log.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Starting | Self::Up => "the database answers",
            Self::Away | Self::Refuses => "the database does not answer",
            Self::ReadOnly => "the database takes no writes",
            Self::Unconfirmed => "the database confirms no writes",
            Self::Full => "the database has no room for a write",
            Self::FileReplaced => "the database file is not the one that is open",
            Self::SchemaBehind => "the database's schema is not current",
            Self::KeysDoNotFit => "the database is sealed with another key",
        }
    }
}

/// The result of checking one dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    /// The kind of the dependency, such as `postgres`.
    pub(crate) backend: &'static str,
    /// The state.
    pub(crate) state: State,
}

impl Check {
    pub(crate) fn is_up(self) -> bool {
        self.state == State::Up
    }

    /// Describes what is wrong; absent if nothing is.
    pub(crate) fn detail(self) -> Option<&'static str> {
        match self.state {
            State::Starting => Some("starting"),
            State::Up => None,
            State::Away => Some("does not answer"),
            State::ReadOnly => Some("it takes no writes: it is read-only, or a standby"),
            State::Unconfirmed => {
                Some("it confirms no writes: is a synchronous standby gone? The log has the reason")
            }
            State::Full => Some("it takes no writes: there is no room left"),
            State::FileReplaced => Some("its file was deleted, moved or replaced: put it back, or restart"),
            State::Refuses => Some("it answers, and takes no hints: the log has its reason"),
            State::SchemaBehind => Some("the schema is not current: run `payout migrate`"),
            State::KeysDoNotFit => {
                Some("it is sealed with a key that this process does not have: see PAYOUT_ENCRYPTION_KEYS")
            }
        }
    }
}

/// The results for all dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The repository of payouts.
    pub(crate) database: Check,
    /// The queue that carries hints to workers.
    pub(crate) queue: Check,
}

/// The state of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderState {
    /// It is called at full speed, or this process has no worker.
    Ok,
    /// It is called at a limited rate.
    Slowed,
    /// It does not answer.
    Away,
    /// An operator paused it.
    Paused,
}

impl ProviderState {
    /// Returns the name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slowed => "slowed",
            Self::Away => "away",
            Self::Paused => "paused",
        }
    }
}

impl From<PaceState> for ProviderState {
    fn from(pace: PaceState) -> Self {
        match pace {
            PaceState::Full => Self::Ok,
            PaceState::Slowed => Self::Slowed,
            PaceState::Away => Self::Away,
        }
    }
}

/// The latest results of the checks.
pub(crate) struct Health {
    /// Set once the database was found at the current schema: the schema never falls behind again.
    open: AtomicBool,
    /// Wakes the task that checks, so that it need not wait for its next turn.
    opened: Notify,
    /// True if the queue has its table in the database, so that it takes hints once the schema is current.
    queue_is_in_database: bool,
    found: RwLock<Readiness>,
    /// The pace of this process's worker at each provider with a name.
    paces: RwLock<HashMap<String, ProviderState>>,
    /// The numbers of payouts, as they were counted last.
    census: RwLock<Option<Arc<PayoutStats>>>,
    metrics: Arc<Metrics>,
}

impl Health {
    pub(crate) fn new(database: &'static str, queue: &'static str, metrics: Arc<Metrics>) -> Self {
        let starting = |backend| Check {
            backend,
            state: State::Starting,
        };
        let found = Readiness {
            database: starting(database),
            queue: starting(queue),
        };
        Self {
            open: AtomicBool::new(false),
            opened: Notify::new(),
            queue_is_in_database: false,
            found: RwLock::new(found),
            paces: RwLock::default(),
            census: RwLock::default(),
            metrics,
        }
    }

    /// Sets whether the queue has its table in the database.
    pub(crate) fn with_queue_in_database(self, queue_is_in_database: bool) -> Self {
        Self {
            queue_is_in_database,
            ..self
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        *self.found.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the numbers of payouts.
    pub(crate) fn note_census(&self, census: PayoutStats) {
        *self.census.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(census));
    }

    /// Returns the numbers of payouts, as they were counted within the last seconds; absent before the first count.
    pub(crate) fn census(&self) -> Option<Arc<PayoutStats>> {
        self.census.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the state of a provider that is not paused, as this process's worker sees it.
    pub(crate) fn provider_state(&self, name: &ProviderName) -> ProviderState {
        let paces = self.paces.read().unwrap_or_else(PoisonError::into_inner);
        paces.get(name.as_str()).copied().unwrap_or(ProviderState::Ok)
    }

    /// Returns whether requests may use the database.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Returns whether the latest check did not find the database usable.
    pub(crate) fn in_outage(&self) -> bool {
        !self.readiness().database.is_up()
    }

    /// Records that the database is at the current schema, so that requests may use it from now on.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.database(State::Up);
        self.opened.notify_one();
    }

    /// Records the state of the database. Returns true if it has changed.
    pub(crate) fn database(&self, state: State) -> bool {
        self.metrics.database_up(state == State::Up);
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut found.database.state, state) != state
    }

    fn queue(&self, state: State) -> bool {
        self.metrics.queue_up(state == State::Up);
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut found.queue.state, state) != state
    }

    /// Checks both dependencies repeatedly until shutdown.
    pub(crate) async fn watch(
        &self,
        repository: Arc<dyn PayoutRepository>,
        queue: Arc<dyn JobQueue>,
        providers: Providers,
        shutdown: CancellationToken,
    ) {
        let looks = async {
            loop {
                tokio::join!(
                    self.look_at_database(&*repository),
                    self.look_at_queue(&*queue),
                    self.look_at_pauses(&providers),
                );
                let _ = timeout(EVERY, self.opened.notified()).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = looks => (),
        }
    }

    async fn look_at_database(&self, repository: &dyn PayoutRepository) {
        // Until the schema is current, `schema_ready` reports the state of the database.
        if !self.is_open() {
            return;
        }
        match timeout(PATIENCE, repository.probe()).await {
            Ok(Ok(())) => {
                if self.database(State::Up) {
                    tracing::info!("the database answers again");
                }
            }
            Ok(Err(error)) => {
                self.database_fails(State::of(&error), Error::source(&error).unwrap_or(&error));
            }
            Err(elapsed) => self.database_fails(State::Away, &elapsed),
        }
    }

    /// Reads which providers are paused, for the answers of this process. The check of the database reports an outage.
    async fn look_at_pauses(&self, providers: &Providers) {
        if self.is_open() {
            let _ = timeout(PATIENCE, providers.refresh()).await;
        }
    }

    async fn look_at_queue(&self, queue: &dyn JobQueue) {
        if self.queue_is_in_database && !self.is_open() {
            return;
        }
        let before = self.readiness().queue.state;
        match timeout(PATIENCE, queue.probe()).await {
            Ok(Ok(depth)) => {
                self.metrics.queue_depth(depth);
                if self.queue(State::Up) && before != State::Starting {
                    tracing::info!("the queue answers again");
                }
            }
            Ok(Err(error @ QueueError::Refused(_))) => self.queue_refuses(&error),
            Ok(Err(error)) => self.queue_is_away(&error),
            Err(elapsed) => self.queue_is_away(&elapsed),
        }
    }

    fn database_fails(&self, state: State, error: &(dyn Error + 'static)) {
        if self.database(state) {
            tracing::warn!(error = %Causes(error), "{}; waiting for it", state.in_words());
        }
    }

    fn queue_refuses(&self, error: &(dyn Error + 'static)) {
        if self.queue(State::Refuses) {
            tracing::warn!(error = %Causes(error), "the queue takes no hints; the sweep still claims payouts");
        }
    }

    fn queue_is_away(&self, error: &(dyn Error + 'static)) {
        if self.queue(State::Away) {
            tracing::warn!(error = %Causes(error), "the queue does not answer; the sweep still claims payouts");
        }
    }
}

/// Remembers the pace of the worker at each provider, and passes every signal on to the metrics.
impl Observer for Health {
    fn observe(&self, signal: &Signal<'_>) {
        if let Signal::Paced {
            provider: Some(provider),
            state,
            ..
        } = signal
        {
            let mut paces = self.paces.write().unwrap_or_else(PoisonError::into_inner);
            paces.insert((*provider).to_owned(), ProviderState::from(*state));
        }
        self.metrics.observe(signal);
    }
}

#[cfg(test)]
mod tests {
    use payout_core::ports::{MockJobQueue, MockPayoutRepository};

    use super::*;

    fn health() -> Health {
        Health::new("memory", "memory", Arc::new(Metrics::new().unwrap()))
    }

    #[tokio::test]
    async fn nothing_is_ready_before_it_was_asked() {
        let health = health();
        assert!(!health.is_open());
        assert_eq!(health.readiness().database.detail(), Some("starting"));
    }

    #[tokio::test]
    async fn an_outage_is_news_once_and_its_end_too() {
        let health = health();
        health.open();
        let mut away = MockPayoutRepository::new();
        away.expect_probe()
            .returning(|| Err(RepositoryError::Unavailable("away".into())));
        health.look_at_database(&away).await;
        assert_eq!(health.readiness().database.state, State::Away);
        assert!(!health.database(State::Away), "no news the second time");
        let mut back = MockPayoutRepository::new();
        back.expect_probe().returning(|| Ok(()));
        health.look_at_database(&back).await;
        assert!(health.readiness().database.is_up());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_hangs_is_away_and_does_not_hold_anybody_up() {
        let health = health();
        let mut queue = MockJobQueue::new();
        queue
            .expect_probe()
            .return_once(|| Err(QueueError::Unavailable("away".into())));
        health.look_at_queue(&queue).await;
        assert_eq!(health.readiness().queue.detail(), Some("does not answer"));
        let mut queue = MockJobQueue::new();
        queue
            .expect_probe()
            .return_once(|| Err(QueueError::Refused("OOM".into())));
        health.look_at_queue(&queue).await;
        assert_eq!(health.readiness().queue.state, State::Refuses);
        let mut queue = MockJobQueue::new();
        queue.expect_probe().return_once(|| Ok(7));
        health.look_at_queue(&queue).await;
        assert!(health.readiness().queue.is_up());
        assert!(health.metrics.render().contains("payout_queue_depth 7"));
    }

    #[tokio::test]
    async fn a_queue_in_the_database_is_asked_once_the_schema_is_current() {
        let health = health().with_queue_in_database(true);
        // This mock panics if it is asked.
        health.look_at_queue(&MockJobQueue::new()).await;
        assert_eq!(health.readiness().queue.state, State::Starting);
        health.open();
        let mut queue = MockJobQueue::new();
        queue.expect_probe().return_once(|| Ok(0));
        health.look_at_queue(&queue).await;
        assert!(health.readiness().queue.is_up());
    }

    #[test]
    fn the_pace_at_a_provider_is_its_state_until_the_next() {
        let health = health();
        let (one, other) = (ProviderName::new("a").unwrap(), ProviderName::new("b").unwrap());
        assert_eq!(health.provider_state(&one), ProviderState::Ok);
        for (pace, state) in [
            (PaceState::Away, ProviderState::Away),
            (PaceState::Slowed, ProviderState::Slowed),
            (PaceState::Full, ProviderState::Ok),
        ] {
            health.observe(&Signal::Paced {
                provider: Some("a"),
                state: pace,
                calls_per_second: None,
            });
            assert_eq!(health.provider_state(&one), state);
            assert_eq!(health.provider_state(&other), ProviderState::Ok);
        }
    }
}
