//! Takeover from dead consumers: their unacknowledged hints, and the deletion of their names.

use std::collections::HashMap;
use std::time::Duration;

use bb8_redis::redis::{ParsingError, RedisError, Value, cmd, from_redis_value};
use payout_core::ports::Delivery;

use super::entry::Entry;
use super::failure::Failure;
use super::reader::{Line, START};

/// The number of takeover periods after which a consumer is deleted, if it holds nothing and has not read since.
const FORGET_AFTER: u32 = 10;

impl Line<'_> {
    /// Takes over the deliveries that other consumers have held for too long. After a complete scan, deletes the
    /// consumers that are gone.
    pub(super) async fn take_over(&mut self, max: usize, now: Duration) -> Result<Vec<Delivery>, Failure> {
        let names = &self.reader.names;
        let idle_ms = u64::try_from(self.reader.take_over_after.as_millis()).unwrap_or(u64::MAX);
        let from = self.reader.state().left_behind.clone();
        let mut command = cmd("XAUTOCLAIM");
        command
            .arg(&names.stream)
            .arg(names.group)
            .arg(&names.consumer)
            .arg(idle_ms)
            .arg(from);
        command.arg("COUNT").arg(max);
        // The answer: the id at which to continue, the entries and, since Redis 7, the ids of deleted entries.
        let answer = self.ask::<Vec<Value>>(&command, Duration::ZERO).await?;
        let mut answer = answer.into_iter();
        let next = answer
            .next()
            .map(from_redis_value::<String>)
            .transpose()
            .map_err(unexpected)?;
        let entries = answer
            .next()
            .map(from_redis_value::<Vec<Option<Entry>>>)
            .transpose()
            .map_err(unexpected)?;
        let next = next.unwrap_or_else(|| START.to_owned());
        let seen_all = next == START;
        {
            let mut state = self.reader.state();
            state.left_behind = next;
            if seen_all {
                state.next_takeover = now.saturating_add(self.reader.take_over_after / 2);
            }
        }
        let deliveries = self
            .sort(entries.into_iter().flatten().flatten().collect())
            .await?;
        if seen_all {
            self.forget_consumers().await?;
        }
        Ok(deliveries)
    }

    /// Deletes consumers that are gone.
    ///
    /// Every process that ever read stays a consumer until it is deleted. A consumer that receives a hint between the
    /// two commands loses it; the sweep then finds the payout.
    async fn forget_consumers(&mut self) -> Result<(), Failure> {
        let names = &self.reader.names;
        let mut command = cmd("XINFO");
        command.arg("CONSUMERS").arg(&names.stream).arg(names.group);
        let consumers = self
            .ask::<Vec<HashMap<String, Value>>>(&command, Duration::ZERO)
            .await?;
        let too_long = (self.reader.take_over_after * FORGET_AFTER).as_millis();
        for mut consumer in consumers {
            let mut number = |field| {
                consumer
                    .remove(field)
                    .and_then(|value| from_redis_value::<u64>(value).ok())
            };
            let (pending, idle) = (number("pending"), number("idle"));
            let name = consumer
                .remove("name")
                .and_then(|value| from_redis_value::<String>(value).ok());
            let (Some(name), Some(0), Some(idle_ms)) = (name, pending, idle) else {
                continue;
            };
            if name != names.consumer && u128::from(idle_ms) > too_long {
                let mut command = cmd("XGROUP");
                command
                    .arg("DELCONSUMER")
                    .arg(&names.stream)
                    .arg(names.group)
                    .arg(name);
                self.ask::<Value>(&command, Duration::ZERO).await?;
            }
        }
        Ok(())
    }
}

/// Converts a parsing error: Redis sent an answer that does not have the documented form.
fn unexpected(error: ParsingError) -> Failure {
    RedisError::from(error).into()
}
