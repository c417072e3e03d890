//! Lists and counts that ask for deleted payouts, alone or beside the others.
//!
//! Deleted payouts have an index of their own in the order of a list, and so do the others. A query walks each index no
//! further than the page and merges the two.

use payout_core::payout::PayoutId;
use payout_core::ports::{Count, Deleted, DeletedPayout, Filter, ListQuery, Listed, RepositoryError};

use super::list::{filtered, name_ranges};
use super::store::{Statement, Store, json};
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{MaybeDeletedRow, listed_with_deleted, payout_columns};
use crate::storage::sql::window::{Page, Window, counted};

/// Conditions for one kind of payout, deleted or not, and for a whole filter.
macro_rules! matching {
    ($index:literal, $deleted:literal) => {
        concat!(
            "FROM payout_details AS payout INDEXED BY ",
            $index,
            " CROSS JOIN payout_states AS state ON state.id = payout.id
            WHERE payout.deleted_at IS ",
            $deleted,
            " AND (payout.created_at, payout.id) > (?1, ?2) AND (payout.created_at, payout.id) < (?3, ?4)
            AND (?5 = '[]' OR state.status IN (SELECT value FROM json_each(?5)))
            AND (?6 IS NULL OR payout.currency = ?6)
            AND (?7 IS NULL OR state.needs_review = ?7)
            AND (?8 IS NULL OR payout.recipient_account IN (SELECT value FROM json_each(?8))
                OR payout.recipient_name_folded IN (SELECT value FROM json_each(?9))
                OR EXISTS (SELECT 1 FROM json_each(?10)
                    WHERE payout.recipient_name_folded >= value ->> 0 AND payout.recipient_name_folded < value ->> 1))"
        )
    };
}

macro_rules! part {
    ($index:literal, $deleted:literal, $way:literal) => {
        concat!(
            "SELECT * FROM (SELECT ",
            payout_columns!(),
            ", payout.deleted_at ",
            matching!($index, $deleted),
            " ORDER BY payout.created_at ",
            $way,
            ", payout.id ",
            $way,
            " LIMIT ?11 + ?12)"
        )
    };
}

macro_rules! page {
    ($way:literal: $($parts:tt)*) => {
        concat!(
            "SELECT * FROM (",
            $($parts)*,
            ") ORDER BY created_at ",
            $way,
            ", id ",
            $way,
            " LIMIT ?11 OFFSET ?12"
        )
    };
}

macro_rules! deleted_part {
    ($way:literal) => {
        part!("payout_details_deleted_by_age", "NOT NULL", $way)
    };
}

macro_rules! both_parts {
    ($way:literal) => {
        concat!(
            part!("payout_details_by_age", "NULL", $way),
            " UNION ALL ",
            deleted_part!($way)
        )
    };
}

/// Pages of deleted payouts, indexed by [`Direction`](crate::storage::sql::window::Direction).
pub(super) const PAGE_OF_DELETED: [&str; 2] = [
    page!("DESC": deleted_part!("DESC")),
    page!("ASC": deleted_part!("ASC")),
];
pub(super) const PAGE_WITH_DELETED: [&str; 2] = [
    page!("DESC": both_parts!("DESC")),
    page!("ASC": both_parts!("ASC")),
];

/// Counts deleted payouts; a limit of -1 counts to the end.
const COUNT_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 ",
    matching!("payout_details_deleted_by_age", "NOT NULL"),
    " LIMIT ?11)"
);
const COUNT_WITH_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 ",
    matching!("payout_details_by_age", "NULL"),
    " UNION ALL SELECT 1 ",
    matching!("payout_details_deleted_by_age", "NOT NULL"),
    " LIMIT ?11)"
);

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    ", payout.deleted_at FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.id = ?1 AND payout.deleted_at IS NOT NULL"
);

pub(super) async fn find(store: &Store, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
    let find = sqlx::query_as::<_, MaybeDeletedRow>(FIND).bind(id.as_uuid());
    let rows = store.read(find).await?;
    match rows.into_iter().next().map(|row| row.restore(&store.keyring)) {
        None => Ok(None),
        Some(Ok(Listed::Deleted(deleted))) => Ok(Some(deleted)),
        Some(Ok(Listed::Payout(_) | Listed::Unreadable(_))) => Err(refused("deleted, and not deleted")),
        Some(Err(error)) => Err(error),
    }
}

pub(super) async fn list(store: &Store, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    let page = Page::of(query);
    // The inner limits are limit + offset, which must not overflow.
    let offset = page.offset.min(i64::MAX - page.limit);
    let statements = match query.filter.deleted {
        Deleted::Only => PAGE_OF_DELETED,
        Deleted::With | Deleted::Without => PAGE_WITH_DELETED,
    };
    let statement = filtered(statements[page.direction as usize], page.window, &query.filter)?;
    let statement = searched(statement, &query.filter, store)?;
    let statement = statement.bind(page.limit).bind(offset);
    let rows = store.read_costly(cost(&query.filter), statement).await?;
    Ok(page.in_order(listed_with_deleted(rows, &store.keyring)))
}

pub(super) async fn count(
    store: &Store,
    filter: &Filter,
    at_most: Option<u64>,
) -> Result<Count, RepositoryError> {
    // One more than asked for shows whether there are more.
    let limit = at_most.map_or(-1, |at_most| {
        i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1)
    });
    let statement = match filter.deleted {
        Deleted::Only => COUNT_DELETED,
        Deleted::With | Deleted::Without => COUNT_WITH_DELETED,
    };
    let statement = filtered::<(i64,)>(statement, Window::of(filter), filter)?;
    let rows = store
        .read_costly(cost(filter), searched(statement, filter, store)?.bind(limit))
        .await?;
    let (found,) = rows
        .into_iter()
        .next()
        .ok_or_else(|| refused("a count without an answer"))?;
    Ok(counted(found, at_most))
}

/// Returns the cost of a page: without a filter it is read along the indexes, and with one it may read every row.
fn cost(filter: &Filter) -> Cost {
    let all = Filter {
        deleted: filter.deleted,
        ..Filter::default()
    };
    if *filter == all { Cost::Light } else { Cost::Dear }
}

/// Binds the accounts and names of a filter's search: digests where payouts are encrypted, else accounts and ranges of
/// names.
fn searched<'q, Row>(
    statement: Statement<'q, Row>,
    filter: &Filter,
    store: &Store,
) -> Result<Statement<'q, Row>, RepositoryError> {
    let (accounts, names, ranges) = match &filter.search {
        None => (None, None, None),
        Some(search) if store.keyring.is_empty() => {
            let accounts = search.accounts();
            (Some(accounts), None, Some(name_ranges(search)))
        }
        Some(search) => {
            let Wanted { accounts, names } = Wanted::of(search, &store.keyring);
            (Some(accounts), Some(names), None)
        }
    };
    let list = |texts: Option<Vec<String>>| texts.map(|texts| json(&texts)).transpose();
    Ok(statement
        .bind(list(accounts)?)
        .bind(list(names)?)
        .bind(ranges.map(|ranges| json(&ranges)).transpose()?))
}
