//! Writes verdicts, in batches, until they are written.
//!
//! One row delays no other: a verdict whose row another session has locked is put aside, and `aside` writes it once
//! that session releases the row. Neither a writer nor a worker's slot waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Causes;
use crate::attempt::{Settlement, Verdict};
use crate::concurrency::outage::Outage;
use crate::crash::{self, Point};
use crate::payout::Status;
use crate::ports::{Batch, Observer, PayoutRepository, RepositoryError, Settled, Signal, Span};
use crate::request_context::RequestContext;
use crate::worker::aside;

/// The number of batches that are written at the same time.
const WRITERS: usize = 2;
/// The pause before a batch is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// An attempt that has reached its verdict; its span lasts until the verdict is written.
pub(super) struct Concluded {
    pub(super) settlement: Settlement,
    pub(super) request_context: RequestContext,
    pub(super) span: Option<Box<dyn Span>>,
}

/// The request context and the span of one settlement.
type Story = (RequestContext, Option<Box<dyn Span>>);

/// A batch of settlements, and the context of each.
type Told = (Vec<Settlement>, Vec<Story>);

/// The tasks that settle.
pub(super) struct Settling {
    tasks: TaskTracker,
    give_up: CancellationToken,
    drain_within: Duration,
}

/// Writes batches of settlements to the repository.
#[derive(Clone)]
pub(super) struct Writer {
    repository: Arc<dyn PayoutRepository>,
    observer: Arc<dyn Observer>,
    pub(super) give_up: CancellationToken,
    pub(super) batch: usize,
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
        let writer = Writer {
            repository,
            observer,
            give_up: give_up.clone(),
            batch,
        };
        // No bound is needed: the channel holds only verdicts of this worker's claims whose rows another session has
        // locked.
        let (put_aside, aside) = mpsc::unbounded_channel();
        for _ in 0..WRITERS {
            tasks.spawn(writer.clone().run(settlements.clone(), put_aside.clone()));
        }
        tasks.spawn(aside::write(writer, aside));
        tasks.close();
        Self {
            tasks,
            give_up,
            drain_within,
        }
    }

    /// Waits until everything is written, within the bound. A payout whose verdict is not written is looked up after
    /// its next claim.
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
    async fn run(
        self,
        settlements: Arc<Mutex<mpsc::Receiver<Concluded>>>,
        put_aside: mpsc::UnboundedSender<Concluded>,
    ) {
        let mut batch = Vec::with_capacity(self.batch);
        while settlements.lock().await.recv_many(&mut batch, self.batch).await > 0 {
            self.observer.observe(&Signal::Gathered {
                batch: Batch::Settle,
                size: batch.len(),
            });
            for locked in self.write(std::mem::take(&mut batch)).await {
                if let Err(mpsc::error::SendError(locked)) = put_aside.send(locked) {
                    give_up_on(split(vec![locked]), &"the worker ends");
                }
            }
        }
    }

    /// Settles a batch. When the store refuses the batch, settles one by one, so that one impossible row delays no
    /// other. Returns the verdicts whose rows another session has locked.
    pub(super) async fn write(&self, concluded: Vec<Concluded>) -> Vec<Concluded> {
        let (batch, stories) = split(concluded);
        match self.persist(&batch).await {
            Ok(answers) => self.report(batch, stories, &answers),
            Err(RepositoryError::Locked { .. }) => join((batch, stories)),
            Err(_) if batch.len() > 1 => {
                let mut locked = Vec::new();
                for (settlement, story) in batch.into_iter().zip(stories) {
                    let one = std::slice::from_ref(&settlement);
                    match self.persist(one).await {
                        Ok(answers) => locked.extend(self.report(vec![settlement], vec![story], &answers)),
                        Err(RepositoryError::Locked { .. }) => {
                            locked.extend(join((vec![settlement], vec![story])));
                        }
                        Err(error) => give_up_on((vec![settlement], vec![story]), &Causes(&error)),
                    }
                }
                locked
            }
            Err(error) => {
                give_up_on((batch, stories), &Causes(&error));
                Vec::new()
            }
        }
    }

    /// Repeats until the store answers: a repeated settlement is recognised and harmless, a lost one costs a look-up.
    /// Does not wait for locked rows.
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
                Err(error @ (RepositoryError::Refused(_) | RepositoryError::Locked { .. })) => {
                    return Err(error);
                }
                Err(
                    error @ (RepositoryError::Unavailable(_)
                    | RepositoryError::Overloaded(_)
                    | RepositoryError::VersionConflict
                    | RepositoryError::KeyTaken
                    | RepositoryError::ExternalIdTaken(_)
                    | RepositoryError::OverLimit(_)),
                ) => error,
            };
            if outage.begins() {
                tracing::warn!(
                    error = %Causes(&error),
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

    /// Reports the result of each settlement; returns those whose rows another session has locked.
    fn report(&self, batch: Vec<Settlement>, stories: Vec<Story>, answers: &[Settled]) -> Vec<Concluded> {
        let mut locked = Vec::new();
        for ((settlement, (request_context, span)), settled) in batch.into_iter().zip(stories).zip(answers) {
            if *settled == Settled::Locked {
                locked.push(Concluded {
                    settlement,
                    request_context,
                    span,
                });
                continue;
            }
            request_context.enter(|| self.report_one(&settlement, *settled));
            drop(span);
        }
        locked
    }

    fn report_one(&self, settlement: &Settlement, settled: Settled) {
        match settled {
            Settled::Applied => {
                self.observer.observe(&Signal::Settled(&settlement.verdict));
                if let Verdict::Review { why } = &settlement.verdict {
                    tracing::error!(payout_id = %settlement.id, why, "a payout needs a person's review");
                }
            }
            Settled::Locked => (),
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
                        "the provider paid, and the payout says otherwise: a person must review it"
                    );
                } else {
                    tracing::warn!(payout_id = %settlement.id, %status, "a late outcome changed nothing");
                }
            }
        }
    }
}

pub(super) fn split(concluded: Vec<Concluded>) -> Told {
    concluded
        .into_iter()
        .map(|concluded| (concluded.settlement, (concluded.request_context, concluded.span)))
        .unzip()
}

fn join((batch, stories): Told) -> Vec<Concluded> {
    let each = batch.into_iter().zip(stories);
    each.map(|(settlement, (request_context, span))| Concluded {
        settlement,
        request_context,
        span,
    })
    .collect()
}

/// Logs each verdict that is not written; the payout's next claim looks it up.
pub(super) fn give_up_on((batch, stories): Told, error: &dyn std::fmt::Display) {
    for (settlement, (request_context, span)) in batch.iter().zip(stories) {
        request_context.enter(|| {
            tracing::error!(
                payout_id = %settlement.id, error = %error,
                "an outcome could not be written; the payout will be looked up when its lease ends"
            );
        });
        if let Some(mut span) = span {
            span.fail();
        }
    }
}
