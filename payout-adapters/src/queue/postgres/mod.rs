//! Hints within the repository's own PostgreSQL database, without any other service.
//!
//! Hints are rows of an unlogged table, up to 48 in each. One statement adds the rows of a call and announces them in one
//! notification, on a connection and in a transaction of its own: a notification takes a lock of the whole server until
//! its commit, and no create may wait for that. Each process that receives hints listens; of those that learn of a row,
//! one deletes it and so has its hints. A hint that was delivered and is lost with its process is not delivered again:
//! the sweep finds its payout.
//!
//! Once a second the table itself is read, so that what was announced to nobody is found too.

mod connection;
mod failure;
mod listener;
mod settings;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Delivery, Hint, JobQueue, QueueError, Receipt, System};
use sqlx::postgres::types::PgInterval;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use self::connection::{Hosts, Line, session};
use self::listener::{Arrivals, Listening, Wanted};
pub use self::settings::{InvalidPostgresUrl, PostgresQueueSettings};
use crate::storage::postgres::connect_options;

/// The channel of the notifications. A channel belongs to one database.
const CHANNEL: &str = "payout_hints";

/// The largest number of hints in one row.
const ROW: u16 = 48;

/// The largest number of rows that are taken without having been announced.
const ROWS: i64 = 100;

/// The time between two reads of the table for what was not announced.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The shortest time between two notifications: those who listen are woken for several hints at once.
const BETWEEN: Duration = Duration::from_millis(5);

/// The longest time between two notifications, in [`BETWEEN`]s. Many hints are announced less often, since each
/// notification costs the server more than a hint does, and their workers have enough to do.
const LONGEST: u32 = 5;

const ADD: &str = "
    WITH added AS (
        INSERT INTO payout_hints (payout_ids, traces)
        SELECT array_agg(id ORDER BY place), array_agg(trace ORDER BY place)
        FROM UNNEST($1::uuid[], $2::text[]) WITH ORDINALITY AS hint (id, trace, place)
        GROUP BY (place - 1) / $3
        RETURNING number, cardinality(payout_ids) AS hints
    )
    SELECT pg_notify($4, string_agg(number || ':' || hints, ' ')) IS NULL FROM added";

const TAKE_ROWS: &str = "
    DELETE FROM payout_hints WHERE number IN (
        SELECT number FROM payout_hints WHERE number = ANY ($1) FOR UPDATE SKIP LOCKED
    )
    RETURNING payout_ids, traces";

