//! Connections, each step of which is bounded in time.

use std::convert::Infallible;
use std::time::Duration;

use bb8_redis::bb8::{ManageConnection, Pool};
use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline};
use tokio::time::timeout;

use super::failure::Failure;

const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Within this a command must be answered, connecting included.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Opens a connection. Its commands are bounded by who gives them: the client's own bound would cut a long read
/// short and leave its answer to nobody.
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
        // Without lifetimes the pool has no reaper to spawn, so a queue can be made outside a runtime.
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
    /// A pooled connection may have died since its last use (Redis was restarted), which shows only when it is
    /// used. Everything that goes through here may be repeated, so it is then repeated once over a fresh
    /// connection: that costs nothing while all is well, unlike a ping before each use.
    pub(super) async fn run<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Failure> {
        let bounded = timeout(ANSWER_WITHIN, async {
            let mut slot = self.pool.get().await.map_err(|_| Failure::Busy)?;
            // Taken out while in use: a call that is dropped half way must not leave its answer to the next.
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

/// What the pool manages is the right to have a connection; whoever has it opens the connection when there is none.
/// The pool itself would keep its callers waiting, for as long as it may, when a connection cannot be opened, and tell
/// them nothing of why.
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
