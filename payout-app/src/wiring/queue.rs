//! The queue that the settings select.

use std::sync::Arc;

use payout_adapters::queue::amqp::{AmqpQueue, AmqpSettings};
use payout_adapters::queue::memory::MemoryQueue;
use payout_adapters::queue::nats::{NatsQueue, NatsSettings};
use payout_adapters::queue::postgres::{PostgresQueue, PostgresQueueSettings};
use payout_adapters::queue::redis::{RedisQueue, RedisSettings};
use payout_core::ports::JobQueue;

use crate::settings::{Config, ConfigError, Queue};

/// The capacity of the in-process queue. Further hints are dropped, and the sweep finds their payouts.
const MEMORY_QUEUE: usize = 100_000;

/// Builds the queue, without connecting.
///
/// # Errors
/// [`ConfigError`] when the adapter refuses its setting.
pub(super) fn queue(config: &Config) -> Result<Arc<dyn JobQueue>, ConfigError> {
    let refused = |message: String| ConfigError {
        variable: "QUEUE_URL",
        message,
    };
    let consumer = config.worker.name.as_str();
    match &config.queue {
        Queue::Memory => Ok(Arc::new(MemoryQueue::new(MEMORY_QUEUE))),
        Queue::Postgres { url } => {
            let settings = PostgresQueueSettings::new(url.clone());
            let queue = PostgresQueue::new(&settings).map_err(|error| refused(error.to_string()))?;
            Ok(Arc::new(queue))
        }
        Queue::Redis(broker) => {
            let settings = RedisSettings::new(broker.url.clone(), &broker.prefix, consumer);
            let queue = RedisQueue::new(&settings).map_err(|error| refused(error.to_string()))?;
            Ok(Arc::new(queue))
        }
        Queue::Amqp(broker) => {
            let settings = AmqpSettings::new(broker.url.clone(), &broker.prefix, consumer);
            let queue = AmqpQueue::new(&settings).map_err(|error| refused(error.to_string()))?;
            Ok(Arc::new(queue))
        }
        Queue::Nats(broker) => {
            let settings = NatsSettings::new(broker.url.clone(), &broker.prefix, consumer);
            let queue = NatsQueue::new(&settings).map_err(|error| refused(error.to_string()))?;
            Ok(Arc::new(queue))
        }
    }
}
