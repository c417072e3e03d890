//! Pages and counts.
//!
//! Every page is bounded by places in the order `(created_at, id)` and read along an index in that order. SQLite plans
//! a statement before it knows the parameters. So each condition that has an index of its own has a statement of its
//! own; the other conditions filter the rows on the way.

use payout_core::payout::Status;
use payout_core::ports::{Count, Deleted, Filter, ListQuery, Listed, RepositoryError, Search};

use super::deleted;
use super::store::{Statement, Store, json};
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{PayoutRow, listed, payout_columns};
use crate::storage::sql::window::{NameRange, Page, Shape, Window, counted};

/// Builds a pair of statements, indexed by [`Direction`](crate::storage::sql::window::Direction).
macro_rules! both_directions {
    ($statement:ident) => {
        [$statement!("DESC", "DESC"), $statement!("ASC", "ASC")]
    };
}

/// Conditions of the window, and of a filter without its times and its search. Statuses come as a JSON list, since
/// SQLite has no arrays.
///
/// `payout` or `state` is the table whose index is walked.
macro_rules! window_and_filter {
    ($walked:literal) => {
        concat!(
            $walked,
            ".deleted_at IS NULL AND (",
            $walked,
            ".created_at, ",
            $walked,
            ".id) > (?1, ?2) AND (",
            $walked,
            ".created_at, ",
            $walked,
            ".id) < (?3, ?4)
            AND (?5 = '[]' OR state.status IN (SELECT value FROM json_each(?5)))
            AND (?6 IS NULL OR payout.currency = ?6)
            AND (?7 IS NULL OR state.needs_review = ?7)"
        )
    };
}

/// Forces the order of the join: each payout, then its state. `$index` may name an index.
macro_rules! details_first {
    ($index:literal) => {
        concat!(
            "payout_details AS payout ",
            $index,
            " CROSS JOIN payout_states AS state ON state.id = payout.id"
        )
    };
}

macro_rules! states_first {
    () => {
        "payout_states AS state CROSS JOIN payout_details AS payout ON payout.id = state.id"
    };
}

macro_rules! page {
    ($tables:expr, $walked:literal, $condition:literal, $at:literal, $id:literal, $limit:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM ",
            $tables,
            " WHERE ",
            window_and_filter!($walked),
            $condition,
            " ORDER BY ",
            $walked,
            ".created_at ",
            $at,
            ", ",
            $walked,
            ".id ",
            $id,
            $limit
        )
    };
}

macro_rules! page_of_any {
    ($at:literal, $id:literal) => {
        page!(details_first!(""), "payout", "", $at, $id, " LIMIT ?8 OFFSET ?9")
    };
}

macro_rules! page_of_status {
    ($at:literal, $id:literal) => {
        page!(
            states_first!(),
            "state",
            " AND state.status = ?10",
            $at,
            $id,
            " LIMIT ?8 OFFSET ?9"
        )
    };
}

/// Builds a page of the two ways to match, account and name: each is read along its own index, then merged.
macro_rules! page_of_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT * FROM (
                SELECT * FROM (",
            page!(
                details_first!(""),
                "payout",
                " AND payout.recipient_account = ?10",
                $at,
                $id,
                " LIMIT ?8 + ?9"
            ),
            ") UNION ALL SELECT * FROM (",
            page!(
                concat!(
                    "(SELECT value ->> 0 AS low, value ->> 1 AS high FROM json_each(?11)) AS names CROSS JOIN ",
                    details_first!("INDEXED BY payout_details_by_name")
                ),
                "payout",
                " AND payout.recipient_name_folded >= low AND payout.recipient_name_folded < high
                    AND payout.recipient_account <> ?10",
                $at,
                $id,
                " LIMIT ?8 + ?9"
            ),
            ")) ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT ?8 OFFSET ?9"
        )
    };
}

/// Builds a page of a search among encrypted payouts, by digests: a payout is found under each of the keys.
macro_rules! page_of_sealed_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT * FROM (
                SELECT * FROM (",
            page!(
                details_first!(""),
                "payout",
                " AND payout.recipient_account IN (SELECT value FROM json_each(?10))",
                $at,
                $id,
                " LIMIT ?8 + ?9"
            ),
            ") UNION ALL SELECT * FROM (",
            page!(
                details_first!("INDEXED BY payout_details_by_name"),
                "payout",
                " AND payout.recipient_name_folded IN (SELECT value FROM json_each(?11))
                    AND payout.recipient_account NOT IN (SELECT value FROM json_each(?10))",
                $at,
                $id,
                " LIMIT ?8 + ?9"
            ),
            ")) ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT ?8 OFFSET ?9"
        )
    };
}

pub(super) const PAGE_OF_ANY: [&str; 2] = both_directions!(page_of_any);
pub(super) const PAGE_OF_STATUS: [&str; 2] = both_directions!(page_of_status);
pub(super) const PAGE_OF_SEARCH: [&str; 2] = both_directions!(page_of_search);
pub(super) const PAGE_OF_SEALED_SEARCH: [&str; 2] = both_directions!(page_of_sealed_search);

