//! Holds a store against the provider's ledger: every payout of a period is looked up, and each disagreement told.
//!
//! It changes nothing on either side. [`compare`](compare()) is the table of what agrees; here is the walk: the books page
//! by page, a bounded number of payouts at the provider at a time, and the findings in the order of the books.

mod compare;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use self::compare::{Disagreement, Kind, Said, There, compare, generations};
use crate::Timestamp;
use crate::payout::Status;
use crate::ports::{Books, BooksQuery, Cursor, PayoutRepository, Processor, Record, RepositoryError};
use crate::provider::ProcessorKey;

const PAGE: u32 = 500;
/// How often a key is asked for before it counts as unanswered.
const TRIES: u32 = 3;
/// Before the second try; doubled for the third.
const PAUSE: Duration = Duration::from_millis(250);
/// No provider is waited for longer than this before a try.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What to hold against the provider, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Created at this time or later.
    pub since: Timestamp,
    /// Created before this time.
    pub until: Timestamp,
    /// How many payouts are looked up at a time.
    pub concurrency: usize,
    /// How long one call may take.
    pub call_timeout: Duration,
    /// Processing for longer than this is told.
    pub too_long: Duration,
}

/// Something that was found, in the order of the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The store and the provider disagree.
    Disagree(Record, Disagreement),
    /// The provider gave no answer to rely on: nothing is known of this payout.
    NoAnswer {
        /// The payout.
        record: Record,
        /// The generation whose key was not answered.
        generation: u32,
        /// What the last try came to.
        why: String,
    },
}

/// What happens on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// One more payout was looked up.
    LookedUp,
    /// And this was found.
    Found(Finding),
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Payouts that were looked up.
    pub payouts: u64,
    /// Disagreements.
    pub disagreements: u64,
    /// Payouts that the provider gave no answer for.
    pub unanswered: u64,
}

/// A store and a provider, to be held against each other.
pub struct Reconciliation {
    /// Where a payout is looked at again before something is said of it that may just have changed.
    pub repository: Arc<dyn PayoutRepository>,
    /// The books.
    pub books: Arc<dyn Books>,
    /// The provider.
    pub processor: Arc<dyn Processor>,
}

/// A payout and what its keys came to.
struct Looked {
    record: Record,
    said: Result<Vec<Said>, (u32, String)>,
}

impl Reconciliation {
    /// Looks every payout of the period up, and tells of each step.
    ///
    /// # Errors
    /// [`RepositoryError`] when the books cannot be read on.
    pub async fn run(&self, period: &Period, mut tell: impl FnMut(Step)) -> Result<Tally, RepositoryError> {
        let mut tally = Tally::default();
        let mut query = BooksQuery {
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
                    page = self.books.records(&query).await?.into();
                    at_end = page.len() < PAGE as usize;
                    query.after = page.back().map(place).or(query.after);
                }
                let Some(record) = page.pop_front() else { break };
                let look_up = look_up(self.processor.clone(), record, period.call_timeout);
                running.push_back(tokio::spawn(look_up));
            }
            let Some(next) = running.pop_front() else {
                return Ok(tally);
            };
            // A provider that panicked told nothing; its payout is the one thing that is lost with it.
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

    /// Whether the payout was written between the look at the books and the look at the provider. What ended by then says
    /// nothing false of itself: the provider was asked afterwards.
    async fn has_moved_on(&self, record: &Record) -> Result<bool, RepositoryError> {
        match record.status {
            Status::Completed | Status::Cancelled => Ok(false),
            Status::Failed | Status::Pending | Status::Processing if record.deleted => Ok(false),
            Status::Failed | Status::Pending | Status::Processing => {
                match self.repository.find(record.id).await {
                    Ok(now) => Ok(now.is_none_or(|payout| payout.version() != record.version)),
                    // It cannot be read; what the books say of it stands, and the rest is still to be compared.
                    Err(RepositoryError::Refused(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

fn place(record: &Record) -> Cursor {
    Cursor {
        created_at: record.created_at,
        id: record.id,
    }
}

async fn look_up(processor: Arc<dyn Processor>, record: Record, call_timeout: Duration) -> Looked {
    let mut said = Vec::new();
    for generation in generations(&record) {
        let key = record.key(generation);
        match ask(&*processor, &key, call_timeout).await {
            Ok(answer) => said.push(Said { generation, answer }),
            Err(why) => {
                return Looked {
                    record,
                    said: Err((generation, why)),
                };
            }
        }
    }
    Looked {
        record,
        said: Ok(said),
    }
}

/// Asks a few times, as patiently as the provider wants.
async fn ask(
    processor: &dyn Processor,
    key: &ProcessorKey,
    call_timeout: Duration,
) -> Result<Option<crate::provider::ProviderAnswer>, String> {
    let mut pause = PAUSE;
    let mut tried = 1;
    loop {
        let (why, wanted) = match tokio::time::timeout(call_timeout, processor.look_up(key)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => (error.to_string(), error.retry_after()),
            Err(_) => ("the call timed out".to_owned(), None),
        };
        if tried == TRIES {
            return Err(why);
        }
        tokio::time::sleep(pause.max(wanted.unwrap_or_default()).min(LONGEST_PAUSE)).await;
        pause *= 2;
        tried += 1;
    }
}
