//! Connections to Redis. Every step has a time limit.

use std::convert::Infallible;
use std::time::Duration;

use bb8_redis::bb8::{ManageConnection, Pool};
use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline};
use tokio::time::timeout;

use super::failure::Failure;

const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The time limit for the answer to a command, connecting included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Opens a connection.
///
/// The connection has no response timeout; its callers limit each command themselves. The client's own timeout would
/// cut off a long read, and the entries that Redis then delivers would be lost.
pub(super) async fn dial(client: &Client) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(None);
    let opening = client.get_multiplexed_async_connection_with_config(&config);
    Ok(timeout(CONNECT_WITHIN, opening)
        .await
        .map_err(|_| Failure::Timeout("connecting"))??)
}

/// The pooled connections, for all calls that do not wait in Redis.
pub(super) struct Connections {
    client: Client,
    pool: Pool<Slots>,
}

impl Connections {
    pub(super) fn new(client: Client, size: u32) -> Self {
        // Without lifetimes the pool has no reaper task to spawn, so a queue can be created outside a runtime.
        let pool = Pool::builder()
            .max_size(size.max(1))
            .min_idle(None)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_on_check_out(false)
            .connection_timeout(CONNECT_WITHIN)
            .build_unchecked(Slots);
        Self { client, pool }
    }

    /// Runs a pipeline in one round trip.
    ///
    /// A pooled connection may have died since its last use (for example, Redis was restarted), and only using it shows
    /// that. Every pipeline that runs here may be repeated, so a pipeline that lost its connection is repeated once
    /// over a fresh one. Unlike a ping before each use, this costs nothing while the connections are healthy.
    pub(super) async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Failure> {
        let bounded = timeout(ANSWER_WITHIN, async {
            let mut slot = self.pool.get().await.map_err(|_| Failure::Busy)?;
            // The slot is empty while the connection is in use: a call that is cancelled half way must not leave its
            // answer to the next call.
            if let Some(connection) = slot.take() {
                match use_once(connection, pipeline).await {
                    Ok((connection, answer)) => {
                        *slot = Some(connection);
                        return Ok(answer);
                    }
                    Err(failure) if failure.is_lost_connection() => {}
                    Err(failure) => return Err(failure),
                }
            }
            let (connection, answer) = use_once(dial(&self.client).await?, pipeline).await?;
            *slot = Some(connection);
            Ok(answer)
        });
        bounded.await.map_err(|_| Failure::Timeout("command"))?
    }
}

async fn use_once<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    pipeline: &Pipeline,
) -> Result<(MultiplexedConnection, T), Failure> {
    let answer = pipeline.query_async(&mut connection).await?;
    Ok((connection, answer))
}

/// Manager of a pool of slots. A slot is the permission to have one connection; its holder opens the connection when
/// the slot is empty.
///
/// The pool does not open connections itself: while Redis is unreachable, it would keep callers waiting until their
/// timeout and then hide the reason.
struct Slots;

impl ManageConnection for Slots {
    type Connection = Option<MultiplexedConnection>;
    type Error = Infallible;

    async fn connect(&self) -> Result<Self::Connection, Infallible> {
        Ok(None)
    }

    async fn is_valid(&self, _: &mut Self::Connection) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Self::Connection) -> bool {
        false
    }
}
