//! Bounds on reads that may be slow: lists, counts, audit trails, statistics.
//!
//! They have connections of their own, so that nothing which pays waits for one that reads. A few run at a time; of those that
//! cannot use an index, fewer still. Some more wait, for a moment; the rest is refused, and so is what takes too long.

use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::RepositoryError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How much a store reads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// At most this many costly reads run at the same time, each on a connection of its own. Seven times as many may wait.
    pub connections: u32,
    /// How long one may take, and how long it may wait for its turn.
    pub timeout: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            connections: 4,
            timeout: Duration::from_secs(3),
        }
    }
}

/// How many wait for each that runs.
const WAITING_FOR_EACH: usize = 7;
/// One in so many of those that run may be dear.
const ONE_DEAR_IN: usize = 4;

/// What a read costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// It is read along an index, and no further than a page or a bound.
    Light,
    /// It may have to look at every row.
    Dear,
    /// The service's own, for its operators: it waits for its like, and is neither refused nor counted with the clients'.
    Own,
}

/// Why a read was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("as many costly reads run and wait as may")]
    Full,
    #[error("no turn came within {0:?}")]
    NoTurn(Duration),
    #[error("the read took longer than {0:?}")]
    TooLong(Duration),
}

impl From<TooMuch> for RepositoryError {
    fn from(refused: TooMuch) -> Self {
        Self::Overloaded(Box::new(refused))
    }
}

/// Lets costly reads in.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    running: Arc<Semaphore>,
    dear: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    own: Arc<Semaphore>,
    limits: ReadLimits,
}

/// A read's turn, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Turn {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Gate {
    pub(crate) fn new(limits: ReadLimits) -> Self {
        let running = usize::try_from(limits.connections.max(1)).unwrap_or(1);
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            running: semaphore(running),
            dear: semaphore((running / ONE_DEAR_IN).max(1)),
            waiting: semaphore(running.saturating_mul(WAITING_FOR_EACH)),
            own: semaphore(1),
            limits,
        }
    }

    /// How many connections the reads need.
    pub(crate) fn connections(limits: ReadLimits) -> u32 {
        limits.connections.max(1).saturating_add(1)
    }

    /// How long a read may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`RepositoryError::Overloaded`] when too many wait already, or none comes in time.
    pub(crate) async fn enter(&self, cost: Cost) -> Result<Turn, RepositoryError> {
        let gates: &[&Arc<Semaphore>] = match cost {
            Cost::Light => &[&self.running],
            Cost::Dear => &[&self.dear, &self.running],
            Cost::Own => &[&self.own],
        };
        let mut permits = Vec::with_capacity(gates.len());
        for gate in gates {
            match Arc::clone(gate).try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        if permits.len() < gates.len() {
            let waiting = match cost {
                Cost::Light | Cost::Dear => {
                    let place = Arc::clone(&self.waiting).try_acquire_owned();
                    Some(place.map_err(|_| TooMuch::Full)?)
                }
                Cost::Own => None,
            };
            let rest = async {
                for gate in &gates[permits.len()..] {
                    if let Ok(permit) = Arc::clone(gate).acquire_owned().await {
                        permits.push(permit);
                    }
                }
            };
            timeout(self.limits.timeout, rest)
                .await
                .map_err(|_| TooMuch::NoTurn(self.limits.timeout))?;
            drop(waiting);
        }
        Ok(Turn { _permits: permits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: u32) -> Gate {
        Gate::new(ReadLimits {
            connections,
            ..ReadLimits::default()
        })
    }

    fn is_overloaded<T>(result: &Result<T, RepositoryError>) -> bool {
        matches!(result, Err(RepositoryError::Overloaded(_)))
    }

    #[tokio::test(start_paused = true)]
    async fn of_thirty_three_that_come_at_once_the_last_is_refused_at_once() {
        let gate = gate(4);
        let mut running = Vec::new();
        for _ in 0..4 {
            running.push(gate.enter(Cost::Light).await.unwrap());
        }
        let waiting: Vec<_> = (0..28)
            .map(|_| {
                let gate = gate.clone();
                tokio::spawn(async move { gate.enter(Cost::Light).await.map(drop) })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let refused = timeout(Duration::from_millis(1), gate.enter(Cost::Light)).await;
        assert!(is_overloaded(&refused.expect("at once")));
        drop(running);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        gate.enter(Cost::Light).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gets_no_turn_in_time_is_refused_and_leaves_its_place() {
        let gate = gate(1);
        let _running = gate.enter(Cost::Light).await.unwrap();
        for _ in 0..20 {
            assert!(is_overloaded(&gate.enter(Cost::Light).await));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dear_reads_leave_room_for_light_ones_and_nobody_holds_up_the_operators() {
        let gate = gate(4);
        let _dear = gate.enter(Cost::Dear).await.unwrap();
        assert!(is_overloaded(&gate.enter(Cost::Dear).await), "one in four");
        let mut light = Vec::new();
        for _ in 0..3 {
            light.push(gate.enter(Cost::Light).await.unwrap());
        }
        assert!(is_overloaded(&gate.enter(Cost::Light).await));
        gate.enter(Cost::Own).await.unwrap();
    }
}
