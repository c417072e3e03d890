//! Connections to Redis. Every step has a time limit.

use std::convert::Infallible;

use bb8_redis::bb8::{ManageConnection, Pool};
use bb8_redis::redis::{FromRedisValue, Pipeline};
use tokio::time::timeout;

use super::failure::Failure;
use super::source::{ANSWER_WITHIN, CONNECT_WITHIN, Connection, Source};

/// The pooled connections, for all calls that do not wait in Redis.
pub(super) struct Connections {
    source: Source,
    pool: Pool<Slots>,
}

impl Connections {
    pub(super) fn new(source: Source, size: u32) -> Self {
        // Without lifetimes the pool has no reaper task to spawn, so a queue can be created outside a runtime.
        let pool = Pool::builder()
            .max_size(size.max(1))
            .min_idle(None)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_on_check_out(false)
            .connection_timeout(CONNECT_WITHIN)
            .build_unchecked(Slots);
        Self { source, pool }
    }

    /// Runs a pipeline in one round trip.
    ///
    /// A pooled connection may have died since its last use (for example, Redis was restarted), and only using it shows
    /// that. It may also lead to a server that is the primary no longer. Every pipeline that runs here may be repeated, so
    /// such a pipeline is repeated once over a fresh connection. Unlike a ping before each use, this costs nothing while the connections are healthy.
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
                    Err(failure) if failure.is_lost_connection() || failure.is_read_only() => {}
                    Err(failure) => return Err(failure),
                }
            }
            let (connection, answer) = use_once(self.source.dial().await?, pipeline).await?;
            *slot = Some(connection);
            Ok(answer)
        });
        bounded.await.map_err(|_| Failure::Timeout("command"))?
    }
}

async fn use_once<T: FromRedisValue>(
    mut connection: Connection,
    pipeline: &Pipeline,
) -> Result<(Connection, T), Failure> {
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
    type Connection = Option<Connection>;
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
