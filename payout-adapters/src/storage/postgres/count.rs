//! Counts of lists, bounded or to the end.

use payout_core::ports::{Count, Deleted, Filter, RepositoryError};

use super::deleted;
use super::link::{Link, only};
use super::list::{
    approvable, asks_for_details, asks_for_states, details_first, filtered, finds_nothing,
    has_an_index_of_details, of_details, searching, states_first, window_and_filter, windowed,
};
use super::{payout_of_state, state_of_payout};
use crate::storage::reads::Cost;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::window::{Shape, Window, cost, counted};

/// Counts up to the limit; without a limit (NULL) it counts to the end. The order makes the server use the index that
/// has it, whatever the statistics say.
const COUNT_ALL: &str = "
    SELECT count(*)
    FROM (SELECT FROM payout_details WHERE deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT $1) AS counted";

/// Counts one status. Like its page it is prepared: the order leaves one index that fits, so one plan serves all values.
const COUNT_OF_STATUS: &str = "
    SELECT count(*) FROM (
        SELECT FROM payout_states
        WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4) AND status = $5
        ORDER BY created_at DESC, id DESC LIMIT $6
    ) AS counted";

/// Counts by conditions on details alone, or on states alone, without reading the other table.
const COUNT_DETAILS: &str = concat!(
    "SELECT count(*) FROM (
        SELECT FROM payout_details AS payout
        WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)
            AND cardinality($5::text[]) = 0 AND $7::boolean IS NULL AND $14::text IS NULL",
    of_details!(),
    " LIMIT $16
    ) AS counted"
);

const COUNT_STATES: &str = "
    SELECT count(*) FROM (
        SELECT FROM payout_states
        WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)
            AND (cardinality($5::text[]) = 0 OR status = ANY ($5))
            AND ($7::boolean IS NULL OR needs_review = $7)
            AND $6::text IS NULL AND $8::text IS NULL AND $9::text IS NULL AND $10::text IS NULL AND $11::uuid IS NULL
            AND $12::timestamptz IS NULL AND $13::timestamptz IS NULL AND $14::text IS NULL AND $15::uuid IS NULL
        LIMIT $16
    ) AS counted";

const COUNT_STANDING: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM ",
    states_first!(),
    " WHERE ",
    window_and_filter!("state"),
    " LIMIT $16) AS counted"
);

const COUNT_BOTH: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM ",
    details_first!(),
    " WHERE ",
    window_and_filter!("payout"),
    " LIMIT $16) AS counted"
);

const COUNT_SEARCH: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM ",
    details_first!(),
    " WHERE ",
    window_and_filter!("payout"),
    " AND (payout.recipient_account = $17
        OR (payout.recipient_name_folded >= $18 AND payout.recipient_name_folded < $19)
        OR (payout.recipient_name_folded >= $20 AND payout.recipient_name_folded < $21)
        OR (payout.recipient_name_folded >= $22 AND payout.recipient_name_folded < $23))
    LIMIT $16) AS counted"
);

const COUNT_SEALED_SEARCH: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM ",
    details_first!(),
    " WHERE ",
    window_and_filter!("payout"),
    " AND (payout.recipient_account = ANY ($17) OR payout.recipient_name_folded = ANY ($18))
    LIMIT $16) AS counted"
);

pub(super) async fn count(
    link: &Link,
    filter: &Filter,
    at_most: Option<u64>,
) -> Result<Count, RepositoryError> {
    if finds_nothing(filter) {
        return Ok(counted(0, at_most));
    }
    if filter.deleted != Deleted::Without {
        return deleted::count(link, filter, at_most).await;
    }
    // One more than asked for shows whether there are more.
    let limit = at_most.map(|at_most| i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1));
    let is_unfiltered = *filter == Filter::default();
    let cost = at_most.map_or(Cost::Dear, |_| cost(filter));
    let rows = link
        .read_costly(cost, || {
            if is_unfiltered {
                return sqlx::query_as::<_, (i64,)>(COUNT_ALL).bind(limit);
            }
            let window = Window::of(filter);
            match Shape::of(filter) {
                Shape::Status(status) => {
                    let statement = windowed(COUNT_OF_STATUS, window);
                    statement.bind(status.as_str()).bind(limit)
                }
                Shape::All
                | Shape::ExternalId
                | Shape::Batch
                | Shape::Recipient
                | Shape::Metadata(_)
                | Shape::Other => {
                    let statement = match (asks_for_states(filter), asks_for_details(filter)) {
                        (false, _) => COUNT_DETAILS,
                        (true, false) => COUNT_STATES,
                        (true, true) if has_an_index_of_details(filter) => COUNT_BOTH,
                        (true, true) => COUNT_STANDING,
                    };
                    filtered(statement, window, filter).bind(limit)
                }
                Shape::Search(search) if !link.keyring.is_empty() || search.has_spellings() => {
                    let wanted = Wanted::of(search, &link.keyring);
                    let statement = filtered(COUNT_SEALED_SEARCH, window, filter).bind(limit);
                    statement.bind(wanted.accounts).bind(wanted.names)
                }
                Shape::Search(search) => {
                    searching(filtered(COUNT_SEARCH, window, filter).bind(limit), search)
                }
            }
        })
        .await?;
    let (found,) = only(rows)?;
    Ok(counted(found, at_most))
}
