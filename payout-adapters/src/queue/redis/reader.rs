//! Receiving hints: over a dedicated connection, as one consumer of a group that may vanish.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bb8_redis::redis::{Cmd, FromRedisValue, Value, cmd};
use payout_core::ports::{Clock, Delivery, System};
use tokio::time::timeout;

use super::entry::{Entry, Names, Sorted};
use super::failure::Failure;
use super::source::{ANSWER_WITHIN, Connection, Source};

/// The answer to `XREADGROUP`: the entries of each stream, or nothing.
type Read = Option<Vec<(String, Vec<Entry>)>>;

/// The longest single wait in Redis, in milliseconds. A longer wait is split into several.
const MAX_BLOCK_MS: u64 = 60_000;

/// The number of times that one `receive` re-creates a vanished group before it gives up.
const GROUP_ATTEMPTS: u32 = 3;

/// Receives hints for one consumer.
pub(super) struct Reader {
    source: Source,
    pub(super) names: Names,
    pub(super) take_over_after: Duration,
    clock: System,
    state: Mutex<State>,
}

/// State kept between calls of `receive`.
pub(super) struct State {
    /// The connection, while no read uses it. A read that is cancelled while it waits takes its connection with it, so
    /// that no later read receives its answer.
    connection: Option<Connection>,
    /// The id after which to read the entries that were delivered to this consumer and never acknowledged; `None` once
    /// all were read. Reset at the start and after a lost connection, which may have lost an answer.
    history: Option<String>,
    /// The id from which to look for entries that other consumers left unacknowledged.
    pub(super) left_behind: String,
    /// The time of the next takeover, on the monotonic clock.
    pub(super) next_takeover: Duration,
}

/// The id before a stream's first entry.
pub(super) const START: &str = "0-0";

impl Reader {
    pub(super) fn new(source: Source, names: Names, take_over_after: Duration) -> Self {
        let state = State {
            connection: None,
            history: Some(START.to_owned()),
            left_behind: START.to_owned(),
            next_takeover: Duration::ZERO,
        };
        Self {
            source,
            names,
            take_over_after,
            clock: System::default(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `wait` for hints; returns at most `max`.
    pub(super) async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Failure> {
        let until = self.clock.monotonic().saturating_add(wait);
        let kept = self.state().connection.take();
        let was_kept = kept.is_some();
        let mut line = match kept {
            Some(connection) => Line::new(self, connection),
            None => Line::new(self, self.source.dial().await?),
        };
        let mut result = line.read(max, until).await;
        if was_kept
            && matches!(&result, Err(failure) if failure.is_lost_connection() || failure.is_read_only())
        {
            // The kept connection had died unnoticed.
            drop(line);
            line = Line::new(self, self.source.dial().await?);
            result = line.read(max, until).await;
        }
        let deliveries = result?;
        line.keep();
        Ok(deliveries)
    }
}

/// A connection in use. Dropping it without `keep` means that an answer may have been lost with it.
pub(super) struct Line<'a> {
    pub(super) reader: &'a Reader,
    connection: Connection,
    kept: bool,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.reader.state().history = Some(START.to_owned());
        }
    }
}

impl<'a> Line<'a> {
    fn new(reader: &'a Reader, connection: Connection) -> Self {
        Self {
            reader,
            connection,
            kept: false,
        }
    }

    fn keep(mut self) {
        self.kept = true;
        self.reader.state().connection = Some(self.connection.clone());
    }

    /// Reads until hints arrive or the time is over. Creates the group again if it is missing.
    async fn read(&mut self, max: usize, until: Duration) -> Result<Vec<Delivery>, Failure> {
        let mut attempts = 0;
        loop {
            match self.read_group(max, until).await {
                Err(failure) if failure.is_group_gone() && attempts < GROUP_ATTEMPTS => {
                    attempts += 1;
                    self.make_group().await?;
                }
                read => return read,
            }
        }
    }