const TAKE_ANY: &str = "
    DELETE FROM payout_hints WHERE number IN (
        SELECT number FROM payout_hints ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING payout_ids, traces";

const DEPTH: &str = "SELECT coalesce(sum(cardinality(payout_ids)), 0)::bigint FROM payout_hints";

/// Adds a row without a hint, which the next read of the table takes away, and announces it to nobody. Also deletes what
/// no worker has taken.
const PROBE: &str = "
    WITH probe AS (INSERT INTO payout_hints (payout_ids, traces) VALUES ('{}', '{}')),
    expired AS (DELETE FROM payout_hints WHERE added_at < now() - $1),
    waiting AS (SELECT coalesce(sum(cardinality(payout_ids)), 0)::bigint AS depth FROM payout_hints)
    SELECT depth, pg_notify($2, '') IS NULL FROM waiting";

/// A [`JobQueue`] in the repository's PostgreSQL database, whose schema has the table of hints.
pub struct PostgresQueue {
    hosts: Hosts,
    keep: PgInterval,
    adding: Line,
    taking: Line,
    arrivals: Arc<Arrivals>,
    listening: OnceLock<Listening>,
    clock: System,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The hints of rows that were taken, beyond those that were asked for.
    taken: VecDeque<Hint>,
    /// The time of the next read of the table, on the monotonic clock.
    next_look: Duration,
    /// The time before which no further notification is sent.
    next_notification: Duration,
}

impl PostgresQueue {
    /// Creates the queue without connecting: PostgreSQL may be unreachable for now.
    ///
    /// # Errors
    /// [`InvalidPostgresUrl`] when the URL is not a valid PostgreSQL URL.
    pub fn new(settings: &PostgresQueueSettings) -> Result<Self, InvalidPostgresUrl> {
        let hosts = connect_options(settings.url.expose()).map_err(|_| InvalidPostgresUrl)?;
        let hosts: Hosts = hosts
            .into_iter()
            .map(|host| session(host, &settings.application_name))
            .collect();
        let microseconds = i64::try_from(settings.keep.as_micros()).unwrap_or(i64::MAX);
        Ok(Self {
            keep: PgInterval {
                months: 0,
                days: 0,
                microseconds,
            },
            adding: Line::new(hosts.clone()),
            taking: Line::new(hosts.clone()),
            hosts,
            arrivals: Arc::default(),
            listening: OnceLock::new(),
            clock: System::default(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another notification may be sent, and reserves the time for one of this many rows.
    async fn pace(&self, rows: usize) {
        let now = self.clock.monotonic();
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let at = {
            let mut state = self.state();
            let at = state.next_notification.max(now);
            state.next_notification = at.saturating_add(BETWEEN * rows.clamp(1, LONGEST));
            at
        };
        if at > now {
            sleep(at.saturating_sub(now)).await;
        }
    }

    /// Deletes rows, and returns their hints.
    async fn take(&self, wanted: &Wanted) -> Result<Vec<Hint>, QueueError> {
        type Row = (Vec<Uuid>, Vec<Option<String>>);
        let rows = match wanted {
            Wanted::Rows(numbers) => {
                self.taking
                    .run(|| sqlx::query_as::<_, Row>(TAKE_ROWS).bind(numbers))
                    .await?
            }
            Wanted::Any => {
                let rows = self
                    .taking
                    .run(|| sqlx::query_as::<_, Row>(TAKE_ANY).bind(ROWS))
                    .await?;
                if rows.len() as i64 == ROWS {
                    self.arrivals.look();
                }
                rows
            }
        };
        let hints = rows.into_iter().flat_map(|(ids, traces)| {
            ids.into_iter().zip(traces).map(|(id, trace)| Hint {
                payout_id: PayoutId::from(id),
                trace: trace.and_then(|trace| trace.parse().ok()),
            })
        });
        Ok(hints.collect())
    }

    /// Returns up to `max` hints of those that were taken.
    fn deliver(&self, max: usize) -> Vec<Delivery> {
        let mut state = self.state();
        let count = max.min(state.taken.len());
        let hints = state.taken.drain(..count);
        // The row is gone: there is nothing to acknowledge.
        let receipt = || Receipt::new("");
        hints
            .map(|hint| Delivery {
                hint,
                receipt: receipt(),
            })
            .collect()
    }
}

impl fmt::Debug for PostgresQueue {
    /// Omits the options, which contain the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").finish_non_exhaustive()
    }
}

#[async_trait]
impl JobQueue for PostgresQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        if hints.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = hints.iter().map(|hint| hint.payout_id.as_uuid()).collect();
        let traces: Vec<Option<String>> = hints
            .iter()
            .map(|hint| hint.trace.map(|trace| trace.to_string()))
            .collect();
        self.pace(hints.len() / usize::from(ROW)).await;
        let add = || {
            sqlx::query_as::<_, (bool,)>(ADD)
                .bind(&ids)
                .bind(&traces)
                .bind(i64::from(ROW))
                .bind(CHANNEL)
        };
        self.adding.run(add).await?;
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        self.listening
            .get_or_init(|| Listening::start(self.hosts.clone(), self.arrivals.clone()));
        let until = self.clock.monotonic().saturating_add(wait);
        loop {
            let deliveries = self.deliver(max);
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            let now = self.clock.monotonic();
            let next_look = self.state().next_look;
            let wanted = self
                .arrivals
                .next(max)
                .or_else(|| (now >= next_look).then_some(Wanted::Any));
            if let Some(wanted) = wanted {
                let hints = self.take(&wanted).await?;
                let mut state = self.state();
                state.taken.extend(hints);
                if wanted == Wanted::Any {
                    state.next_look = now.saturating_add(LOOK_EVERY);
                }
                continue;
            }
            if now >= until {
                return Ok(Vec::new());
            }
            let pause = until.min(next_look).saturating_sub(now);
            let _ = timeout(pause, self.arrivals.arrival()).await;
        }
    }

    /// Does nothing: a row was deleted when its hints were delivered.
    async fn acknowledge(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        let rows = self.adding.run(|| sqlx::query_as::<_, (i64,)>(DEPTH)).await?;
        Ok(rows.first().map_or(0, |(depth,)| depth.unsigned_abs()))
    }

    /// Adds a row that has no hint.
    ///
    /// Whatever makes PostgreSQL refuse a hint makes it refuse this row too: a standby, a full disk, missing permissions.
    async fn probe(&self) -> Result<u64, QueueError> {
        let probe = || {
            sqlx::query_as::<_, (i64, bool)>(PROBE)
                .bind(self.keep)
                .bind("payout_hints_probe")
        };
        let rows = self.adding.run(probe).await?;
        Ok(rows.first().map_or(0, |(depth, _)| depth.unsigned_abs()))
    }
}
