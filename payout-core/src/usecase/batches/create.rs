//! Creates a batch, once by its external id or its content.

use std::collections::HashSet;
use std::sync::Arc;

use super::check::{BatchReport, Checked};
use super::rows::{Row, Rows};
use super::source::BatchSource;
use super::{BatchError, Batches};
use crate::Timestamp;
use crate::batch::{Batch, BatchId, BatchIdentity, BatchPlace, ContentHash, NewBatch};
use crate::concurrency::detached::run_detached;
use crate::crash::{self, Point};
use crate::payout::{Caller, Description, ExternalId, NewPayout, PayoutId};
use crate::ports::{BatchInsertion, BatchRows, BatchRowsSender};
use crate::usecase::{Payouts, Sight};

/// The number of times that a batch is checked again, since others stored its rows after the check before.
const CHECKS: usize = 3;

/// The request for a batch, without its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchRequest {
    /// The client's own reference, by which the batch is recognized when it is sent again.
    pub external_id: Option<ExternalId>,
    /// The purpose of the batch.
    pub description: Description,
    /// The time at which payouts without a schedule of their own become due.
    pub scheduled_at: Option<Timestamp>,
    /// True to check everything and store nothing.
    pub dry_run: bool,
    /// True to leave out rows whose payouts are stored already.
    pub only_new: bool,
    /// The part of stored payouts and recipients that the caller may see.
    pub sight: Sight,
}

/// The result of a comparison with what is stored, as far as an answer tells it. A caller that may not see recipients
/// could guess them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The answer reveals nothing about what is stored.
    Untold,
    /// The request's content is stored already.
    Equal,
    /// The request's content differs from what is stored.
    Different,
}

impl BatchRequest {
    /// Returns what the answer to this request reveals about stored batches and payouts. A dry run without an external
    /// id reveals that no stored batch has the same content.
    pub fn compared(&self, answer: &Result<BatchAnswer, BatchError>) -> Compared {
        match answer {
            Ok(BatchAnswer::DryRun(_)) if self.external_id.is_none() => Compared::Different,
            Ok(BatchAnswer::DryRun(report)) if report.left_out.is_empty() => Compared::Untold,
            Ok(BatchAnswer::DryRun(_) | BatchAnswer::Replayed(_) | BatchAnswer::NothingNew(_)) => {
                Compared::Equal
            }
            Ok(BatchAnswer::Stored { .. })
            | Err(BatchError::NotFound | BatchError::Empty | BatchError::Service(_)) => Compared::Untold,
            Err(
                BatchError::Mistakes(_)
                | BatchError::ExternalIdTaken(_)
                | BatchError::OverLimit(_)
                | BatchError::Contended,
            ) => Compared::Different,
        }
    }
}

/// The answer to a request for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAnswer {
    /// The batch was stored.
    Stored {
        /// The batch.
        batch: Batch,
        /// Its content.
        report: BatchReport,
    },
    /// An earlier request stored this batch. Nothing was stored now.
    Replayed(Batch),
    /// Nothing was stored: every row's payout is stored already.
    NothingNew(BatchReport),
    /// Nothing was stored: the request asked what would be.
    DryRun(BatchReport),
}

impl Batches {
    /// Checks a batch and stores it, with all its payouts or not at all.
    ///
    /// A batch that was stored before is answered as it is: one with the same external id, or else one with the same
    /// content.
    ///
    /// # Errors
    /// [`BatchError`].
    pub async fn create(
        &self,
        source: Arc<dyn BatchSource>,
        request: BatchRequest,
        caller: Caller,
    ) -> Result<BatchAnswer, BatchError> {
        let this = self.clone();
        run_detached(async move {
            for _ in 0..CHECKS {
                if let Some(answer) = this.create_once(&source, &request, &caller).await? {
                    return Ok(answer);
                }
            }
            Err(BatchError::Contended)
        })
        .await
    }

