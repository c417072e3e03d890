//! Pages of the event feed, from the rows that both dialects read.

use std::collections::BTreeMap;

use payout_core::batch::{BatchId, FinishedPayouts};
use payout_core::feed::{
    After, Announcement, BatchFacts, Before, EventType, FeedPosition, PublicEvent, Subject,
};
use payout_core::money::{Currency, Money};
use payout_core::payout::{Actor, Event, EventKind, ExternalId, PayoutId, Status};
use payout_core::ports::{FeedPage, FeedQuery, RepositoryError};
use sqlx::FromRow;
use uuid::Uuid;

use super::row::{as_i64, broken, number, parse};
use super::stored::{StoredAmount, StoredTime, without_nul};

/// The number of rows that a round with a filter reads, and the largest number of rows of any round.
pub(crate) const LONGEST_ROUND: u32 = 1_001;

/// The number of rounds after which a page is returned, even if its filter has let few events through.
const ROUNDS: u32 = 8;

/// Columns that tell more about an event of `payout_events`, a creation or an event of `feed_events`, which is `scanned`.
/// They are read only where the filter wants the event.
///
/// - The version, where the row is from before it had one: every event but evidence increases it by one.
/// - For a claim, the status before it. For an acceptance, whether the payment was accepted before.
macro_rules! feed_columns {
    () => {
        "scanned.major, scanned.minor, scanned.is_creation, scanned.is_wanted, scanned.payout_id, scanned.kind,
        scanned.status, scanned.generation, scanned.fence, scanned.at, scanned.actor, scanned.detail,
        scanned.claimed_by, scanned.claimed_at, scanned.scheduled_at, scanned.own_id, scanned.subject,
        scanned.external_id, scanned.payouts, scanned.changed, scanned.finished, payout.batch_id,
        CASE WHEN scanned.version IS NOT NULL OR NOT scanned.is_wanted THEN scanned.version ELSE (
            SELECT count(CASE WHEN event.kind NOT IN ('late_outcome', 'edit_refused', 'revealed') THEN 1 END)
                + count(event.claimed_by)
            FROM payout_events AS event
            WHERE event.payout_id = scanned.payout_id AND event.sequence <= scanned.sequence
        ) + CASE WHEN payout.created_by IS NOT NULL THEN 1 ELSE 0 END END AS version,
        CASE WHEN scanned.is_wanted AND (scanned.kind = 'claimed' OR scanned.claimed_by IS NOT NULL) THEN (
            SELECT event.status FROM payout_events AS event
            WHERE event.payout_id = scanned.payout_id AND event.sequence < scanned.sequence
            ORDER BY event.sequence DESC LIMIT 1
        ) END AS status_before,
        CASE WHEN scanned.is_wanted AND scanned.kind = 'accepted' THEN (
            SELECT event.kind FROM payout_events AS event
            WHERE event.payout_id = scanned.payout_id AND event.sequence < scanned.sequence
                AND event.kind NOT IN ('claimed', 'postponed', 'late_outcome', 'edit_refused', 'revealed')
            ORDER BY event.sequence DESC LIMIT 1
        ) END AS kind_before"
    };
}
pub(crate) use feed_columns;

/// A row of the feed: an event, a creation, or an event of something other than a payout.
#[derive(FromRow)]
pub(crate) struct FeedRow {
    major: i64,
    minor: i64,
    is_creation: bool,
    is_wanted: bool,
    payout_id: Option<Uuid>,
    kind: String,
    status: String,
    generation: i64,
    fence: i64,
    at: StoredTime,
    actor: String,
    detail: Option<String>,
    claimed_by: Option<String>,
    claimed_at: Option<StoredTime>,
    scheduled_at: Option<StoredTime>,
    own_id: Option<Uuid>,
    subject: Option<String>,
    external_id: Option<String>,
    payouts: Option<i64>,
    changed: Option<i64>,
    finished: Option<String>,
    batch_id: Option<Uuid>,
    version: Option<i64>,
    status_before: Option<String>,
    kind_before: Option<String>,
    amount: Option<StoredAmount>,
    currency: Option<String>,
}

