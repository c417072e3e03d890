//! Hints over Redis Streams.
//!
//! All processes share one stream and one consumer group, in which each process is a consumer. A hint is an entry of
//! the stream. It is acknowledged *and deleted* once its payout was claimed, so the stream's length is the backlog.
//!
//! Redis may be flushed, restarted or unreachable. A missing group is created again, broken connections are reopened,
//! and the sweep finds the payouts whose hints were lost.
//!
//! The server may be one, the primary that sentinels name, or a cluster, in which both keys are in one slot.
//!
//! Needs Redis 6.2 or later (`XAUTOCLAIM`).

mod connection;
mod entry;
mod failure;
mod greeting;
mod reader;
mod settings;
mod source;
mod takeover;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::redis::Pipeline;
use payout_core::ports::{Delivery, Hint, JobQueue, QueueError, Receipt};

use self::connection::Connections;
use self::entry::Names;
use self::reader::Reader;
pub use self::settings::{InvalidRedisUrl, RedisSettings};
use self::source::Source;

/// A [`JobQueue`] on a Redis stream.
pub struct RedisQueue {
    names: Names,
    cap: usize,
    connections: Connections,
    reader: Reader,
}

impl RedisQueue {
    /// Creates the queue without connecting: Redis may be unreachable for now.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`] when the URL is not a valid Redis URL.
    pub fn new(settings: &RedisSettings) -> Result<Self, InvalidRedisUrl> {
        let source = Source::parse(settings.url.expose())?;
        let names = Names::new(settings, source.is_cluster());
        Ok(Self {
            cap: settings.cap,
            connections: Connections::new(source.clone(), settings.connections),
            reader: Reader::new(source, names.clone(), settings.take_over_after),
            names,
        })
    }
}

impl fmt::Debug for RedisQueue {
    /// Omits the connection, whose URL may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisQueue")
            .field("names", &self.names)
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl JobQueue for RedisQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        if hints.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(hints.len());
        for hint in hints {
            // Approximate trimming (`~`) drops whole nodes of the stream. It is free, and may exceed the cap by a node.
            let add = pipeline
                .cmd("XADD")
                .arg(&self.names.stream)
                .arg("MAXLEN")
                .arg("~")
                .arg(self.cap)
                .arg("*");
            add.arg(entry::FIELD).arg(hint.payout_id.to_string());
            if let Some(trace) = hint.trace {
                add.arg(entry::TRACE).arg(trace.to_string());
            }
            add.ignore();
        }
        Ok(self.connections.run::<()>(&pipeline).await?)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        Ok(self.reader.receive(max, wait).await?)
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let ids: Vec<&str> = receipts
            .iter()
            .map(Receipt::as_str)
            .filter(|id| entry::is_id(id))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.connections.run::<()>(&self.names.forget(&ids)).await?)
    }

    /// Returns the length of the stream: the waiting entries, and those delivered but not yet acknowledged.
    async fn depth(&self) -> Result<u64, QueueError> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("XLEN").arg(&self.names.stream);
        let (length,) = self.connections.run::<(u64,)>(&pipeline).await?;
        Ok(length)
    }

    /// Adds an entry to a stream that nobody reads.
    ///
    /// Whatever makes Redis refuse a hint makes it refuse this entry too: a read-only replica, full memory, a failed
    /// snapshot, missing permissions.
    async fn probe(&self) -> Result<u64, QueueError> {
        let mut pipeline = Pipeline::with_capacity(2);
        let tried = ["MAXLEN", "1", "*", "probe", "1"];
        pipeline.cmd("XADD").arg(&self.names.probe).arg(&tried).ignore();
        pipeline.cmd("XLEN").arg(&self.names.stream);
        let (length,) = self.connections.run::<(u64,)>(&pipeline).await?;
        Ok(length)
    }
}
