//! Injects the planned faults, each at its time, even while others last.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::backing::Postgres;
use crate::clock::{self, Time};
use crate::database;
use crate::plan::{Fault, Line, Planned};
use crate::processes::Fleet;
use crate::provider::Provider;
use crate::proxy::Proxy;
use crate::queue::Broker;
use crate::vendors::StandIn;

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
    /// The server of the queue; none where the database is the queue.
    pub(crate) broker: Mutex<Option<Broker>>,
    pub(crate) pool: PgPool,
    pub(crate) to_postgres: Proxy,
    pub(crate) to_queue: Option<Proxy>,
    /// The provider of the HTTP contract.
    pub(crate) provider: Provider,
    /// The stand-ins for real providers.
    pub(crate) stand_ins: Vec<StandIn>,
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
            Fault::QueueFlush => match &*self.broker.lock().await {
                Some(broker) => text(broker.flush().await),
                None => text(database::forget_hints(&self.pool).await),
            },
            Fault::QueueRestart(length) | Fault::QueueGone(length) => match &mut *self.broker.lock().await {
                Some(broker) => text(broker.restart(length).await),
                None => Err("the database is the queue".to_owned()),
            },
            Fault::PostgresCrash(length) => text(self.postgres.lock().await.crash(length).await),
            Fault::PostgresTerminate(count) => {
                text(database::terminate(&self.pool, count).await.map(|_ended| ()))
            }
            Fault::Weather(line, weather, length) => {
                let proxy = match line {
                    Line::Postgres => Some(&self.to_postgres),
                    Line::Queue => self.to_queue.as_ref(),
                };
                let proxy = proxy.ok_or("the database is the queue")?;
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