    /// Makes one attempt; returns `None` if a payout of the batch was stored by somebody else after the check.
    async fn create_once(
        &self,
        source: &Arc<dyn BatchSource>,
        request: &BatchRequest,
        caller: &Caller,
    ) -> Result<Option<BatchAnswer>, BatchError> {
        let rows = self.rows(source, request.scheduled_at).await?;
        let reading = self.read(&rows, request, caller.api_key).await?;
        let content = reading.content();
        if let Some(batch) = self.same(request, content).await? {
            return Ok(Some(BatchAnswer::Replayed(batch)));
        }
        let Checked { mut report, left_out } = self.check(reading).await?;
        let Some(content) = content else {
            return Ok(None);
        };
        if report.payouts == 0 && !request.dry_run {
            return Ok(Some(BatchAnswer::NothingNew(report)));
        }
        let now = self.payouts.now();
        let batch = NewBatch {
            id: BatchId::generate(now, self.payouts.randomness()),
            external_id: request.external_id.clone(),
            content,
            description: request.description.clone(),
            scheduled_at: request.scheduled_at,
            payouts: u32::try_from(report.payouts).unwrap_or(u32::MAX),
            left_out: u32::try_from(left_out.len()).unwrap_or(u32::MAX),
            caller: caller.clone(),
        };
        let members = Members {
            rows,
            batch: batch.clone(),
            left_out,
            payouts: self.payouts.clone(),
            now,
        };
        if request.dry_run {
            report.forecast = Some(self.forecast(members, request.sight).await?);
            return Ok(Some(BatchAnswer::DryRun(report)));
        }
        let (sender, rows) = BatchRows::channel();
        // The payouts are made while earlier ones are written. If this fails, too few come, and nothing is stored.
        tokio::task::spawn_blocking(move || members.send(&sender));
        crash::pass(Point::BeforeStoreBatch);
        let stored = self.repository.store_batch(&batch, rows).await;
        crash::pass(Point::AfterStoreBatch);
        match stored? {
            BatchInsertion::Stored(batch) => Ok(Some(BatchAnswer::Stored { batch, report })),
            BatchInsertion::Known(known) if known.content == content => {
                Ok(Some(BatchAnswer::Replayed(known)))
            }
            BatchInsertion::Known(known) => Err(BatchError::ExternalIdTaken(known.id)),
            BatchInsertion::OverLimit(over) => Err(over.into()),
            BatchInsertion::ExternalIdTaken => Ok(None),
        }
    }
}

impl Batches {
    /// Returns the batch that an earlier request with this content has stored.
    ///
    /// # Errors
    /// [`BatchError::ExternalIdTaken`] when the external id belongs to a batch with another content.
    async fn same(
        &self,
        request: &BatchRequest,
        content: Option<ContentHash>,
    ) -> Result<Option<Batch>, BatchError> {
        let Some(content) = content else {
            return Ok(None);
        };
        let found = self
            .repository
            .find_same_batch(request.external_id.as_ref(), &content);
        match found.await? {
            Some(batch) if batch.content == content => Ok(Some(batch)),
            Some(batch) => Err(BatchError::ExternalIdTaken(batch.id)),
            None => Ok(None),
        }
    }
}

/// The payouts of a batch that was checked.
pub(super) struct Members {
    rows: Arc<Rows>,
    batch: NewBatch,
    left_out: HashSet<u64>,
    payouts: Payouts,
    now: Timestamp,
}

impl Members {
    /// Makes the payouts, and sends them in parts.
    fn send(self, sender: &BatchRowsSender) {
        self.in_parts(|_, part| sender.send(part));
    }

    /// Makes the payouts in parts, each with the numbers of its rows, until `take` returns false.
    pub(super) fn in_parts(&self, mut take: impl FnMut(Vec<u64>, Vec<NewPayout>) -> bool) {
        let identity = self.batch.identity();
        let (mut numbers, mut part) = (Vec::new(), Vec::with_capacity(BatchRows::PART));
        // The place counts every row, left out or not, so that it is the same whenever the batch is sent.
        for (row, place) in self.rows.read().zip(0..) {
            if self.left_out.contains(&row.number) {
                continue;
            }
            let Some(new) = self.member(place, &identity, &row) else {
                continue;
            };
            numbers.push(row.number);
            part.push(new);
            if part.len() == BatchRows::PART {
                let full = std::mem::replace(&mut part, Vec::with_capacity(BatchRows::PART));
                if !take(std::mem::take(&mut numbers), full) {
                    return;
                }
            }
        }
        if !part.is_empty() {
            take(numbers, part);
        }
    }

    /// Makes a payout; `None` if its row is wrong. The check has read the same rows: none is.
    fn member(&self, place: u64, identity: &BatchIdentity, row: &Row) -> Option<NewPayout> {
        let details = row.details.as_ref().ok()?.clone();
        let caller = row.options.noted_by(self.batch.caller.clone());
        let charge = self.payouts.limits().of_new(details.money, caller.api_key);
        let approval = self
            .payouts
            .approval_of(details.money, &caller, row.options.allow_duplicate);
        Some(NewPayout {
            id: PayoutId::generate_in_batch(self.now, place, self.payouts.randomness()),
            batch: Some(BatchPlace {
                id: self.batch.id,
                provider_key: identity.provider_key(place, &details),
            }),
            charge: charge.unwrap_or_default(),
            provider: self.payouts.route(&details).unwrap_or_default(),
            approval,
            details,
            caller,
            request: None,
        })
    }
}
