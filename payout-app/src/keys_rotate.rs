//! `payout encryption rotate`: re-encrypts every sealed value with the current key, in batches, while other processes run.

use std::io::{self, Write};
use std::time::Duration;

use payout_adapters::encryption::{KeyCheck, ReencryptedBatch};
use payout_core::ports::{Clock, RepositoryError, System};
use tokio::time::sleep;

use crate::wiring::Store;

/// The number of rows that one batch reads and writes.
const ROWS: u32 = 500;
/// The interval between two lines of progress.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// The number of times that a database which does not answer is asked again, and the pause between them.
const PATIENCE: (u32, Duration) = (30, Duration::from_secs(1));
/// The number of passes over the tables. A further pass is needed where a process still seals with an older key, or a
/// session holds a row.
const PASSES: usize = 3;
/// The pause before a further pass, in which a session may release the rows that it holds.
const BETWEEN_PASSES: Duration = Duration::from_secs(2);

/// The reason that some values are not sealed with the current key. Values that were re-encrypted stay so; the operator
/// can repeat the command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error("the database's schema is not current: run `payout migrate`")]
    SchemaBehind,
    #[error("PAYOUT_ENCRYPTION_KEYS: {0}")]
    Keys(KeyCheck),
    #[error("{0} rows cannot be opened with any of the keys; the log names their payouts")]
    Unreadable(u64),
    #[error(
        "{0} rows could not be written: another session holds them, or a process still seals with an older key. Start each \
         process with the new key first, end the sessions that hold rows (pg_stat_activity names them), and repeat this"
    )]
    Overtaken(u64),
    #[error("the database failed; what was sealed stays so, repeat this")]
    Database(#[from] RepositoryError),
}

/// Re-encrypts every sealed value with the current key, and reports progress.
///
/// # Errors
/// [`RotationError`].
pub(crate) async fn rotate(store: &Store, system: &System) -> Result<(), RotationError> {
    if !store.schema_is_current().await? {
        return Err(RotationError::SchemaBehind);
    }
    match store.check_keys().await? {
        KeyCheck::Fits => (),
        check @ (KeyCheck::Missing { .. } | KeyCheck::Wrong { .. }) => {
            return Err(RotationError::Keys(check));
        }
    }
    let mut left = 0;
    for pass in 0..PASSES {
        if pass > 0 {
            say(&format!(
                "{left} rows are held by another session or were changed meanwhile: once more."
            ));
            sleep(BETWEEN_PASSES).await;
        }
        let payouts = Pass::over("payouts", system, async |after| {
            store.reseal_payouts(after, ROWS).await
        })
        .await?;
        let answers = Pass::over("answers", system, async |after: Option<String>| {
            store.reseal_answers(after, ROWS).await
        })
        .await?;
        let recipients = Pass::over("recipients", system, async |after| {
            store.reseal_recipients(after, ROWS).await
        })
        .await?;
        let webhooks = Pass::over("webhooks", system, async |after| {
            store.reseal_webhooks(after, ROWS).await
        })
        .await?;
        let passes = [payouts, answers, recipients, webhooks];
        let sum = |of: fn(&Pass) -> u64| passes.iter().map(of).sum::<u64>();
        let (unreadable, sealed) = (sum(|pass| pass.unreadable), sum(|pass| pass.sealed));
        let stale = sum(|pass| pass.stale);
        left = stale.saturating_sub(unreadable + sealed);
        if stale == unreadable {
            compact(store).await;
            if unreadable > 0 {
                return Err(RotationError::Unreadable(unreadable));
            }
            return finish(store).await;
        }
    }
    Err(RotationError::Overtaken(left))
}

/// Removes overwritten values from the database file, also those that an earlier run could not remove.
async fn compact(store: &Store) {
    if store.compact().await.is_err() {
        say(
            "The database file could not be rewritten: another process uses it. Its free pages may still contain older \
             values; repeat this command when no other process uses the file.",
        );
    }
}

/// Deletes the records of the older keys, since no value is sealed with them any more.
async fn finish(store: &Store) -> Result<(), RotationError> {
    let forgotten = store.forget_other_keys().await?;
    if !forgotten.is_empty() {
        say(&format!("No longer needed: {}.", forgotten.join(", ")));
    }
    say("Everything is sealed with the current key.");
    Ok(())
}

/// The counts of one pass over all rows of a table.
struct Pass {
    sealed: u64,
    unreadable: u64,
    stale: u64,
}

impl Pass {
    async fn over<Place: Clone>(
        table: &str,
        system: &System,
        reseal: impl AsyncFn(Option<Place>) -> Result<ReencryptedBatch<Place>, RepositoryError>,
    ) -> Result<Self, RotationError> {
        let mut pass = Self {
            sealed: 0,
            unreadable: 0,
            stale: 0,
        };
        let (mut after, mut looked_at, mut told) = (None, 0, system.monotonic());
        loop {
            let stretch = patiently(async || reseal(after.clone()).await).await?;
            looked_at += stretch.looked_at;
            pass.sealed += stretch.sealed;
            pass.unreadable += stretch.unreadable;
            pass.stale += stretch.stale;
            after = stretch.next;
            if after.is_none() || system.monotonic().saturating_sub(told) > TOLD_EVERY {
                told = system.monotonic();
                say(&format!(
                    "{table}: {looked_at} looked at, {} re-encrypted",
                    pass.sealed
                ));
            }
            if after.is_none() {
                return Ok(pass);
            }
        }
    }
}

/// Repeats a request while the database does not answer.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, RepositoryError>) -> Result<T, RepositoryError> {
    let (times, pause) = PATIENCE;
    for _ in 0..times {
        match ask().await {
            Err(RepositoryError::Unavailable(_) | RepositoryError::Locked { .. }) => sleep(pause).await,
            answered => return answered,
        }
    }
    ask().await
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
