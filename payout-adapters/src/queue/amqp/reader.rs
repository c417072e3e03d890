//! The consumer: hints that the server pushes to this process, and their acknowledgements.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::Acker;
use lapin::message::Delivery as Message;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use payout_core::ports::{Clock, Delivery, Receipt, System};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::Failure;
use super::link::{ANSWER_WITHIN, Line, Link, Names, depth};
use crate::queue::hint_text::{self, TRACE};

/// The silence after which the server is asked whether it is still there.
const DOUBTED_AFTER: Duration = Duration::from_secs(1);

/// Receives hints for one consumer.
pub(super) struct Reader {
    line: Arc<Line>,
    names: Names,
    prefetch: u16,
    clock: System,
    consuming: tokio::sync::Mutex<Slot>,
    unacknowledged: Mutex<Unacknowledged>,
}

/// The place of the consumer.
#[derive(Default)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Slot {
    #[default]
    Closed,
    /// A consumer that is being opened, in a task of its own. The server knows of it before this process does: a call
    /// that stopped in between would leave a consumer to which hints are pushed and which nobody reads.
    Opening(JoinHandle<Result<Consuming, Failure>>),
    Open(Consuming),
}

impl Slot {
    /// Takes the open consumer out.
    fn take(&mut self) -> Option<Consuming> {
        match std::mem::take(self) {
            Self::Open(consuming) => Some(consuming),
            opening @ Self::Opening(_) => {
                *self = opening;
                None
            }
            Self::Closed => None,
        }
    }
}

/// An open consumer.
struct Consuming {
    consumer: Consumer,
    channel: Channel,
    /// The time of the last sign of the server, on the monotonic clock.
    seen: Duration,
    _link: Arc<Link>,
}

/// The deliveries that have not been acknowledged. An unknown tag would close the channel, so only these are.
#[derive(Default)]
struct Unacknowledged {
    given: u64,
    ackers: HashMap<String, Acker>,
}

impl Reader {
    pub(super) fn new(line: Line, names: Names, prefetch: u16) -> Self {
        Self {
            line: Arc::new(line),
            names,
            prefetch,
            clock: System::default(),
            consuming: tokio::sync::Mutex::default(),
            unacknowledged: Mutex::default(),
        }
    }

    fn unacknowledged(&self) -> MutexGuard<'_, Unacknowledged> {
        // No panic can leave the map half changed.
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to `wait` for hints; returns at most `max`.
    pub(super) async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Failure> {
        let until = self.clock.monotonic().saturating_add(wait);
        let mut slot = self.consuming.lock().await;
        let was_open = matches!(*slot, Slot::Open(_));
        let mut result = self.read(&mut slot, max, until).await;
        if was_open
            && matches!(&result, Err(failure) if failure.is_lost_connection() || failure.is_queue_gone())
        {
            // The consumer had died unnoticed.
            result = self.read(&mut slot, max, until).await;
        }
        result
    }

    async fn read(&self, slot: &mut Slot, max: usize, until: Duration) -> Result<Vec<Delivery>, Failure> {
        let mut consuming = match slot.take() {
            Some(consuming) => consuming,
            None => self.open(slot).await?,
        };
        // From here on, the consumer is back in its slot before every wait: a call that is dropped takes no hints with it.
        loop {
            let now = self.clock.monotonic();
            let doubted = consuming.seen.saturating_add(DOUBTED_AFTER);
            let pause = until.min(doubted).saturating_sub(now);
            *slot = Slot::Open(consuming);
            let Slot::Open(consuming_now) = slot else {
                return Ok(Vec::new());
            };
            let first = match timeout(pause, consuming_now.consumer.next()).await {
                Ok(first) => first,
                Err(_) if self.clock.monotonic() < doubted => return Ok(Vec::new()),
                Err(_) => {
                    let asked =
                        timeout(ANSWER_WITHIN, depth(&consuming_now.channel, &self.names.hints)).await;
                    let asked = asked.unwrap_or(Err(Failure::Timeout("consuming")));
                    if let Err(failure) = asked {
                        *slot = Slot::Closed;
                        self.line.give_up().await;
                        return Err(failure);
                    }
                    consuming_now.seen = self.clock.monotonic();
                    if consuming_now.seen >= until {
                        return Ok(Vec::new());
                    }
                    match slot.take() {
                        Some(same) => consuming = same,
                        None => return Ok(Vec::new()),
                    }
                    continue;
                }
            };
            match first {
                Some(Ok(message)) => {
                    consuming_now.seen = self.clock.monotonic();
                    let mut messages = vec![message];
                    while messages.len() < max
                        && let Some(Some(Ok(message))) = consuming_now.consumer.next().now_or_never()
                    {
                        messages.push(message);
                    }
                    let deliveries = self.sort(messages);
                    if !deliveries.is_empty() {
                        return Ok(deliveries);
                    }
                    match slot.take() {
                        Some(same) => consuming = same,
                        None => return Ok(Vec::new()),
                    }
                }
                Some(Err(error)) => {
                    *slot = Slot::Closed;
                    return Err(error.into());
                }
                // The server has cancelled the consumer: its queue was deleted.
                None => {
                    *slot = Slot::Closed;
                    self.line.give_up().await;
                    return Err(Failure::Connection("the consumer was cancelled".to_owned()));
                }
            }
        }
    }