impl FeedRow {
    fn position(&self) -> Result<FeedPosition, RepositoryError> {
        Ok(FeedPosition {
            major: number("feed_key", self.major)?,
            minor: number("sequence", self.minor)?,
            created: self.payout_id.filter(|_| self.is_creation).map(PayoutId::from),
            is_second: false,
        })
    }

    /// Returns the position behind all events of the row.
    fn end(&self) -> Result<FeedPosition, RepositoryError> {
        let position = self.position()?;
        let has_second = match self.payout_id {
            Some(_) => {
                let kind = parse::<EventKind>("kind", &self.kind)?;
                let status = parse::<Status>("status", &self.status)?;
                EventType::second(kind, status, self.scheduled_at.map(|at| at.0)).is_some()
            }
            None => false,
        };
        Ok(if has_second { position.second() } else { position })
    }

    /// Returns the public events of the row: the claim that it carries, its own, and the one that it tells besides.
    fn events(&self) -> Result<Vec<PublicEvent>, RepositoryError> {
        let position = self.position()?;
        let Some(payout_id) = self.payout_id else {
            return Ok(vec![self.announced(position)?]);
        };
        let own = Event {
            kind: parse::<EventKind>("kind", &self.kind)?,
            status: parse::<Status>("status", &self.status)?,
            generation: number("generation", self.generation)?,
            fence: number("fence", self.fence)?,
            actor: Actor::new(&self.actor),
            request_id: None,
            detail: self.detail.clone(),
            at: self.at.0,
        };
        let version: u64 = number("version", self.version.unwrap_or_default())?;
        let (Some(amount), Some(currency)) = (self.amount, &self.currency) else {
            return Err(broken("payout_id")("an event without a payout"));
        };
        let currency = Currency::recorded(currency).map_err(broken("currency"))?;
        let money = Money::restore(amount.read()?, currency).map_err(broken("amount"))?;
        let status = self.status_before.as_deref();
        let mut before = Before {
            status: status.map_or(Ok(Status::Pending), |status| parse("status", status))?,
            accepted: self.kind_before.as_deref() == Some(EventKind::Accepted.as_str()),
        };
        let after = After {
            id: PayoutId::from(payout_id),
            batch_id: self.batch_id.map(BatchId::from),
            version,
            money,
            scheduled_at: self.scheduled_at.map(|at| at.0),
        };
        let mut events = Vec::new();
        if let (Some(claimed_by), Some(StoredTime(claimed_at))) = (&self.claimed_by, self.claimed_at) {
            let claim = Event {
                kind: EventKind::Claimed,
                status: Status::Processing,
                actor: Actor::new(claimed_by),
                detail: None,
                at: claimed_at,
                ..own.clone()
            };
            let place = FeedPosition {
                minor: position.minor.saturating_sub(1),
                ..position
            };
            let claimed = After {
                version: version.saturating_sub(1),
                scheduled_at: None,
                ..after
            };
            events.extend(PublicEvent::of(&claim, before, place, &claimed));
            before.status = Status::Processing;
        }
        events.extend(PublicEvent::of(&own, before, position, &after));
        events.extend(PublicEvent::second_of(&own, position, &after));
        Ok(events)
    }

