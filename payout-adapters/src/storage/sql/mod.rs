//! The parts that the two SQL repositories share: the shape of a row, its mapping, and the classification of errors.
//!
//! - `row` has the rows as both dialects select them. Each becomes a domain value only through the domain's own checks,
//!   so that a row which somebody corrupted by hand is refused, not used.
//! - `record` has the rows of reconciliation: the facts that the provider knows too.
//! - `batches` has the rows of batches, and the sums of their payouts; `shares` divides the slots of a sweep among them.
//! - `bulk` has the rows of bulk actions and their outcomes.
//! - `keys` has the rows of API keys, and `console_sessions` the digests of sessions.
//! - `approvals` has the columns of a payout's approvals.
//! - `details` has the columns of a payout's further details.
//! - `recipient` has the columns of a recipient, in plain or encrypted.
//! - `reseal` re-encrypts values that an older key encrypted.
//! - `snapshot` has the stored form of an answer.
//! - `stored_recipients` has the rows of recipients for further payouts.
//! - `stored` has the two column types that the dialects store differently: times and amounts.
//! - `export` hands the rows of an export over as they are read.
//! - `feed` turns rows into pages of the event feed.
//! - `import` has the rows of an import.
//! - `totals` has the rows of a day's totals, and decides which payouts of a batch fit.
//! - `window` turns a list query into bounds, a direction and one of four shapes, each with statements of its own.
//! - `writes` remembers whether the last writes succeeded.
//! - `payout_stats` turns counted rows into statistics.
//! - `providers` has the rows of providers, and `stats` those of statistics.
//! - `webhooks` has the rows of endpoints, deliveries and attempts.
//! - `fault` classifies errors for an operator.
//! - `schema` compares embedded migrations with the applied ones.
//! - `error` classifies every driver error as one of the repository's errors.
//!
//! Statements are not shared: they are constants beside the methods that run them.

pub(crate) mod approvals;
pub(crate) mod batches;
pub(crate) mod bulk;
pub(crate) mod console_sessions;
pub(crate) mod details;
pub(crate) mod duplicates;
pub(crate) mod error;
pub(crate) mod export;
pub(crate) mod fault;
pub(crate) mod feed;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod payout_stats;
pub(crate) mod providers;
pub(crate) mod recipient;
pub(crate) mod record;
pub(crate) mod references;
pub(crate) mod reseal;
pub(crate) mod row;
pub(crate) mod schema;
pub(crate) mod shares;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod stored;
pub(crate) mod stored_recipients;
pub(crate) mod totals;
pub(crate) mod trail;
pub(crate) mod webhooks;
pub(crate) mod window;
pub(crate) mod writes;
