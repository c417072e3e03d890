//! Injects the planned faults, each at its time, even while others last.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::backing::{Postgres, Redis};
use crate::clock::{self, Time};
use crate::database;
use crate::plan::{Fault, Line, Planned};
use crate::processes::Fleet;
use crate::provider::Provider;
use crate::proxy::Proxy;

/// A fault as it was injected.
#[derive(Debug, Clone)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    pub(crate) from: Time,
    pub(crate) to: Time,
    /// The reason why it could not be injected.
    pub(crate) failed: Option<String>,
}

/// Everything that a fault can break.
pub(crate) struct Scenario {
    pub(crate) fleet: Fleet,
    pub(crate) postgres: Mutex<Postgres>,
    pub(crate) redis: Mutex<Redis>,
    pub(crate) pool: PgPool,
    pub(crate) to_postgres: Proxy,
    pub(crate) to_redis: Proxy,
    pub(crate) provider: Provider,
}

/// The number of tries for a fault whose target process is still being restarted.
const TRIES: u32 = 50;

/// Injects every planned fault, and returns when the last one is over.
pub(crate) async fn inject(scenario: Arc<Scenario>, plan: Vec<Planned>) -> Vec<Injected> {
    let start = clock::instant();
    let mut running = JoinSet::new();
    let mut injected = Vec::new();
    for planned in plan {
        sleep_until(start + planned.at).await;
        let scenario = scenario.clone();
        running.spawn(async move {
            let from = clock::now();
            let failed = scenario.strike(planned.fault).await.err();
            Injected {
                fault: planned.fault,
                from,
                to: clock::now(),
                failed,
            }
        });
        while let Some(Ok(done)) = running.try_join_next() {
            injected.push(done);
        }
    }
    while let Some(done) = running.join_next().await {
        injected.extend(done);
    }
    injected.sort_by_key(|injected| injected.from);
    injected
}

impl Scenario {
    async fn strike(&self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Kill(role, place) => {
                for _ in 0..TRIES {
                    if self.fleet.kill(role, place) {
                        return Ok(());
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                Err("it does not run".to_owned())
            }
            Fault::Freeze(role, place, length) => {
                for _ in 0..TRIES {
                    if self.fleet.freeze(role, place, length).await {
                        return Ok(());
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                Err("it does not run".to_owned())
            }
            Fault::RedisFlush => text(self.redis.lock().await.flush().await),
            Fault::RedisRestart(length) | Fault::RedisGone(length) => {
                text(self.redis.lock().await.restart(length).await)
            }
            Fault::PostgresCrash(length) => text(self.postgres.lock().await.crash(length).await),
            Fault::PostgresTerminate(count) => {
                text(database::terminate(&self.pool, count).await.map(|_ended| ()))
            }
            Fault::Weather(line, weather, length) => {
                let proxy = match line {
                    Line::Postgres => &self.to_postgres,
                    Line::Redis => &self.to_redis,
                };
                proxy.weather(weather, length).await;
                Ok(())
            }
            Fault::ProviderAway(length) => {
                self.provider.away_for(length).await;
                Ok(())
            }
        }
    }
}

fn text(result: crate::Outcome<()>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}
