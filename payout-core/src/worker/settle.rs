//! Writes verdicts, in batches, until they are written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crash::{self, Point};
use crate::errand::Errand;
use crate::outage::Outage;
use crate::payout::{Settlement, Status, Verdict};
use crate::ports::{Batch, Observer, PayoutRepository, RepositoryError, Settled, Signal, Span};

/// So many batches are written at the same time.
const WRITERS: usize = 2;
/// How long to wait before a batch is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// An attempt that has come to its verdict; its span lasts until that is written.
pub(super) struct Concluded {
    pub(super) settlement: Settlement,
    pub(super) errand: Errand,
    pub(super) span: Option<Box<dyn Span>>,
}

/// For whom a settlement is written.
type Story = (Errand, Option<Box<dyn Span>>);

/// The tasks that settle.
pub(super) struct Settling {
    tasks: TaskTracker,
    give_up: CancellationToken,
    drain_within: Duration,
}

struct Writer {
    repository: Arc<dyn PayoutRepository>,
    observer: Arc<dyn Observer>,
    give_up: CancellationToken,
    batch: usize,
}

impl Settling {
    pub(super) fn start(
        repository: Arc<dyn PayoutRepository>,
        observer: Arc<dyn Observer>,
        settlements: mpsc::Receiver<Concluded>,
        batch: usize,
        drain_within: Duration,
    ) -> Self {
        let settlements = Arc::new(Mutex::new(settlements));
        let (tasks, give_up) = (TaskTracker::new(), CancellationToken::new());
        for _ in 0..WRITERS {
            let (repository, observer) = (repository.clone(), observer.clone());
            let writer = Writer {
                repository,
                observer,
                give_up: give_up.clone(),
                batch,
            };
            tasks.spawn(writer.run(settlements.clone()));
        }
        tasks.close();
        Self {
            tasks,
            give_up,
            drain_within,
        }
    }

    /// Waits until everything is written, within the bound. Whatever is not is looked up by whoever takes it over.
    pub(super) async fn finish(self) {
        if tokio::time::timeout(self.drain_within, self.tasks.wait())
            .await
            .is_err()
        {
            self.give_up.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Writer {
    async fn run(self, settlements: Arc<Mutex<mpsc::Receiver<Concluded>>>) {
        let mut batch = Vec::with_capacity(self.batch);
        while settlements.lock().await.recv_many(&mut batch, self.batch).await > 0 {
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    /// Settles a batch; one by one when the store refuses it, so that one impossible row holds up no other.
    async fn write(&self, concluded: Vec<Concluded>) {
        self.observer.observe(&Signal::Gathered {
            batch: Batch::Settle,
            size: concluded.len(),
        });
        let (batch, stories): (Vec<Settlement>, Vec<Story>) = concluded
            .into_iter()
            .map(|concluded| (concluded.settlement, (concluded.errand, concluded.span)))
            .unzip();
        match self.persist(&batch).await {
            Ok(answers) => self.report(&batch, stories, &answers),
            Err(_) if batch.len() > 1 => {
                for (settlement, story) in batch.into_iter().zip(stories) {
                    let one = std::slice::from_ref(&settlement);
                    match self.persist(one).await {
                        Ok(answers) => self.report(one, vec![story], &answers),
                        Err(error) => give_up_on(one, vec![story], &error),
                    }
                }
            }
            Err(error) => give_up_on(&batch, stories, &error),
        }
    }

    /// Repeats until the store answers: a repeated settlement is recognised and harmless, a lost one costs a lookup.
    async fn persist(&self, batch: &[Settlement]) -> Result<Vec<Settled>, RepositoryError> {
        let mut outage = Outage::default();
        loop {
            crash::pass(Point::BeforeSettle);
            let settled = self.repository.settle(batch).await;
            crash::pass(Point::AfterSettle);
            let error = match settled {
                Ok(answers) => {
                    if outage.ends() {
                        tracing::info!("the store is back; outcomes are written");
                    }
                    return Ok(answers);
                }
                Err(error @ RepositoryError::Refused(_)) => return Err(error),
                Err(
                    error @ (RepositoryError::Unavailable(_)
                    | RepositoryError::VersionConflict
                    | RepositoryError::KeyTaken
                    | RepositoryError::OverLimit(_)),
                ) => error,
            };
            if outage.begins() {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "outcomes cannot be written; trying again until they are"
                );
            }
            tokio::select! {
                biased;
                () = self.give_up.cancelled() => return Err(error),
                () = tokio::time::sleep(PAUSE) => (),
            }
        }
    }

    fn report(&self, batch: &[Settlement], stories: Vec<Story>, answers: &[Settled]) {
        for ((settlement, (errand, span)), settled) in batch.iter().zip(stories).zip(answers) {
            errand.enter(|| self.report_one(settlement, *settled));
            drop(span);
        }
    }

    fn report_one(&self, settlement: &Settlement, settled: Settled) {
        match settled {
            Settled::Applied => {
                self.observer.observe(&Signal::Settled(&settlement.verdict));
                if let Verdict::Review { why } = &settlement.verdict {
                    tracing::error!(payout_id = %settlement.id, why, "a payout needs a person's review");
                }
            }
            Settled::Late {
                status,
                generation,
                deleted,
            } => {
                let paid = matches!(settlement.verdict, Verdict::Completed { .. });
                let denied = deleted
                    || generation != settlement.generation
                    || matches!(status, Status::Failed | Status::Cancelled);
                self.observer.observe(&Signal::LateOutcome {
                    paid_against_state: paid && denied,
                });
                if paid && denied {
                    tracing::error!(
                        payout_id = %settlement.id, %status, generation, settled_generation = settlement.generation,
                        "the provider paid, and the payout says otherwise: a person must look"
                    );
                } else {
                    tracing::warn!(payout_id = %settlement.id, %status, "a late outcome changed nothing");
                }
            }
        }
    }
}

fn give_up_on(batch: &[Settlement], stories: Vec<Story>, error: &RepositoryError) {
    for (settlement, (errand, span)) in batch.iter().zip(stories) {
        errand.enter(|| {
            tracing::error!(
                payout_id = %settlement.id, error = error as &dyn std::error::Error,
                "an outcome could not be written; the payout will be looked up when its lease ends"
            );
        });
        if let Some(mut span) = span {
            span.fail();
        }
    }
}
