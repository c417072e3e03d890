//! Lists and counts that ask for deleted payouts, alone or beside the others.
//!
//! Deleted payouts have an index of their own in the order of a list, and so do the others. A query walks each index no
//! further than the page and merges the two. Such queries are rare, so every statement is planned again with its actual
//! values.

use payout_core::payout::PayoutId;
use payout_core::ports::{Count, Deleted, DeletedPayout, Filter, ListQuery, Listed, RepositoryError};

use super::link::{Link, Statement, only};
use super::list::filtered;
use super::state_of_payout;
use crate::encryption::EncryptionKeys;
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{MaybeDeletedRow, listed_with_deleted, payout_columns};
use crate::storage::sql::window::{NameRange, Page, Window, counted};

/// Conditions for one kind of payout, deleted or not, and for a whole filter.
macro_rules! matching {
    ($deleted:literal) => {
        concat!(
            "FROM payout_details AS payout ",
            state_of_payout!(),
            " WHERE payout.deleted_at IS ",
            $deleted,
            " AND (payout.created_at, payout.id) > ($1, $2) AND (payout.created_at, payout.id) < ($3, $4)
            AND (cardinality($5::text[]) = 0 OR state.status = ANY ($5))
            AND ($6::text IS NULL OR payout.currency = $6)
            AND ($7::boolean IS NULL OR state.needs_review = $7)
            AND ($8::text[] IS NULL OR payout.recipient_account = ANY ($8)
                OR payout.recipient_name_folded = ANY ($9::text[])
                OR EXISTS (SELECT FROM unnest($10::text[], $11::text[]) AS names (low, high)
                    WHERE payout.recipient_name_folded >= low AND payout.recipient_name_folded < high))"
        )
    };
}

macro_rules! part {
    ($deleted:literal, $way:literal) => {
        concat!(
            "(SELECT ",
            payout_columns!(),
            ", payout.deleted_at ",
            matching!($deleted),
            " ORDER BY payout.created_at ",
            $way,
            ", payout.id ",
            $way,
            " LIMIT $12 + $13)"
        )
    };
}

macro_rules! page {
    ($way:literal: $($parts:tt)*) => {
        concat!(
            "SELECT * FROM (",
            $($parts)*,
            ") AS page ORDER BY created_at ",
            $way,
            ", id ",
            $way,
            " LIMIT $12 OFFSET $13"
        )
    };
}

macro_rules! both_parts {
    ($way:literal) => {
        concat!(part!("NULL", $way), " UNION ALL ", part!("NOT NULL", $way))
    };
}

/// Pages of deleted payouts, indexed by [`Direction`](crate::storage::sql::window::Direction).
const PAGE_OF_DELETED: [&str; 2] = [
    page!("DESC": part!("NOT NULL", "DESC")),
    page!("ASC": part!("NOT NULL", "ASC")),
];
const PAGE_WITH_DELETED: [&str; 2] = [
    page!("DESC": both_parts!("DESC")),
    page!("ASC": both_parts!("ASC")),
];

const COUNT_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT ",
    matching!("NOT NULL"),
    " LIMIT $12) AS counted"
);
const COUNT_WITH_DELETED: &str = concat!(
    "SELECT count(*) FROM ((SELECT ",
    matching!("NULL"),
    " LIMIT $12) UNION ALL (SELECT ",
    matching!("NOT NULL"),
    " LIMIT $12) LIMIT $12) AS counted"
);

const FIND: &str = concat!(
    "SELECT ",
    payout_columns!(),
    ", payout.deleted_at FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.id = $1 AND payout.deleted_at IS NOT NULL"
);

pub(super) async fn find(link: &Link, id: PayoutId) -> Result<Option<DeletedPayout>, RepositoryError> {
    let rows = link
        .read(|| sqlx::query_as::<_, MaybeDeletedRow>(FIND).bind(id.as_uuid()))
        .await?;
    match rows.into_iter().next().map(|row| row.restore(&link.keyring)) {
        None => Ok(None),
        Some(Ok(Listed::Deleted(deleted))) => Ok(Some(deleted)),
        Some(Ok(Listed::Payout(_) | Listed::Unreadable(_))) => Err(refused("deleted, and not deleted")),
        Some(Err(error)) => Err(error),
    }
}

pub(super) async fn list(link: &Link, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    let mut page = Page::of(query);
    // The inner limits are limit + offset, which must not overflow.
    page.offset = page.offset.min(i64::MAX - page.limit);
    let statements = match query.filter.deleted {
        Deleted::Only => PAGE_OF_DELETED,
        Deleted::With | Deleted::Without => PAGE_WITH_DELETED,
    };
    let rows = link
        .read_costly(cost(&query.filter), || {
            let statement = statements[page.direction as usize];
            searched(
                filtered(statement, page.window, &query.filter),
                &query.filter,
                &link.keyring,
            )
            .bind(page.limit)
            .bind(page.offset)
        })
        .await?;
    Ok(page.in_order(listed_with_deleted(rows, &link.keyring)))
}

pub(super) async fn count(
    link: &Link,
    filter: &Filter,
    at_most: Option<u64>,
) -> Result<Count, RepositoryError> {
    // One more than asked for shows whether there are more.
    let limit = at_most.map(|at_most| i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1));
    let statement = match filter.deleted {
        Deleted::Only => COUNT_DELETED,
        Deleted::With | Deleted::Without => COUNT_WITH_DELETED,
    };
    let rows = link
        .read_costly(cost(filter), || {
            let statement = filtered::<(i64,)>(statement, Window::of(filter), filter);
            searched(statement, filter, &link.keyring).bind(limit)
        })
        .await?;
    let (found,) = only(rows)?;
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
    keys: &EncryptionKeys,
) -> Statement<'q, Row> {
    let (accounts, names, ranges) = match &filter.search {
        None => (None, None, None),
        Some(search) if keys.is_empty() => {
            let accounts = search.accounts();
            (Some(accounts), None, Some(NameRange::of(search)))
        }
        Some(search) => {
            let Wanted { accounts, names } = Wanted::of(search, keys);
            (Some(accounts), Some(names), None)
        }
    };
    let ranges = ranges.map(|ranges| ranges.into_iter().map(|range| (range.from, range.to)));
    let (from, to): (Option<Vec<String>>, Option<Vec<String>>) = ranges.map(Iterator::unzip).unzip();
    statement.bind(accounts).bind(names).bind(from).bind(to)
}