/// Counts up to the limit; without a limit (-1) it counts to the end.
macro_rules! count_of {
    ($tables:expr, $walked:literal, $condition:literal) => {
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
const COUNT_DETAILS: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM payout_details
        WHERE deleted_at IS NULL AND (created_at, id) > (?1, ?2) AND (created_at, id) < (?3, ?4)
            AND ?5 = '[]' AND ?7 IS NULL AND (?6 IS NULL OR currency = ?6)
        LIMIT ?8
    )";

const COUNT_ANY: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(details_first!(""), "payout", ""),
    " LIMIT ?8)"
);

pub(super) const COUNT_STATUS: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM payout_states
        WHERE deleted_at IS NULL AND (created_at, id) > (?1, ?2) AND (created_at, id) < (?3, ?4)
            AND ?6 IS NULL AND ?7 IS NULL AND status = ?9
        LIMIT ?8
    )";

pub(super) const COUNT_SEARCH: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(details_first!(""), "payout", " AND payout.recipient_account = ?9"),
    " UNION ALL ",
    count_of!(
        concat!(
            "(SELECT value ->> 0 AS low, value ->> 1 AS high FROM json_each(?10)) AS names CROSS JOIN ",
            details_first!("INDEXED BY payout_details_by_name")
        ),
        "payout",
        " AND payout.recipient_name_folded >= low AND payout.recipient_name_folded < high
            AND payout.recipient_account <> ?9"
    ),
    " LIMIT ?8)"
);

pub(super) const COUNT_SEALED_SEARCH: &str = concat!(
    "SELECT count(*) FROM (",
    count_of!(
        details_first!(""),
        "payout",
        " AND payout.recipient_account IN (SELECT value FROM json_each(?9))"
    ),
    " UNION ALL ",
    count_of!(
        details_first!("INDEXED BY payout_details_by_name"),
        "payout",
        " AND payout.recipient_name_folded IN (SELECT value FROM json_each(?10))
            AND payout.recipient_account NOT IN (SELECT value FROM json_each(?9))"
    ),
    " LIMIT ?8)"
);

pub(super) async fn list(store: &Store, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    if query.filter.deleted != Deleted::Without {
        return deleted::list(store, query).await;
    }
    let page = Page::of(query);
    let direction = page.direction as usize;
    // The inner limits are limit + offset, which must not overflow.
    let offset = page.offset.min(i64::MAX - page.limit);
    let paged = |statement| {
        Ok::<_, RepositoryError>(
            filtered(statement, page.window, &query.filter)?
                .bind(page.limit)
                .bind(offset),
        )
    };
    let statement = match Shape::of(&query.filter) {
        Shape::All | Shape::Other => paged(PAGE_OF_ANY[direction])?,
        Shape::Status(status) => paged(PAGE_OF_STATUS[direction])?.bind(status.as_str()),
        Shape::Search(search) if !store.keyring.is_empty() || search.is_iban() => {
            let wanted = Wanted::of(search, &store.keyring);
            let statement = paged(PAGE_OF_SEALED_SEARCH[direction])?;
            statement.bind(json(&wanted.accounts)?).bind(json(&wanted.names)?)
        }
        Shape::Search(search) => {
            let statement = paged(PAGE_OF_SEARCH[direction])?;
            statement
                .bind(search.account().to_owned())
                .bind(json(&name_ranges(search))?)
        }
    };
    let cost = Shape::of(&query.filter).cost();
    let rows: Vec<PayoutRow> = store.read_costly(cost, statement).await?;
    Ok(page.in_order(listed(rows, &store.keyring)))
}

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
        Shape::All | Shape::Other if filter.statuses.is_empty() && filter.needs_review.is_none() => {
            limited(COUNT_DETAILS)?
        }
        Shape::All | Shape::Other => limited(COUNT_ANY)?,
        Shape::Status(status) => limited(COUNT_STATUS)?.bind(status.as_str()),
        Shape::Search(search) if !store.keyring.is_empty() || search.is_iban() => {
            let wanted = Wanted::of(search, &store.keyring);
            let statement = limited(COUNT_SEALED_SEARCH)?;
            statement.bind(json(&wanted.accounts)?).bind(json(&wanted.names)?)
        }
        Shape::Search(search) => limited(COUNT_SEARCH)?
            .bind(search.account().to_owned())
            .bind(json(&name_ranges(search))?),
    };
    let cost = at_most.map_or(Cost::Dear, |_| Shape::of(filter).cost());
    let rows: Vec<(i64,)> = store.read_costly(cost, statement).await?;
    let (found,) = rows
        .into_iter()
        .next()
        .ok_or_else(|| refused("a count without an answer"))?;
    Ok(counted(found, at_most))
}

/// Returns the first name and the end of each range.
pub(super) fn name_ranges(search: &Search) -> Vec<[String; 2]> {
    let ranges = NameRange::of(search).into_iter();
    ranges.map(|range| [range.from, range.to]).collect()
}

pub(super) fn filtered<'q, Row>(
    statement: &'static str,
    window: Window,
    filter: &Filter,
) -> Result<Statement<'q, Row>, RepositoryError>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    let (above, below) = (window.above, window.below);
    let statuses: Vec<&str> = filter.statuses.iter().copied().map(Status::as_str).collect();
    Ok(sqlx::query_as(statement)
        .bind(above.0.timestamp_micros())
        .bind(above.1)
        .bind(below.0.timestamp_micros())
        .bind(below.1)
        .bind(json(&statuses)?)
        .bind(filter.currency.map(|currency| currency.code()))
        .bind(filter.needs_review))
}
