//! Compares a store with the provider's ledger: looks up every payout of a period and reports each disagreement.
//!
//! It changes nothing on either side. [`compare`](compare()) decides what agrees. This module reads the records page by
//! page, looks up a bounded number of payouts at a time, and reports the findings in the order of the records.

mod compare;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use self::compare::{Disagreement, Kind, ProviderReport, ProviderStatus, compare, generations};
use crate::Timestamp;
use crate::payout::Status;
use crate::ports::{
    Cursor, PayoutRepository, Processor, ReconciliationQuery, ReconciliationReader, Record, RepositoryError,
};
use crate::provider::{LookUp, LookUpAnswer, ProviderAnswer, ProviderName};

const PAGE: u32 = 500;
/// The number of calls for one key before it counts as unanswered.
const TRIES: u32 = 3;
/// The pause before the second call; doubled before the third.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause before a call, even if the provider asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The period to reconcile, and the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Only payouts created at this time or later.
    pub since: Timestamp,
    /// Only payouts created before this time.
    pub until: Timestamp,
    /// The number of payouts that are looked up at the same time.
    pub concurrency: usize,
    /// The timeout of one call.
    pub call_timeout: Duration,
    /// The time after which a payout that is still processing is reported.
    pub too_long: Duration,
}

/// A finding about one payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The store and the provider disagree.
    Disagree(Record, Disagreement),
    /// The provider gave no reliable answer, so nothing is known about this payout.
    NoAnswer {
        /// The payout.
        record: Record,
        /// The generation whose key was not answered.
        generation: u32,
        /// The error of the last call.
        why: String,
    },
}

/// A step of the reconciliation, reported while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a finding is rare, and passed on at once"
)]
pub enum Step {
    /// One more payout was looked up.
    LookedUp,
    /// There is a finding about the payout that was looked up last.
    Found(Finding),
}

/// The result of a reconciliation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of payouts that were looked up.
    pub payouts: u64,
    /// The number of disagreements.
    pub disagreements: u64,
    /// The number of payouts for which the provider gave no answer.
    pub unanswered: u64,
}

/// A store and a provider to reconcile.
pub struct Reconciliation {
    /// Reads a payout again before a disagreement is reported, because it may have changed meanwhile.
    pub repository: Arc<dyn PayoutRepository>,
    /// Reads the payouts of the period.
    pub reader: Arc<dyn ReconciliationReader>,
    /// The providers. Each is asked for every key: a payment at a provider that should not have it is found too.
    pub providers: Vec<ReconciledProvider>,
}

/// A provider to reconcile with.
#[derive(Clone)]
pub struct ReconciledProvider {
    /// The name; absent for the only provider of a program that names none.
    pub name: Option<ProviderName>,
    /// True if payouts without a provider's name are this provider's.
    pub adopts_unnamed: bool,
    /// Calls the provider.
    pub processor: Arc<dyn Processor>,
}

impl ReconciledProvider {
    /// Describes the only provider of a program that names none.
    pub fn only(processor: Arc<dyn Processor>) -> Self {
        Self {
            name: None,
            adopts_unnamed: false,
            processor,
        }
    }

    /// Returns whether this provider makes the payment of the record's current generation.
    fn owns(&self, record: &Record) -> bool {
        self.name == record.provider || (self.adopts_unnamed && record.provider.is_none())
    }
}

/// A payout and the provider's answers for its keys.
struct Looked {
    record: Record,
    said: Result<Vec<ProviderReport>, (u32, String)>,
}

impl Reconciliation {
    /// Looks up every payout of the period, and passes each step to `tell`.
    ///
    /// # Errors
    /// [`RepositoryError`] if the records cannot be read.
    pub async fn run(&self, period: &Period, mut tell: impl FnMut(Step)) -> Result<Tally, RepositoryError> {
        let mut tally = Tally::default();
        let mut query = ReconciliationQuery {
            after: None,
            since: period.since,
            until: period.until,
            limit: PAGE,
        };
        let mut page = VecDeque::new();
        let mut at_end = false;
        let mut running: VecDeque<JoinHandle<Looked>> = VecDeque::new();
        loop {
            while running.len() < period.concurrency.max(1) {
                if page.is_empty() && !at_end {
                    page = self.reader.records(&query).await?.into();
                    at_end = page.len() < PAGE as usize;
                    query.after = page.back().map(place).or(query.after);
                }
                let Some(record) = page.pop_front() else { break };
                let look_up = look_up(self.providers.clone(), record, period.call_timeout);
                running.push_back(tokio::spawn(look_up));
            }
            let Some(next) = running.pop_front() else {
                return Ok(tally);
            };
            // A panic in a processor loses the answers for one payout only; the reconciliation stops with an error.
            let looked = next
                .await
                .map_err(|panicked| RepositoryError::Refused(Box::new(panicked)))?;
            tally.payouts += 1;
            tell(Step::LookedUp);
            for finding in self.judge(looked, period).await? {
                match finding {
                    Finding::Disagree(..) => tally.disagreements += 1,
                    Finding::NoAnswer { .. } => tally.unanswered += 1,
                }
                tell(Step::Found(finding));
            }
        }
    }

