//! Connections to the server, and the queues that are declared there. Every step has a time limit.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::failure::Failure;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// The time limit for the answer to a call, connecting included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The seconds without a sign of the server after half of which it is asked for one, where the URL does not say.
const HEARTBEAT: u16 = 10;

/// The names of the two queues, and the number of hints that the first may have.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) hints: ShortString,
    /// The queue to which the readiness probe publishes; nobody consumes it.
    pub(super) probe: ShortString,
    cap: u32,
}

impl Names {
    pub(super) fn new(prefix: &str, cap: u32) -> Self {
        Self {
            hints: format!("{prefix}.hints").into(),
            probe: format!("{prefix}.probe").into(),
            cap,
        }
    }

    /// Declares both queues. Queues that an operator has declared otherwise are used as they are.
    async fn declare(&self, connection: &Connection) -> Result<(), Failure> {
        let mut hints = FieldTable::default();
        hints.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        hints.insert("x-max-length".into(), AMQPValue::LongUInt(self.cap));
        hints.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        let mut probe = FieldTable::default();
        probe.insert("x-max-length".into(), AMQPValue::LongUInt(1));
        for (name, arguments) in [(&self.hints, hints), (&self.probe, probe)] {
            // A refusal closes its channel.
            let channel = connection.create_channel().await?;
            let declared = channel
                .queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments)
                .await
                .map_err(Failure::from);
            match declared {
                Ok(_) => (),
                Err(failure) if failure.may_exist() => {
                    let channel = connection.create_channel().await?;
                    if depth(&channel, name).await.is_err() {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// Returns the number of messages that wait in a queue.
pub(super) async fn depth(channel: &Channel, name: &ShortString) -> Result<u64, Failure> {
    let options = QueueDeclareOptions::durable().passive();
    let queue = channel
        .queue_declare(name.clone(), options, FieldTable::default())
        .await?;
    Ok(u64::from(queue.message_count()))
}

/// An open connection with its channel.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
}

impl Link {
    fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

/// A connection that is opened on first use, and again after it was lost.
pub(super) struct Line {
    uri: AMQPUri,
    name: String,
    names: Names,
    open: Mutex<Option<Arc<Link>>>,
}

impl Line {
    pub(super) fn new(mut uri: AMQPUri, name: &str, names: Names) -> Self {
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Self {
            uri,
            name: name.to_owned(),
            names,
            open: Mutex::default(),
        }
    }

    /// Returns the open connection, or opens one. The queues exist then.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Failure> {
        let mut open = self.open.lock().await;
        if let Some(link) = open.as_ref().filter(|link| link.is_open()) {
            return Ok(link.clone());
        }
        *open = None;
        let opening = async {
            let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
            let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
            self.names.declare(&connection).await?;
            let channel = connection.create_channel().await?;
            Ok::<_, Failure>(Arc::new(Link { connection, channel }))
        };
        let link = timeout(CONNECT_WITHIN, opening)
            .await
            .map_err(|_| Failure::Timeout("connecting"))??;
        *open = Some(link.clone());
        Ok(link)
    }

    /// Gives up a connection whose server does not answer, or whose queues may be gone.
    pub(super) async fn give_up(&self) {
        *self.open.lock().await = None;
    }
}
