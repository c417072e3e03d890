//! Writes batches of creates so that a create whose row is locked delays no other.
//!
//! A batch waits if another session is writing one of its idempotency keys or has locked one of its daily totals. If
//! that takes too long, the batch is split: first by daily total, with the creates that are charged to none in a group
//! of their own, and then into single creates. The locked key or total is remembered. A later create that needs it does
//! not join a batch: one such create at a time tries alone, and the others are refused with the error `Locked`.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::concurrency::batcher::{Reply, Request, for_each};
use crate::crash::{self, Point};
use crate::idempotency::ScopedKey;
use crate::payout::NewPayout;
use crate::ports::{Hint, Insertion, LockedPart, PayoutRepository, RepositoryError, TraceContext};
use crate::spending::SpendingBucket;
use crate::usecase::payouts::create_batcher::Incoming;
use crate::usecase::payouts::hints::Hints;

/// The number of groups of split batches that are written at the same time.
const APART: usize = 4;
/// The largest number of remembered locks. Other sessions hold few.
const REMEMBERED: usize = 1_024;

type Incomings = Vec<Request<Incoming, Insertion>>;

/// A writer of batches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    repository: Arc<dyn PayoutRepository>,
    hints: Hints,
    apart: Semaphore,
    held: Held,
}

/// An idempotency key or a daily total that another session may have locked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Thing {
    Key(ScopedKey),
    Total(SpendingBucket),
}

/// The keys and totals that were found locked, each with a flag that is set while a create tries it.
#[derive(Default)]
struct Held(Mutex<HashMap<Thing, bool>>);

/// A create's trial of locked keys and totals. Dropping it ends the trial.
struct Trial {
    shared: Arc<Shared>,
    things: Vec<Thing>,
}

/// The way in which a create is written.
enum Place {
    Batch,
    /// Alone, trying these keys and totals.
    Alone(Vec<Thing>),
    /// Not now: another create is already trying one of them.
    Nowhere(LockedPart),
}

impl Writer {
    pub(super) fn new(repository: Arc<dyn PayoutRepository>, hints: Hints) -> Self {
        Self(Arc::new(Shared {
            repository,
            hints,
            apart: Semaphore::new(APART),
            held: Held::default(),
        }))
    }

    /// Writes a batch and replies to each of its creates. Creates that need no locked row are written first.
    pub(super) async fn write(self, batch: Incomings) {
        let batch = if self.0.held.is_empty() {
            batch
        } else {
            self.without_held(batch)
        };
        if batch.is_empty() {
            return;
        }
        let (news, rest) = split(batch);
        match self.0.insert(&news).await {
            Err(RepositoryError::Locked { .. }) if news.len() > 1 => {
                // Outside this batch, because others wait for its place.
                for group in by_bucket(join(news, rest)) {
                    tokio::spawn(self.clone().write_apart(group));
                }
            }
            Err(RepositoryError::Refused(_)) if news.len() > 1 => {
                for request in join(news, rest) {
                    let (new, rest) = split(vec![request]);
                    let inserted = self.0.insert(&new).await;
                    self.0.answer(&new, rest, inserted);
                }
            }
            inserted => {
                if let Err(RepositoryError::Locked { part, .. }) = inserted {
                    news.iter().for_each(|new| self.0.held.remember(new, part));
                }
                self.0.answer(&news, rest, inserted);
            }
        }
    }

    /// Returns the batch without the creates that need a locked key or total. Each of those tries alone or is refused.
    fn without_held(&self, batch: Incomings) -> Incomings {
        let mut free = Vec::with_capacity(batch.len());
        for request in batch {
            match self.0.held.place(&request.question.new) {
                Place::Batch => free.push(request),
                Place::Alone(things) => {
                    let shared = self.0.clone();
                    let trial = Trial { shared, things };
                    tokio::spawn(trial.write(request));
                }
                Place::Nowhere(part) => {
                    let source = "another request waits for the same lock".into();
                    let _ = request.reply.send(Err(RepositoryError::Locked { part, source }));
                }
            }
        }
        free
    }

    /// Writes a group of a split batch, and splits it further if a row is locked.
    fn write_apart(self, group: Incomings) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let (news, rest) = split(group);
            let inserted = {
                let Ok(_place) = self.0.apart.acquire().await else {
                    return;
                };
                self.0.insert(&news).await
            };
            match inserted {
                Err(RepositoryError::Locked {
                    part: LockedPart::Row,
                    ..
                }) if news.len() > 1 => {
                    for request in join(news, rest) {
                        tokio::spawn(self.clone().write_apart(vec![request]));
                    }
                }
                Err(error) => {
                    if let RepositoryError::Locked { part, .. } = error {
                        news.iter().for_each(|new| self.0.held.remember(new, part));
                    }
                    self.0.answer(&news, rest, Err(error));
                }
                inserted => self.0.answer(&news, rest, inserted),
            }
        })
    }
}