    async fn judge(&self, looked: Looked, period: &Period) -> Result<Vec<Finding>, RepositoryError> {
        let Looked { record, said } = looked;
        let said = match said {
            Ok(said) => said,
            Err((generation, why)) => {
                return Ok(vec![Finding::NoAnswer {
                    record,
                    generation,
                    why,
                }]);
            }
        };
        let now = self.repository.now().await?;
        let found = compare(&record, &said, now, period.too_long);
        if found.is_empty() || self.has_moved_on(&record).await? {
            return Ok(Vec::new());
        }
        let disagree = |disagreement| Finding::Disagree(record.clone(), disagreement);
        Ok(found.into_iter().map(disagree).collect())
    }

    /// Returns whether the payout was written after its record was read. A cancelled payout cannot change, and the
    /// provider was asked afterwards, so its record is still valid.
    async fn has_moved_on(&self, record: &Record) -> Result<bool, RepositoryError> {
        match record.status {
            Status::Cancelled => Ok(false),
            Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::AwaitingApproval
            | Status::Pending
            | Status::Processing
                if record.deleted =>
            {
                Ok(false)
            }
            Status::Completed
            | Status::Returned
            | Status::Failed
            | Status::AwaitingApproval
            | Status::Pending
            | Status::Processing => {
                match self.repository.find(record.id).await {
                    Ok(now) => Ok(now.is_none_or(|payout| payout.version() != record.version)),
                    // The row cannot be read. Its record stands, and the remaining payouts are still to be compared.
                    Err(RepositoryError::Refused(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

fn place(record: &Record) -> Cursor {
    Cursor {
        at: record.created_at,
        id: record.id,
    }
}

async fn look_up(providers: Vec<ReconciledProvider>, record: Record, call_timeout: Duration) -> Looked {
    let mut said = Vec::new();
    if !providers.iter().any(|provider| provider.owns(&record)) {
        let name = record.provider.as_ref().map_or("(none)", ProviderName::as_str);
        let why = format!("its provider is not configured: {name}");
        let generation = record.generation;
        return Looked {
            record,
            said: Err((generation, why)),
        };
    }
    for generation in generations(&record) {
        for provider in &providers {
            let owns = provider.owns(&record);
            let mut question = record.look_up(generation);
            question.reference = question.reference.filter(|_| owns);
            match ask(&*provider.processor, &question, call_timeout).await {
                Ok(answer) => said.push(ProviderReport {
                    generation,
                    provider: provider.name.clone(),
                    owns,
                    answer,
                }),
                // A provider that cannot tell can only be asked for its own payments.
                Err(CannotSay::Unable(_)) if !owns || generation != record.generation => (),
                Err(CannotSay::Unable(why) | CannotSay::NoAnswer(why)) => {
                    return Looked {
                        record,
                        said: Err((generation, why)),
                    };
                }
            }
        }
    }
    Looked {
        record,
        said: Ok(said),
    }
}

/// The reason why a provider did not say whether it knows a key.
enum CannotSay {
    /// It cannot tell.
    Unable(String),
    /// It gave no reliable answer.
    NoAnswer(String),
}

/// Asks up to `TRIES` times, with pauses as long as the provider requests.
async fn ask(
    processor: &dyn Processor,
    look_up: &LookUp,
    call_timeout: Duration,
) -> Result<Option<ProviderAnswer>, CannotSay> {
    let mut pause = PAUSE;
    let mut tried = 1;
    loop {
        let (why, wanted) = match tokio::time::timeout(call_timeout, processor.look_up(look_up)).await {
            Ok(Ok(LookUpAnswer::Found(answer))) => return Ok(Some(answer)),
            Ok(Ok(LookUpAnswer::Absent)) => return Ok(None),
            Ok(Ok(LookUpAnswer::CannotTell { why })) => {
                return Err(CannotSay::Unable(format!("the provider cannot tell: {why}")));
            }
            Ok(Err(error)) => (error.to_string(), error.retry_after()),
            Err(_) => ("the call timed out".to_owned(), None),
        };
        if tried == TRIES {
            return Err(CannotSay::NoAnswer(why));
        }
        tokio::time::sleep(pause.max(wanted.unwrap_or_default()).min(LONGEST_PAUSE)).await;
        pause *= 2;
        tried += 1;
    }
}
