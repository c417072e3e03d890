//! Writes the verdicts of payouts whose rows another session has locked, once it releases them.
//!
//! That may take any time, or never happen: the locked verdicts are tried again and again, together and apart from all
//! others.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::worker::settle::{Concluded, Writer, give_up_on, split};

/// The pause before locked verdicts are tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of rounds after which the log reports them: a lock of the service's own sessions ends within one.
const SPOKEN_OF_AFTER: u32 = 4;

/// Runs until every locked verdict is written and no writer can add another, or until the worker gives up.
pub(super) async fn write(writer: Writer, mut put_aside: mpsc::UnboundedReceiver<Concluded>) {
    let mut waiting: Vec<Concluded> = Vec::new();
    let mut rounds = 0;
    loop {
        if waiting.is_empty() {
            if rounds > SPOKEN_OF_AFTER {
                tracing::info!("no outcome waits for another session's lock any more");
            }
            rounds = 0;
            match put_aside.recv().await {
                Some(locked) => waiting.push(locked),
                None => return,
            }
        }
        tokio::select! {
            biased;
            () = writer.give_up.cancelled() => {
                put_aside.close();
                while let Ok(locked) = put_aside.try_recv() {
                    waiting.push(locked);
                }
                give_up_on(split(waiting), &"another session holds the payout's row");
                return;
            }
            () = tokio::time::sleep(PAUSE) => (),
        }
        while let Ok(locked) = put_aside.try_recv() {
            waiting.push(locked);
        }
        waiting = round(&writer, waiting).await;
        rounds += 1;
        if rounds == SPOKEN_OF_AFTER
            && let Some(first) = waiting.first()
        {
            tracing::warn!(
                payouts = waiting.len(), payout_id = %first.settlement.id,
                "outcomes wait to be written: another session holds a lock on their payouts"
            );
        }
    }
}

/// Tries each verdict once; returns those whose rows are still locked.
async fn round(writer: &Writer, waiting: Vec<Concluded>) -> Vec<Concluded> {
    let mut held = Vec::new();
    let mut rest = waiting.into_iter().peekable();
    while rest.peek().is_some() {
        let part: Vec<Concluded> = rest.by_ref().take(writer.batch).collect();
        let size = part.len();
        let mut locked = writer.write(part).await;
        // The repository may refuse the whole batch for one of its rows: each round halves the rest, down to that row.
        if locked.len() == size && size > 1 {
            let half = locked.split_off(size / 2);
            for part in [locked, half] {
                held.extend(writer.write(part).await);
            }
        } else {
            held.append(&mut locked);
        }
    }
    held
}
