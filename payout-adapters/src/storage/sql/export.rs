//! The rows of an export, on their way from a statement that a task of its own reads.
//!
//! The task stops reading while nobody takes the rows, so that the memory of an export does not grow. It ends when the
//! export is dropped.

use std::pin::pin;

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use payout_core::ports::{ExportedRows, Listed, RepositoryError};
use tokio::sync::mpsc;

use super::error::unavailable;

/// The number of rows that are handed over at once.
const CHUNK: usize = 256;
/// The number of chunks that may wait, beside the one that is being read.
const CHUNKS: usize = 2;

/// A message of the task of an export.
enum Said {
    Rows(Vec<Listed>),
    /// Every row was sent.
    End,
    Failed(RepositoryError),
}

/// The task's end of an export.
pub(crate) struct Sender(mpsc::Sender<Said>);

/// A running export.
pub(crate) struct Receiver {
    said: mpsc::Receiver<Said>,
    /// The first message, which was waited for at the beginning.
    first: Option<Said>,
    ended: bool,
}

/// The reason why the task of an export reads no further.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The export was dropped.
    Dropped,
    /// The statement failed.
    Failed(sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("the export ended before its last row")]
struct EndedEarly;

/// Creates both ends of an export.
pub(crate) fn channel() -> (Sender, Receiver) {
    let (sender, said) = mpsc::channel(CHUNKS);
    let receiver = Receiver {
        said,
        first: None,
        ended: false,
    };
    (Sender(sender), receiver)
}

impl Sender {
    /// Sends every row of a statement.
    ///
    /// # Errors
    /// [`Stopped`]; then the end is not sent either.
    pub(crate) async fn send_all<Row>(
        &self,
        rows: impl Stream<Item = Result<Row, sqlx::Error>>,
        restore: impl Fn(Vec<Row>) -> Vec<Listed>,
    ) -> Result<(), Stopped> {
        let mut rows = pin!(rows);
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            // A statement that finds nothing for long must not go on for an export that is gone.
            let row = tokio::select! {
                biased;
                row = rows.next() => row,
                () = self.0.closed() => return Err(Stopped::Dropped),
            };
            let last = row.is_none();
            if let Some(row) = row {
                chunk.push(row.map_err(Stopped::Failed)?);
            }
            if chunk.len() == CHUNK || (last && !chunk.is_empty()) {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
                let rows = Said::Rows(restore(full));
                self.0.send(rows).await.map_err(|_| Stopped::Dropped)?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Says how the export ended.
    pub(crate) async fn end(self, result: Result<(), RepositoryError>) {
        let said = match result {
            Ok(()) => Said::End,
            Err(error) => Said::Failed(error),
        };
        let _ = self.0.send(said).await;
    }
}

impl Receiver {
    /// Waits until the statement has begun: until its first rows or its end are there.
    ///
    /// # Errors
    /// The error of the statement's beginning.
    pub(crate) async fn begun(mut self) -> Result<Box<dyn ExportedRows>, RepositoryError> {
        match self.said.recv().await {
            Some(Said::Failed(error)) => Err(error),
            None => Err(unavailable(EndedEarly)),
            first @ Some(Said::Rows(_) | Said::End) => {
                self.first = first;
                Ok(Box::new(self))
            }
        }
    }
}

#[async_trait]
impl ExportedRows for Receiver {
    async fn next(&mut self) -> Result<Option<Vec<Listed>>, RepositoryError> {
        if self.ended {
            return Ok(None);
        }
        let said = match self.first.take() {
            Some(first) => Some(first),
            None => self.said.recv().await,
        };
        match said {
            Some(Said::Rows(rows)) => Ok(Some(rows)),
            Some(Said::End) => {
                self.ended = true;
                Ok(None)
            }
            Some(Said::Failed(error)) => Err(error),
            // The task is gone without a word: what came is not the whole.
            None => Err(unavailable(EndedEarly)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use payout_core::Timestamp;
    use payout_core::payout::PayoutId;
    use payout_core::ports::Cursor;
    use uuid::Uuid;

    use super::*;

    fn rows(count: u128) -> impl Stream<Item = Result<u128, sqlx::Error>> {
        stream::iter((0..count).map(Ok))
    }

    fn listed(rows: Vec<u128>) -> Vec<Listed> {
        let place = |number| Cursor {
            at: Timestamp::UNIX_EPOCH,
            id: PayoutId::from(Uuid::from_u128(number)),
        };
        rows.into_iter()
            .map(|number| Listed::Unreadable(place(number)))
            .collect()
    }

    async fn count(mut rows: Box<dyn ExportedRows>) -> Result<usize, RepositoryError> {
        let mut count = 0;
        while let Some(rows) = rows.next().await? {
            assert!(!rows.is_empty());
            count += rows.len();
        }
        Ok(count)
    }

    #[tokio::test]
    async fn every_row_comes_and_then_the_end() {
        for many in [0, 1, 255, 256, 257, 1024] {
            let (sender, receiver) = channel();
            tokio::spawn(async move {
                sender.send_all(rows(many), listed).await.unwrap();
                sender.end(Ok(())).await;
            });
            let exported = receiver.begun().await.unwrap();
            assert_eq!(count(exported).await.unwrap() as u128, many);
        }
    }

    #[tokio::test]
    async fn a_task_that_is_gone_is_no_end() {
        let (sender, receiver) = channel();
        tokio::spawn(async move { sender.send_all(rows(300), listed).await.unwrap() });
        let exported = receiver.begun().await.unwrap();
        assert!(matches!(
            count(exported).await,
            Err(RepositoryError::Unavailable(_))
        ));
    }

    #[tokio::test]
    async fn an_export_that_is_dropped_ends_a_statement_that_finds_nothing() {
        let (sender, receiver) = channel();
        drop(receiver);
        let stopped = sender.send_all(stream::pending(), listed).await;
        assert!(matches!(stopped, Err(Stopped::Dropped)));
    }

    #[tokio::test]
    async fn no_more_rows_are_read_than_are_taken() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};

        let read = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = channel();
        let counted = read.clone();
        tokio::spawn(async move {
            let rows = rows(1_000_000).inspect(|_| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let _ = sender.send_all(rows, listed).await;
        });
        let _exported = receiver.begun().await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(read.load(Ordering::Relaxed) <= CHUNK * (CHUNKS + 2));
    }
}
