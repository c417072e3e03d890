//! The cost of a pooler, measured beside a direct connection to the same server.

use std::time::Duration;

use futures::future::join_all;
use payout_adapters::storage::postgres::PostgresRepository;
use payout_core::contract::build;
use payout_core::ports::{Clock, PayoutRepository, System};

use crate::two_behind_pgbouncer;

const ROUNDS: usize = 5;
const CALLERS: usize = 8;
const INSERTS: usize = 40;

/// Returns the time that each of some callers took for its inserts, on average.
async fn inserts(repository: &PostgresRepository) -> Duration {
    let clock = System::default();
    let begun = clock.monotonic();
    let callers = (0..CALLERS).map(|_| async {
        for _ in 0..INSERTS {
            repository.insert(&[build::new_payout()]).await.unwrap();
        }
    });
    join_all(callers).await;
    (clock.monotonic() - begun) / u32::try_from(INSERTS).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_through_transaction_mode_costs_a_few_round_trips_more() {
    let (pooled, _, (_pooler, database)) = two_behind_pgbouncer().await;
    let direct = database.repository();
    let (mut times_direct, mut times_pooled) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times_direct.push(inserts(&direct).await);
        times_pooled.push(inserts(&pooled).await);
    }
    let (direct, pooled) = (median(times_direct), median(times_pooled));
    eprintln!(
        "measured: an insert takes {direct:?} directly, {pooled:?} behind PgBouncer, {CALLERS} callers at once"
    );
    assert!(pooled < direct * 20, "{pooled:?}, directly {direct:?}");
}
