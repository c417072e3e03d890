//! The session that listens for notifications, in a task of its own: a session that does not read its notifications
//! would in time fill the server's queue of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::CHANNEL;
use super::connection::{ANSWER_WITHIN, CONNECT_WITHIN, Hosts, dial};
use super::failure::Failure;

/// The largest number of rows that are remembered. Beyond it, the table itself is read.
const CAPACITY: usize = 10_000;
/// The pause before another attempt to listen.
const PAUSE: Duration = Duration::from_millis(250);
/// The silence after which the connection is tested.
const DOUBTED_AFTER: Duration = Duration::from_secs(5);

/// The rows to take.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These.
    Rows(Vec<i64>),
    /// Whichever there are: some may not have been announced to this process.
    Any,
}

/// A row of the table, as its notification announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    number: i64,
    hints: usize,
}

#[derive(Debug, Default)]
struct State {
    announced: VecDeque<Announced>,
    /// Set when notifications may have been missed.
    look: bool,
}

/// The rows that have been announced and not yet been taken.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
    arrived: Notify,
}

impl Arrivals {
    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that notifications may have been missed.
    pub(super) fn look(&self) {
        self.state().look = true;
        self.arrived.notify_one();
    }

    fn announce(&self, payload: &str) {
        {
            let mut state = self.state();
            state.announced.extend(payload.split(' ').filter_map(announced));
            if state.announced.len() > CAPACITY {
                state.announced.clear();
                state.look = true;
            }
        }
        self.arrived.notify_one();
    }

    /// Returns the rows to take next for `max` hints; `None` while there is nothing to take.
    pub(super) fn next(&self, max: usize) -> Option<Wanted> {
        let mut state = self.state();
        if std::mem::take(&mut state.look) {
            return Some(Wanted::Any);
        }
        let mut hints = 0;
        let mut rows = Vec::new();
        while hints < max
            && let Some(row) = state.announced.pop_front()
        {
            hints += row.hints;
            rows.push(row.number);
        }
        (!rows.is_empty()).then_some(Wanted::Rows(rows))
    }

    /// Waits until something is announced.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }
}

/// Reads `number:hints`.
fn announced(text: &str) -> Option<Announced> {
    let (number, hints) = text.split_once(':')?;
    Some(Announced {
        number: number.parse().ok()?,
        hints: hints.parse().ok()?,
    })
}

/// The task that listens; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Listening(JoinHandle<()>);

impl Listening {
    pub(super) fn start(hosts: Hosts, arrivals: Arc<Arrivals>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&hosts, &arrivals).await {
                    // The readiness probe warns of an outage; until it is over, the table is read once a second.
                    tracing::debug!(%error, "no notifications from PostgreSQL; hints are looked for instead");
                }
                arrivals.look();
                sleep(PAUSE).await;
            }
        }))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens until the connection is lost.
async fn listen(hosts: &Hosts, arrivals: &Arrivals) -> Result<(), Failure> {
    let late = || Failure::Timeout("listening");
    let (place, connection) = dial(hosts).await?;
    drop(connection);
    let Some(options) = hosts.get(place) else {
        return Ok(());
    };
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(CONNECT_WITHIN)
        .connect_lazy_with(options.clone());
    let starting = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    let mut listener = timeout(ANSWER_WITHIN, starting).await.map_err(|_| late())??;
    // What was added before.
    arrivals.look();
    loop {
        match timeout(DOUBTED_AFTER, listener.try_recv()).await {
            Ok(received) => match received? {
                Some(notification) => arrivals.announce(notification.payload()),
                None => return Ok(()),
            },
            Err(_) => {
                let test = sqlx::query("SELECT 1").execute(&mut listener);
                timeout(ANSWER_WITHIN, test).await.map_err(|_| late())??;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_in_order_and_no_more_than_are_needed() {
        let arrivals = Arrivals::default();
        assert_eq!(arrivals.next(10), None);
        arrivals.announce("7:48 8:48 9:4");
        arrivals.announce("10:1");
        assert_eq!(arrivals.next(50), Some(Wanted::Rows(vec![7, 8])));
        assert_eq!(arrivals.next(50), Some(Wanted::Rows(vec![9, 10])));
        assert_eq!(arrivals.next(50), None);
    }

    #[test]
    fn what_announces_no_row_is_passed_over() {
        let arrivals = Arrivals::default();
        for payload in ["", "x", "1:", ":1", "1:x", "1:2:3"] {
            arrivals.announce(payload);
        }
        assert_eq!(arrivals.next(1), None);
    }

    #[test]
    fn with_too_many_rows_the_table_is_read_instead() {
        let arrivals = Arrivals::default();
        for number in 0..=CAPACITY {
            arrivals.announce(&format!("{number}:1"));
        }
        assert_eq!(arrivals.next(10), Some(Wanted::Any));
        assert_eq!(arrivals.next(10), None);
    }
}