    async fn read_group(&mut self, max: usize, until: Duration) -> Result<Vec<Delivery>, Failure> {
        loop {
            let deliveries = self.read_history(max).await?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            let now = self.reader.clock.monotonic();
            if now >= self.reader.state().next_takeover {
                let deliveries = self.take_over(max, now).await?;
                if !deliveries.is_empty() {
                    return Ok(deliveries);
                }
            }
            let next_takeover = self.reader.state().next_takeover;
            let now = self.reader.clock.monotonic();
            let entries = self
                .read_new(max, until.min(next_takeover).saturating_sub(now))
                .await?;
            let deliveries = self.sort(entries).await?;
            if !deliveries.is_empty() || self.reader.clock.monotonic() >= until {
                return Ok(deliveries);
            }
        }
    }

    /// Reads the next batch of the entries that were delivered to this consumer earlier and never acknowledged.
    async fn read_history(&mut self, max: usize) -> Result<Vec<Delivery>, Failure> {
        loop {
            let Some(from) = self.reader.state().history.clone() else {
                return Ok(Vec::new());
            };
            let mut command = self.read_command(max);
            command.arg("STREAMS").arg(&self.reader.names.stream).arg(from);
            let entries = self.ask::<Read>(&command, Duration::ZERO).await?;
            let entries = entries
                .into_iter()
                .flatten()
                .flat_map(|(_, entries)| entries)
                .collect::<Vec<_>>();
            self.reader.state().history = entries.last().map(|(id, _)| id.clone());
            let deliveries = self.sort(entries).await?;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
        }
    }

    async fn read_new(&mut self, max: usize, wait: Duration) -> Result<Vec<Entry>, Failure> {
        let mut command = self.read_command(max);
        // BLOCK 0 would wait for ever.
        let wait_ms = u64::try_from(wait.as_millis())
            .unwrap_or(u64::MAX)
            .min(MAX_BLOCK_MS);
        if wait_ms > 0 {
            command.arg("BLOCK").arg(wait_ms);
        }
        command.arg("STREAMS").arg(&self.reader.names.stream).arg(">");
        let streams = self.ask::<Read>(&command, Duration::from_millis(wait_ms)).await?;
        Ok(streams
            .into_iter()
            .flatten()
            .flat_map(|(_, entries)| entries)
            .collect())
    }

    fn read_command(&self, max: usize) -> Cmd {
        let names = &self.reader.names;
        let mut command = cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(names.group)
            .arg(&names.consumer)
            .arg("COUNT")
            .arg(max);
        command
    }

    /// Creates the group at the stream's start, so that it includes entries added before the group existed.
    async fn make_group(&mut self) -> Result<(), Failure> {
        let names = &self.reader.names;
        let mut command = cmd("XGROUP");
        command
            .arg("CREATE")
            .arg(&names.stream)
            .arg(names.group)
            .arg("0")
            .arg("MKSTREAM");
        match self.ask::<Value>(&command, Duration::ZERO).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_group_there() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Parses the entries, and deletes those that cannot be read so that they are not delivered again.
    pub(super) async fn sort(&mut self, entries: Vec<Entry>) -> Result<Vec<Delivery>, Failure> {
        let Sorted {
            deliveries,
            unreadable,
        } = Sorted::new(entries);
        if !unreadable.is_empty() {
            tracing::warn!(entries = ?unreadable, "dropped hints that name no payout");
            let ids: Vec<&str> = unreadable.iter().map(String::as_str).collect();
            let forgetting = self.reader.names.forget(&ids);
            timeout(ANSWER_WITHIN, forgetting.query_async::<()>(&mut self.connection))
                .await
                .map_err(|_| Failure::Timeout("forgetting unreadable hints"))??;
        }
        Ok(deliveries)
    }

    /// Runs one command, which may wait in Redis for up to `wait`.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        wait: Duration,
    ) -> Result<T, Failure> {
        let bound = wait.saturating_add(ANSWER_WITHIN);
        let answer = timeout(bound, command.query_async::<T>(&mut self.connection)).await;
        Ok(answer.map_err(|_| Failure::Timeout("receiving"))??)
    }
}
