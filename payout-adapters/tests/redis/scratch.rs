//! A queue for a single test on the shared Redis server.

use std::time::Duration;

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Client, FromRedisValue, cmd};
use payout_adapters::queue::redis::{RedisQueue, RedisSettings};
use payout_core::ports::{Randomness, System};

pub(crate) use super::hints::{SHORT, acknowledge, hint, hints, receive_all, received};

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
