//! The start on a database that was restored from a backup: a payout that is pending in it may have been sent since.
//!
//! Each such payout is recorded as claimed, by no live worker, before it can be claimed, edited or cancelled. The next
//! worker that claims it looks its key up at the provider before it sends. The claim is stored in the row, so a crash
//! does not lose it.

use std::time::Duration;

use payout_core::access::RESTORE_NAME;
use payout_core::payout::Actor;
use payout_core::ports::{ReconciliationReader, RepositoryError};
use tokio::time::sleep;

const BATCH: u32 = 500;
const PAUSE: Duration = Duration::from_millis(500);

/// Presumes a claim for every pending payout that is due. Waits through outages of the database. Returns the number.
///
/// # Errors
/// [`RepositoryError`] if the store refuses, and another attempt would not help.
pub(crate) async fn presume_sent(reader: &dyn ReconciliationReader) -> Result<u64, RepositoryError> {
    let by = Actor::new(RESTORE_NAME);
    let mut presumed = 0;
    loop {
        match reader.presume_claimed(BATCH, &by).await {
            Ok(0) => break,
            Ok(count) => presumed += count,
            // A row that another session has locked is not skipped: otherwise a worker could claim it without a
            // look-up.
            Err(RepositoryError::Locked { part, source }) => {
                tracing::warn!(
                    error = %payout_core::Causes(&*source),
                    "another session holds a lock on {part}; waiting for it before anything is sent"
                );
                sleep(PAUSE).await;
            }
            Err(RepositoryError::Unavailable(error)) => {
                tracing::warn!(
                    error = %payout_core::Causes(&*error),
                    "the database does not answer; waiting for it"
                );
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    tracing::warn!(
        payouts = presumed,
        "restored: each payout that was pending is looked up at the provider before it is sent; \
         run `payout reconcile` for those that had ended"
    );
    Ok(presumed)
}

#[cfg(test)]
mod tests {
    use payout_core::ports::{LockedPart, MockReconciliationReader};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_until_none_is_left_and_through_outages() {
        let mut reader = MockReconciliationReader::new();
        let mut answers = vec![
            Ok(0),
            Ok(7),
            Err(RepositoryError::Unavailable("away".into())),
            Err(RepositoryError::Locked {
                part: LockedPart::Row,
                source: "held".into(),
            }),
            Ok(u64::from(BATCH)),
        ];
        reader
            .expect_presume_claimed()
            .times(5)
            .returning(move |limit, by| {
                assert_eq!((limit, by.as_str()), (BATCH, "restore"));
                answers.pop().unwrap()
            });
        assert_eq!(presume_sent(&reader).await.unwrap(), 507);
    }

    #[tokio::test]
    async fn a_store_that_refuses_ends_the_start() {
        let mut reader = MockReconciliationReader::new();
        reader
            .expect_presume_claimed()
            .return_once(|_, _| Err(RepositoryError::Refused("broken".into())));
        assert!(presume_sent(&reader).await.is_err());
    }
}