    /// Returns the event of a row of `feed_events`.
    fn announced(&self, position: FeedPosition) -> Result<PublicEvent, RepositoryError> {
        let event_type = parse::<EventType>("type", &self.kind)?;
        let absent = || broken("subject")("an event of nothing");
        let (Some(id), Some(subject)) = (self.own_id, self.subject.as_deref()) else {
            return Err(absent());
        };
        let announcement = Announcement {
            event_type,
            subject: match event_type {
                EventType::BatchCreated
                | EventType::BatchApproved
                | EventType::BatchRejected
                | EventType::BatchCancelled
                | EventType::BatchRetried
                | EventType::BatchCompleted => Subject::Batch(self.batch(subject)?),
                EventType::ProviderPaused | EventType::ProviderResumed => {
                    Subject::Provider(subject.parse().map_err(broken("subject"))?)
                }
                EventType::WebhookDisabled | EventType::WebhookEnabled => {
                    Subject::Webhook(subject.parse().map_err(broken("subject"))?)
                }
                EventType::Created
                | EventType::Imported
                | EventType::Edited
                | EventType::AwaitingApproval
                | EventType::Approved
                | EventType::Rejected
                | EventType::Scheduled
                | EventType::Processing
                | EventType::Pending
                | EventType::Accepted
                | EventType::Completed
                | EventType::Failed
                | EventType::NeedsReview
                | EventType::Resolved
                | EventType::Retried
                | EventType::Returned
                | EventType::Cancelled
                | EventType::Deleted => return Err(absent()),
            },
            actor: Actor::new(&self.actor),
            reason: self.detail.clone(),
        };
        Ok(announcement.published(id, position, self.at.0))
    }

    fn batch(&self, id: &str) -> Result<BatchFacts, RepositoryError> {
        let external_id = self.external_id.as_deref().map(ExternalId::new);
        Ok(BatchFacts {
            id: id.parse().map_err(broken("subject"))?,
            external_id: external_id.transpose().map_err(broken("external_id"))?,
            payouts: number("payouts", self.payouts.unwrap_or_default())?,
            changed: self
                .changed
                .map(|changed| number("changed", changed))
                .transpose()?,
            finished: self.finished.as_deref().map(read_finished).transpose()?,
        })
    }
}

/// A page while it is read, round by round.
pub(crate) struct Reading<'q> {
    query: &'q FeedQuery,
    limit: usize,
    kinds: Vec<&'static str>,
    page: FeedPage,
    rounds: u32,
}

impl<'q> Reading<'q> {
    pub(crate) fn new(query: &'q FeedQuery) -> Self {
        let types = if query.types.is_empty() {
            EventType::ALL
        } else {
            &query.types
        };
        let own = types.iter().filter(|one| !one.is_of_payout());
        let kinds = EventType::kinds_of(types).into_iter().map(EventKind::as_str);
        Self {
            query,
            limit: query.limit.clamp(1, FeedPage::LONGEST) as usize,
            kinds: kinds.chain(own.map(|one| one.as_str())).collect(),
            page: FeedPage {
                events: Vec::new(),
                next: query.after,
                is_last: false,
            },
            rounds: 0,
        }
    }

    /// Returns the kinds and types of events that the query wants, as they are stored.
    pub(crate) fn kinds(&self) -> &[&'static str] {
        &self.kinds
    }

    /// Returns the position after which the next round reads; `None` if the page is complete.
    pub(crate) fn next_round(&self) -> Option<FeedPosition> {
        let is_complete = self.page.is_last || self.page.events.len() >= self.limit || self.rounds == ROUNDS;
        (!is_complete).then_some(self.page.next)
    }

    /// Returns the number of rows that a round reads. The first is the one at the position, which may have told only a
    /// part of its events.
    pub(crate) fn round_length(&self) -> i64 {
        if self.query.types.is_empty() {
            i64::try_from(self.limit).unwrap_or_default() + 1
        } else {
            i64::from(LONGEST_ROUND)
        }
    }

    /// Adds the rows of a round.
    pub(crate) fn add(&mut self, rows: &[FeedRow]) -> Result<(), RepositoryError> {
        self.rounds += 1;
        let after = self.page.next;
        for row in rows {
            let position = row.position()?;
            if row.is_wanted {
                let types = &self.query.types;
                let is_asked_for =
                    |event: &PublicEvent| types.is_empty() || types.contains(&event.event_type);
                // The claim of the first row may have been the last event of the page before.
                let new = row.events()?.into_iter().filter(|event| event.position > after);
                for event in new.filter(is_asked_for) {
                    if self.page.events.len() == self.limit {
                        return Ok(());
                    }
                    self.page.next = event.position;
                    self.page.events.push(event);
                }
            }
            if self.page.events.len() == self.limit && position > self.page.next {
                return Ok(());
            }
            self.page.next = self.page.next.max(row.end()?);
        }
        self.page.is_last = (rows.len() as u64) < self.round_length().unsigned_abs();
        Ok(())
    }

