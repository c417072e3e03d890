//! Counts of lists, bounded or to the end.

use payout_core::ports::{Count, Deleted, Filter, RepositoryError};

use super::deleted;
use super::list::{
    approvable, details_first, filtered, metadata_first, name_ranges, of_details, states_first,
    window_and_filter,
};
use super::store::{Store, json};
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::window::{Shape, Window, cost, counted};

/// Counts up to the limit; without a limit (-1) it counts to the end.
macro_rules! count_of {
    ($tables:expr, $walked:tt, $condition:literal) => {
        concat!(
            "SELECT 1 FROM ",
            $tables,
            " WHERE ",
            window_and_filter!($walked),
            $condition
        )
    };
}

/// Counts by conditions on details alone; the statement below counts by conditions on states alone. Neither reads the
/// other table.
const COUNT_DETAILS: &str = concat!(
    "SELECT count(*) FROM (
        SELECT 1 FROM payout_details AS payout
        WHERE deleted_at IS NULL AND (created_at, id) > (?1, ?2) AND (created_at, id) < (?3, ?4)
            AND ?5 = '[]' AND ?7 IS NULL AND ?14 IS NULL",
    of_details!(),
    " LIMIT ?16
    )"
);

const COUNT_ANY: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(details_first!(""), "payout", ""),
    " LIMIT ?16)"
);

pub(super) const COUNT_EXTERNAL_ID: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!("INDEXED BY payout_details_external_id"),
        "payout",
        " AND payout.external_id = ?8"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_RECIPIENT: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!("INDEXED BY payout_details_by_recipient"),
        "payout",
        " AND payout.recipient_id = ?15"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_BATCH: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!("INDEXED BY payout_details_by_batch"),
        "payout",
        " AND payout.batch_id = ?11"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_METADATA: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(metadata_first!(), "tagged", ""),
    " LIMIT ?16)"
);

/// Counts payouts with a schedule.
pub(super) const COUNT_SCHEDULED: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!("INDEXED BY payout_details_by_schedule"),
        "payout",
        " AND payout.scheduled_at IS NOT NULL AND payout.scheduled_at >= coalesce(?12, 0)"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_APPROVABLE: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        states_first!(),
        "state",
        " AND state.status = 'awaiting_approval'"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_STATUS: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM payout_states
        WHERE deleted_at IS NULL AND (created_at, id) > (?1, ?2) AND (created_at, id) < (?3, ?4)
            AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL AND ?9 = '[]' AND ?10 IS NULL AND ?11 IS NULL AND ?12 IS NULL
            AND ?13 IS NULL AND ?14 IS NULL AND ?15 IS NULL AND status = ?17
        LIMIT ?16
    )";

pub(super) const COUNT_SEARCH: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!(""),
        "payout",
        " AND payout.recipient_account = ?17"
    ),
    " UNION ALL ",
    count_of!(
        concat!(
            "(SELECT value ->> 0 AS low, value ->> 1 AS high FROM jsonb_each(?18)) AS names CROSS JOIN ",
            details_first!("INDEXED BY payout_details_by_name")
        ),
        "payout",
        " AND payout.recipient_name_folded >= low AND payout.recipient_name_folded < high
            AND payout.recipient_account <> ?17"
    ),
    " LIMIT ?16)"
);

pub(super) const COUNT_SEALED_SEARCH: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!(""),
        "payout",
        " AND payout.recipient_account IN (SELECT value FROM jsonb_each(?17))"
    ),
    " UNION ALL ",
    count_of!(
        details_first!("INDEXED BY payout_details_by_name"),
        "payout",
        " AND payout.recipient_name_folded IN (SELECT value FROM jsonb_each(?18))
            AND payout.recipient_account NOT IN (SELECT value FROM jsonb_each(?17))"
    ),
    " LIMIT ?16)"
);

pub(super) async fn count(
    store: &Store,
    filter: &Filter,
    at_most: Option<u64>,
) -> Result<Count, RepositoryError> {
    if filter.deleted != Deleted::Without {
        return deleted::count(store, filter, at_most).await;
    }
    // One more than asked for shows whether there are more.
    let limit = at_most.map_or(-1, |at_most| {
        i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1)
    });
    let limited =
        |statement| Ok::<_, RepositoryError>(filtered(statement, Window::of(filter), filter)?.bind(limit));
    let statement = match Shape::of(filter) {
        Shape::ExternalId => limited(COUNT_EXTERNAL_ID)?,
        Shape::Batch => limited(COUNT_BATCH)?,
        Shape::Recipient => limited(COUNT_RECIPIENT)?,
        // Its entry follows an offset, which a count has not.
        Shape::Metadata(entry) => limited(COUNT_METADATA)?
            .bind(0_i64)
            .bind(entry.name().to_owned())
            .bind(entry.value().to_owned()),
        Shape::Other if filter.approvable_by.is_some() => limited(COUNT_APPROVABLE)?,
        Shape::All | Shape::Other
            if filter.scheduled_after.is_some() || filter.scheduled_before.is_some() =>
        {
            limited(COUNT_SCHEDULED)?
        }
        Shape::All | Shape::Other if filter.statuses.is_empty() && filter.needs_review.is_none() => {
            limited(COUNT_DETAILS)?
        }
        Shape::All | Shape::Other => limited(COUNT_ANY)?,
        Shape::Status(status) => limited(COUNT_STATUS)?.bind(status.as_str()),
        Shape::Search(search) if !store.keyring.is_empty() || search.has_spellings() => {
            let wanted = Wanted::of(search, &store.keyring);
            let statement = limited(COUNT_SEALED_SEARCH)?;
            statement.bind(json(&wanted.accounts)?).bind(json(&wanted.names)?)
        }
        Shape::Search(search) => limited(COUNT_SEARCH)?
            .bind(search.account().to_owned())
            .bind(json(&name_ranges(search))?),
    };
    let cost = at_most.map_or(Cost::Dear, |_| cost(filter));
    let rows: Vec<(i64,)> = store.read_costly(cost, statement).await?;
    let (found,) = rows
        .into_iter()
        .next()
        .ok_or_else(|| refused("a count without an answer"))?;
    Ok(counted(found, at_most))
}
