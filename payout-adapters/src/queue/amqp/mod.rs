//! Hints over AMQP 0-9-1, as RabbitMQ speaks it (3.10 or later).
//!
//! All processes share one quorum queue. A hint is one message: it is published with a confirmation, pushed to one
//! consumer ahead of its acknowledgement, and delivered to another one if the first loses its connection.
//!
//! RabbitMQ may be restarted, unreachable or out of memory, and its queue may be purged or deleted. Connections are
//! opened again, queues are declared again with each connection, and the sweep finds the payouts whose hints were lost.
//!
//! Publishing has a connection of its own: the server stops reading from those who publish while its memory is short, and
//! acknowledgements must go on.

mod failure;
mod link;
mod reader;
mod settings;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation};
use payout_core::ports::{Delivery, Hint, JobQueue, QueueError, Receipt};
use tokio::time::timeout;

use self::failure::Failure;
use self::link::{ANSWER_WITHIN, Line, Names};
use self::reader::Reader;
pub use self::settings::{AmqpSettings, InvalidAmqpUrl};
use super::hint_text::TRACE;

/// A [`JobQueue`] on a quorum queue of RabbitMQ.
pub struct AmqpQueue {
    names: Names,
    publishing: Line,
    reader: Reader,
}

impl AmqpQueue {
    /// Creates the queue without connecting: the server may be unreachable for now.
    ///
    /// # Errors
    /// [`InvalidAmqpUrl`] when the URL is not a valid AMQP URL.
    pub fn new(settings: &AmqpSettings) -> Result<Self, InvalidAmqpUrl> {
        let uri: AMQPUri = settings.url.expose().parse().map_err(|_| InvalidAmqpUrl)?;
        let names = Names::new(&settings.prefix, settings.cap);
        let line = || Line::new(uri.clone(), &settings.consumer, names.clone());
        Ok(Self {
            publishing: line(),
            reader: Reader::new(line(), names.clone(), settings.prefetch),
            names,
        })
    }

    /// Publishes messages, and waits for their confirmations.
    ///
    /// A connection may have died since its last use, and a queue may have been deleted. Both show only when they are
    /// used, so the messages are then published once more, over a fresh connection with queues that were declared again.
    async fn publish(&self, queue: &ShortString, messages: &[Message]) -> Result<(), Failure> {
        let publishing = async {
            match self.publish_once(queue, messages).await {
                Err(failure) if failure.is_lost_connection() || failure.is_queue_gone() => {
                    self.publishing.give_up().await;
                    self.publish_once(queue, messages).await
                }
                published => published,
            }
        };
        let Ok(published) = timeout(ANSWER_WITHIN, publishing).await else {
            let link = timeout(Duration::ZERO, self.publishing.link()).await;
            if matches!(link, Ok(Ok(link)) if link.connection.status().blocked()) {
                return Err(Failure::Blocked);
            }
            self.publishing.give_up().await;
            return Err(Failure::Timeout("publishing"));
        };
        published
    }

    async fn publish_once(&self, queue: &ShortString, messages: &[Message]) -> Result<(), Failure> {
        let link = self.publishing.link().await?;
        let channel = &link.channel;
        if !channel.status().confirm() {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
        }
        if link.connection.status().blocked() {
            return Err(Failure::Blocked);
        }
        let sent = messages.iter().map(|message| message.publish(channel, queue));
        let confirmations = futures::future::try_join_all(sent).await?;
        for confirmation in confirmations {
            match confirmation.await? {
                Confirmation::Ack(None) | Confirmation::NotRequested => (),
                Confirmation::Ack(Some(_)) => return Err(Failure::unroutable()),
                Confirmation::Nack(_) => return Err(Failure::NotTaken("the queue is full or has no leader")),
            }
        }
        Ok(())
    }
}

/// A message to publish.
struct Message {
    body: String,
    properties: BasicProperties,
}

impl Message {
    fn of(hint: &Hint) -> Self {
        let mut headers = FieldTable::default();
        if let Some(trace) = hint.trace {
            headers.insert(TRACE.into(), AMQPValue::LongString(trace.to_string().into()));
        }
        Self {
            body: hint.payout_id.to_string(),
            properties: BasicProperties::default().with_headers(headers),
        }
    }

    /// Publishes by the default exchange, which routes by the queue's name. A message that no queue takes comes back.
    async fn publish(
        &self,
        channel: &Channel,
        queue: &ShortString,
    ) -> Result<lapin::PublisherConfirm, lapin::Error> {
        let options = BasicPublishOptions {
            mandatory: true,
            immediate: false,
        };
        channel
            .basic_publish(
                "".into(),
                queue.clone(),
                options,
                self.body.as_bytes(),
                self.properties.clone(),
            )
            .await
    }
}

impl fmt::Debug for AmqpQueue {
    /// Omits the connections, whose URL may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpQueue")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl JobQueue for AmqpQueue {
    async fn enqueue(&self, hints: &[Hint]) -> Result<(), QueueError> {
        if hints.is_empty() {
            return Ok(());
        }
        let messages: Vec<Message> = hints.iter().map(Message::of).collect();
        Ok(self.publish(&self.names.hints, &messages).await?)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        Ok(self.reader.receive(max, wait).await?)
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        Ok(self.reader.acknowledge(receipts).await?)
    }

    /// Returns the number of hints that wait; those delivered and not yet acknowledged do not count.
    async fn depth(&self) -> Result<u64, QueueError> {
        Ok(self.reader.depth().await?)
    }

    /// Publishes to a queue that nobody consumes, in which one message has room.
    ///
    /// What makes RabbitMQ refuse a hint makes it refuse this message too: full memory or disk, missing permissions.
    async fn probe(&self) -> Result<u64, QueueError> {
        let probe = Message {
            body: "probe".to_owned(),
            properties: BasicProperties::default(),
        };
        self.publish(&self.names.probe, &[probe]).await?;
        Ok(self.reader.depth().await?)
    }
}