    pub(crate) fn finish(self) -> FeedPage {
        self.page
    }
}

/// The last row of the feed.
#[derive(FromRow)]
pub(crate) struct LastRow {
    major: i64,
    minor: i64,
    created: Option<Uuid>,
    /// Absent for an event of something other than a payout.
    kind: Option<String>,
    status: Option<String>,
    scheduled_at: Option<StoredTime>,
}

impl LastRow {
    /// Returns the position behind all events of the row.
    pub(crate) fn end(self) -> Result<FeedPosition, RepositoryError> {
        let position = FeedPosition {
            major: number("feed_key", self.major)?,
            minor: number("sequence", self.minor)?,
            created: self.created.map(PayoutId::from),
            is_second: false,
        };
        let (Some(kind), Some(status)) = (&self.kind, &self.status) else {
            return Ok(position);
        };
        let (kind, status) = (parse("kind", kind)?, parse("status", status)?);
        let second = EventType::second(kind, status, self.scheduled_at.map(|at| at.0));
        Ok(second.map_or(position, |_| position.second()))
    }
}

/// The columns of an event of something other than a payout.
pub(crate) struct AnnouncementColumns {
    pub(crate) event_type: &'static str,
    pub(crate) subject: String,
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) payouts: Option<i64>,
    pub(crate) changed: Option<i64>,
    pub(crate) finished: Option<String>,
}

impl AnnouncementColumns {
    pub(crate) fn of(announcement: &Announcement) -> Result<Self, RepositoryError> {
        let (subject, batch) = match &announcement.subject {
            Subject::Batch(batch) => (batch.id.to_string(), Some(batch)),
            Subject::Provider(provider) => (provider.as_str().to_owned(), None),
            Subject::Webhook(webhook) => (webhook.to_string(), None),
            Subject::Payout(payout) => {
                let why = format!("the event of payout {} is told by its own row", payout.id);
                return Err(RepositoryError::refused(why));
            }
        };
        let changed = batch.and_then(|batch| batch.changed);
        Ok(Self {
            event_type: announcement.event_type.as_str(),
            subject,
            actor: announcement.actor.as_str().to_owned(),
            reason: announcement.reason.as_deref().map(without_nul),
            external_id: batch.and_then(|batch| Some(batch.external_id.as_ref()?.as_str().to_owned())),
            payouts: batch.map(|batch| i64::from(batch.payouts)),
            changed: changed.map(|changed| as_i64("changed", changed)).transpose()?,
            finished: batch.and_then(|batch| batch.finished).map(finished_column),
        })
    }
}

/// Returns the payouts of a completed batch by status, as a JSON object.
fn finished_column(finished: FinishedPayouts) -> String {
    let FinishedPayouts {
        completed,
        returned,
        failed,
        cancelled,
    } = finished;
    let counts = serde_json::json!({
        "completed": completed, "returned": returned, "failed": failed, "cancelled": cancelled,
    });
    counts.to_string()
}

fn read_finished(column: &str) -> Result<FinishedPayouts, RepositoryError> {
    let counts: BTreeMap<String, u64> = serde_json::from_str(column).map_err(broken("finished"))?;
    let counts = counts.into_iter().map(|(status, count)| {
        let status: Status = parse("finished", &status)?;
        Ok((status, count))
    });
    let counts: Vec<(Status, u64)> = counts.collect::<Result<_, RepositoryError>>()?;
    FinishedPayouts::of(counts).ok_or_else(|| broken("finished")("a payout is open"))
}