    /// Opens the consumer, or waits for the one that is being opened. A call that stops waiting leaves it to the next.
    async fn open(&self, slot: &mut Slot) -> Result<Consuming, Failure> {
        if matches!(*slot, Slot::Closed) {
            let (line, names, prefetch) = (self.line.clone(), self.names.clone(), self.prefetch);
            let opening = async move {
                let opened = timeout(ANSWER_WITHIN, consume(&line, &names, prefetch)).await;
                opened.unwrap_or(Err(Failure::Timeout("consuming")))
            };
            *slot = Slot::Opening(tokio::spawn(opening));
        }
        let Slot::Opening(opening) = slot else {
            return Err(Failure::Connection("the consumer is open already".to_owned()));
        };
        let opened = opening.await;
        *slot = Slot::Closed;
        let mut consuming = opened.map_err(|error| Failure::Connection(error.to_string()))??;
        consuming.seen = self.clock.monotonic();
        Ok(consuming)
    }

    /// Parses messages, and drops those that name no payout.
    fn sort(&self, messages: Vec<Message>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let trace =
                message
                    .properties
                    .headers()
                    .as_ref()
                    .and_then(|headers| match headers.inner().get(TRACE) {
                        Some(AMQPValue::LongString(trace)) => Some(trace.to_string()),
                        Some(_) | None => None,
                    });
            let Some(hint) = hint_text::hint(&message.data, trace.as_deref()) else {
                tracing::warn!(tag = message.delivery_tag, "dropped a hint that names no payout");
                tokio::spawn(async move { message.acker.ack(BasicAckOptions::default()).await });
                continue;
            };
            let mut unacknowledged = self.unacknowledged();
            // What is left of an earlier connection can no longer be acknowledged.
            unacknowledged.ackers.retain(|_, acker| acker.usable());
            unacknowledged.given += 1;
            let receipt = unacknowledged.given.to_string();
            unacknowledged.ackers.insert(receipt.clone(), message.acker);
            deliveries.push(Delivery {
                hint,
                receipt: Receipt::new(receipt),
            });
        }
        deliveries
    }

    /// Acknowledges deliveries of this process; ignores other receipts.
    pub(super) async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), Failure> {
        let ackers: Vec<Acker> = {
            let mut unacknowledged = self.unacknowledged();
            receipts
                .iter()
                .filter_map(|receipt| unacknowledged.ackers.remove(receipt.as_str()))
                .collect()
        };
        let acks = ackers.iter().map(|acker| acker.ack(BasicAckOptions::default()));
        timeout(ANSWER_WITHIN, futures::future::try_join_all(acks))
            .await
            .map_err(|_| Failure::Timeout("acknowledging"))??;
        Ok(())
    }

    /// Returns the number of hints that wait to be delivered.
    pub(super) async fn depth(&self) -> Result<u64, Failure> {
        let asking = async {
            let link = self.line.link().await?;
            match depth(&link.channel, &self.names.hints).await {
                Err(failure) if failure.is_lost_connection() || failure.is_queue_gone() => {
                    // The queues are declared again with the connection.
                    self.line.give_up().await;
                    let link = self.line.link().await?;
                    depth(&link.channel, &self.names.hints).await
                }
                depth => depth,
            }
        };
        let answer = timeout(ANSWER_WITHIN, asking).await;
        if answer.is_err() {
            self.line.give_up().await;
        }
        answer.map_err(|_| Failure::Timeout("asking"))?
    }
}

async fn consume(line: &Line, names: &Names, prefetch: u16) -> Result<Consuming, Failure> {
    let link = line.link().await?;
    let channel = link.connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let consumer = channel
        .basic_consume(
            names.hints.clone(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok(Consuming {
        consumer,
        channel,
        seen: Duration::ZERO,
        _link: link,
    })
}
