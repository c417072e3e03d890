//! Bounds on reads that may be slow: lists, counts, audit trails, statistics.
//!
//! These reads use connections of their own, so that payments never wait for them. Few run at the same time, and even
//! fewer of those that cannot use an index. A limited number of others wait briefly for their turn. Further reads are
//! refused, and so are reads that take too long.

use std::sync::Arc;
use std::time::Duration;

use payout_core::ports::RepositoryError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Limits on the costly reads of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The number of costly reads that run at once, each on a connection of its own. Seven times as many may wait.
    pub connections: u32,
    /// The longest time that a read may run, and the longest time that it may wait for its turn.
    pub timeout: Duration,
    /// The number of exports that run at once, each on a connection of its own. Further exports are refused.
    pub exports: u32,
    /// The longest time that an export may run.
    pub export_timeout: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            connections: 4,
            timeout: Duration::from_secs(3),
            exports: 2,
            export_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// The number of waiting reads allowed for each running read.
const WAITING_FOR_EACH: usize = 7;
/// The share of running reads that may be expensive: one in this number.
const ONE_DEAR_IN: usize = 4;

/// The cost class of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A read along an index, bounded by a page or a limit.
    Light,
    /// A read that may have to look at every row.
    Dear,
    /// A read by the service itself, for its operators. It waits for other reads of this class only: it is never
    /// refused at once, and it does not count towards the clients' limits.
    Own,
}

/// The reason why a read was refused.
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

/// Admits costly reads within the [`ReadLimits`].
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    running: Arc<Semaphore>,
    dear: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    own: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    limits: ReadLimits,
}

/// A read's permission to run; dropping it admits the next read.
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
            exports: semaphore(usize::try_from(limits.exports).unwrap_or(1)),
            limits,
        }
    }

    /// Returns the number of connections that the reads need.
    pub(crate) fn connections(limits: ReadLimits) -> u32 {
        let reads = limits.connections.max(1).saturating_add(1);
        reads.saturating_add(limits.exports)
    }

    /// Returns the longest time that a read may run.
    pub(crate) fn timeout(&self) -> Duration {
        self.limits.timeout
    }

    /// Returns the longest time that an export may run.
    pub(crate) fn export_timeout(&self) -> Duration {
        self.limits.export_timeout
    }

    /// Takes the place of an export. An export may run for minutes, so that waiting for one is of no use.
    ///
    /// # Errors
    /// [`RepositoryError::Overloaded`] when as many exports run as may.
    pub(crate) fn enter_export(&self) -> Result<Turn, RepositoryError> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        let permit = place.map_err(|_| TooMuch::Full)?;
        Ok(Turn {
            _permits: vec![permit],
        })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`RepositoryError::Overloaded`] when too many reads are waiting already, or when no turn comes in time.
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