impl Shared {
    async fn insert(&self, news: &[NewPayout]) -> Result<Vec<Insertion>, RepositoryError> {
        crash::pass(Point::BeforeInsert);
        let inserted = self.repository.insert(news).await;
        crash::pass(Point::AfterInsert);
        inserted
    }

    /// Replies to each create and sends a hint for each stored payout. A batch that failed may have been written
    /// nevertheless, so no part of it is tried again here.
    fn answer(
        &self,
        news: &[NewPayout],
        rest: Vec<(Option<TraceContext>, Reply<Insertion>)>,
        inserted: Result<Vec<Insertion>, RepositoryError>,
    ) {
        let mut answers = match inserted {
            Ok(insertions) => insertions.into_iter().map(Ok).collect(),
            Err(error) => for_each(news.len(), error),
        }
        .into_iter();
        for (trace, reply) in rest {
            let answer = answers.next().unwrap_or_else(|| Err(missing()));
            if let Ok(Insertion::Stored(payout)) = &answer {
                self.hints.send(Hint {
                    payout_id: payout.id(),
                    trace,
                });
            }
            let _ = reply.send(answer);
        }
    }
}

fn missing() -> RepositoryError {
    RepositoryError::Refused("the repository gave no answer for a payout".into())
}

type Rest = Vec<(Option<TraceContext>, Reply<Insertion>)>;

fn split(batch: Incomings) -> (Vec<NewPayout>, Rest) {
    let each = batch.into_iter();
    each.map(|Request { question, reply }| (question.new, (question.trace, reply)))
        .unzip()
}

fn join(news: Vec<NewPayout>, rest: Rest) -> Incomings {
    let each = news.into_iter().zip(rest);
    each.map(|(new, (trace, reply))| Request {
        question: Incoming { new, trace },
        reply,
    })
    .collect()
}

/// Groups creates by the daily total that they are charged to, those that are charged to none first.
fn by_bucket(batch: Incomings) -> Vec<Incomings> {
    let mut groups: Vec<(Option<SpendingBucket>, Incomings)> = Vec::new();
    for request in batch {
        let bucket = purse_of(&request.question.new);
        match groups.iter_mut().find(|(of, _)| *of == bucket) {
            Some((_, group)) => group.push(request),
            None => groups.push((bucket, vec![request])),
        }
    }
    groups.sort_by_key(|(bucket, _)| bucket.is_some());
    groups.into_iter().map(|(_, group)| group).collect()
}

fn purse_of(new: &NewPayout) -> Option<SpendingBucket> {
    new.charge.as_ref().map(|charge| charge.bucket())
}

fn key_of(new: &NewPayout) -> Option<&ScopedKey> {
    new.request.as_ref().map(|request| &request.key)
}

impl Held {
    fn things(&self) -> MutexGuard<'_, HashMap<Thing, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.things().is_empty()
    }

    fn remember(&self, new: &NewPayout, part: LockedPart) {
        let thing = match part {
            LockedPart::DailyTotal => purse_of(new).map(Thing::Total),
            LockedPart::Row => key_of(new).cloned().map(Thing::Key),
        };
        let mut things = self.things();
        if things.len() >= REMEMBERED {
            things.clear();
        }
        if let Some(thing) = thing {
            things.entry(thing).or_insert(false);
        }
    }

    fn place(&self, new: &NewPayout) -> Place {
        let needed = [
            purse_of(new).map(Thing::Total),
            key_of(new).cloned().map(Thing::Key),
        ];
        let mut all = self.things();
        let needed = needed.into_iter().flatten();
        let needed: Vec<Thing> = needed.filter(|thing| all.contains_key(thing)).collect();
        if needed.is_empty() {
            return Place::Batch;
        }
        if let Some(tried) = needed.iter().find(|thing| all.get(thing) == Some(&true)) {
            return Place::Nowhere(match tried {
                Thing::Key(_) => LockedPart::Row,
                Thing::Total(_) => LockedPart::DailyTotal,
            });
        }
        for thing in &needed {
            all.insert(thing.clone(), true);
        }
        Place::Alone(needed)
    }
}

impl Trial {
    async fn write(mut self, request: Request<Incoming, Insertion>) {
        let (new, rest) = split(vec![request]);
        let inserted = self.shared.insert(&new).await;
        if !matches!(inserted, Err(RepositoryError::Locked { .. })) {
            // The locks are free again.
            let mut held = self.shared.held.things();
            for thing in self.things.drain(..) {
                held.remove(&thing);
            }
        }
        self.shared.answer(&new, rest, inserted);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut things = self.shared.held.things();
        for thing in &self.things {
            if let Some(tried) = things.get_mut(thing) {
                *tried = false;
            }
        }
    }
}
