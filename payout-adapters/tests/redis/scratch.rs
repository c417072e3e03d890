//! A queue for a single test on the shared Redis server, and helpers for the tests.

use std::collections::HashSet;
use std::time::Duration;

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Client, FromRedisValue, cmd};
use payout_adapters::queue::redis::{RedisQueue, RedisSettings};
use payout_core::payout::PayoutId;
use payout_core::ports::{Clock, Delivery, Hint, JobQueue, Randomness, Receipt, System};

pub(crate) const SHORT: Duration = Duration::from_millis(200);
pub(crate) const LONG: Duration = Duration::from_secs(5);

/// A unique key prefix on the shared server; its stream is deleted at the end.
pub(crate) struct Scratch {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let url = std::env::var("TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
        Self {
            url,
            prefix: format!("test-{:016x}", System::default().next_u64()),
        }
    }

    pub(crate) fn settings(&self, consumer: &str) -> RedisSettings {
        RedisSettings::new(self.url.as_str(), &self.prefix, consumer)
    }

    pub(crate) fn queue(&self, consumer: &str) -> RedisQueue {
        RedisQueue::new(&self.settings(consumer)).unwrap()
    }

    pub(crate) fn stream(&self) -> String {
        format!("{}:hints", self.prefix)
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        Client::open(self.url.as_str())
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap()
    }

    /// Runs one command, given as words; `KEY` stands for the stream.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &str) -> T {
        let stream = self.stream();
        let mut words = command
            .split(' ')
            .map(|word| if word == "KEY" { stream.as_str() } else { word });
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut self.connection().await).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // On a separate thread: a drop cannot wait for the runtime on which it may be running.
        let (url, stream) = (self.url.clone(), self.stream());
        let cleaning = std::thread::spawn(move || {
            let mut connection = Client::open(url).unwrap().get_connection_with_timeout(SHORT)?;
            cmd("DEL").arg(stream).query::<()>(&mut connection)
        });
        let _ = cleaning.join();
    }
}

pub(crate) fn hint() -> Hint {
    let system = System::default();
    Hint::at(PayoutId::generate(system.now(), &system))
}

pub(crate) fn hints(count: usize) -> Vec<Hint> {
    std::iter::repeat_with(hint).take(count).collect()
}

pub(crate) fn received(deliveries: &[Delivery]) -> HashSet<Hint> {
    deliveries.iter().map(|delivery| delivery.hint).collect()
}

pub(crate) async fn acknowledge(queue: &RedisQueue, deliveries: &[Delivery]) {
    let receipts: Vec<Receipt> = deliveries
        .iter()
        .map(|delivery| delivery.receipt.clone())
        .collect();
    queue.acknowledge(&receipts).await.unwrap();
}

/// Receives and acknowledges until all expected hints have arrived, whatever errors occur, within the time limit.
pub(crate) async fn receive_all(queue: &RedisQueue, expected: &[Hint], within: Duration) {
    let mut missing: HashSet<Hint> = expected.iter().copied().collect();
    let receiving = async {
        while !missing.is_empty() {
            match queue.receive(100, SHORT).await {
                Ok(deliveries) => {
                    acknowledge(queue, &deliveries).await;
                    missing.retain(|hint| !received(&deliveries).contains(hint));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let done = tokio::time::timeout(within, receiving).await;
    assert!(
        done.is_ok(),
        "{} of {} hints have not come",
        missing.len(),
        expected.len()
    );
}
