//! The state of this process's dependencies, and the task that checks it.
//!
//! The task checks about once a second. A readiness probe reads the latest result, so a client can neither make the
//! process check more often nor wait for a check.
//!
//! A check is a write. A dependency that can be read may still refuse writes: the disk is full, the server is a
//! standby, the file was replaced, or the queue is out of memory.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use payout_adapters::StoreFault;
use payout_core::ports::{JobQueue, PayoutRepository, QueueError, RepositoryError};
use tokio::time::{sleep, timeout};
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
            StoreFault::ReadOnlyServer | StoreFault::ReadOnlyFile => Self::ReadOnly,
            StoreFault::Full => Self::Full,
            StoreFault::FileReplaced => Self::FileReplaced,
            StoreFault::Away | StoreFault::CannotOpen | StoreFault::NotADatabase | StoreFault::NotLetIn => {
                Self::Away
            }
        }
    }

    /// Describes the state of a database for the log.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Starting | Self::Up => "the database answers",
            Self::Away | Self::Refuses => "the database does not answer",
            Self::ReadOnly => "the database takes no writes",
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

/// The latest results of the checks.
pub(crate) struct Health {
    /// Set once the database was found at the current schema: the schema never falls behind again.
    open: AtomicBool,
    found: RwLock<Readiness>,
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
            found: RwLock::new(found),
            metrics,
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        *self.found.read().unwrap_or_else(PoisonError::into_inner)
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
        shutdown: CancellationToken,
    ) {
        let looks = async {
            loop {
                tokio::join!(self.look_at_database(&*repository), self.look_at_queue(&*queue));
                sleep(EVERY).await;
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

    async fn look_at_queue(&self, queue: &dyn JobQueue) {
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
            tracing::warn!(error, "{}; waiting for it", state.in_words());
        }
    }

    fn queue_refuses(&self, error: &(dyn Error + 'static)) {
        if self.queue(State::Refuses) {
            tracing::warn!(error, "the queue takes no hints; the sweep still claims payouts");
        }
    }

    fn queue_is_away(&self, error: &(dyn Error + 'static)) {
        if self.queue(State::Away) {
            tracing::warn!(error, "the queue does not answer; the sweep still claims payouts");
        }
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
}
