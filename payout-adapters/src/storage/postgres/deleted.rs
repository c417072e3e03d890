//! Lists and counts that ask for deleted payouts, alone or beside the others, and lists in the order of schedules.
//!
//! Deleted payouts have an index of their own in the order of a list, and so do the others. A query walks each index no
//! further than the page and merges the two. Such queries are rare, so every statement is planned again with its actual
//! values.

use payout_core::payout::PayoutId;
use payout_core::ports::{Count, Deleted, DeletedPayout, Filter, ListQuery, Listed, Order, RepositoryError};

use super::link::{Link, Statement, only};
use super::list::{approvable, filtered, of_details};
use super::state_of_payout;
use crate::encryption::EncryptionKeys;
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{MaybeDeletedRow, listed_with_deleted, payout_columns};
use crate::storage::sql::window::{NameRange, Page, Window, counted, within};

/// Conditions for one kind of payout, deleted or not, and for a whole filter.
macro_rules! matching {
    ($deleted:literal, $time:literal) => {
        concat!(
            "FROM payout_details AS payout ",
            state_of_payout!(),
            " WHERE payout.deleted_at IS ",
            $deleted,
            " AND payout.",
            $time,
            " IS NOT NULL AND (payout.",
            $time,
            ", payout.id) > ($1, $2) AND (payout.",
            $time,
            ", payout.id) < ($3, $4)
            AND (cardinality($5::text[]) = 0 OR state.status = ANY ($5))
            AND ($7::boolean IS NULL OR state.needs_review = $7)",
            of_details!(),
            approvable!(),
            " AND ($20::timestamptz IS NULL OR payout.created_at >= $20)
            AND ($21::timestamptz IS NULL OR payout.created_at < $21)
            AND ($16::text[] IS NULL OR payout.recipient_account = ANY ($16)
                OR payout.recipient_name_folded = ANY ($17::text[])
                OR EXISTS (SELECT FROM unnest($18::text[], $19::text[]) AS names (low, high)
                    WHERE payout.recipient_name_folded >= low AND payout.recipient_name_folded < high))"
        )
    };
}

macro_rules! part {
    ($deleted:literal, $time:literal, $way:literal) => {
        concat!(
            "(SELECT ",
            payout_columns!(),
            ", payout.deleted_at ",
            matching!($deleted, $time),
            " ORDER BY payout.",
            $time,
            " ",
            $way,
            ", payout.id ",
            $way,
            " LIMIT $22 + $23)"
        )
    };
}

macro_rules! page {
    ($time:literal $way:literal: $($parts:tt)*) => {
        concat!(
            "SELECT * FROM (",
            $($parts)*,
            ") AS page ORDER BY ",
            $time,
            " ",
            $way,
            ", id ",
            $way,
            " LIMIT $22 OFFSET $23"
        )
    };
}

macro_rules! both_parts {
    ($time:literal, $way:literal) => {
        concat!(
            part!("NULL", $time, $way),
            " UNION ALL ",
            part!("NOT NULL", $time, $way)
        )
    };
}

/// Builds the pages in the order of one time: of payouts that are not deleted, of deleted ones, and of both.
macro_rules! pages {
    ($time:literal) => {
        [
            [
                page!($time "DESC": part!("NULL", $time, "DESC")),
                page!($time "ASC": part!("NULL", $time, "ASC")),
            ],
            [
                page!($time "DESC": part!("NOT NULL", $time, "DESC")),
                page!($time "ASC": part!("NOT NULL", $time, "ASC")),
            ],
            [
                page!($time "DESC": both_parts!($time, "DESC")),
                page!($time "ASC": both_parts!($time, "ASC")),
            ],
        ]
    };
}

/// Pages by which payouts are deleted and by [`Direction`](crate::storage::sql::window::Direction).
const BY_CREATION: [[&str; 2]; 3] = pages!("created_at");
const BY_SCHEDULE: [[&str; 2]; 3] = pages!("scheduled_at");

const COUNT_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT ",
    matching!("NOT NULL", "created_at"),
    " LIMIT $22) AS counted"
);
const COUNT_WITH_DELETED: &str = concat!(
    "SELECT count(*) FROM ((SELECT ",
    matching!("NULL", "created_at"),
    " LIMIT $22) UNION ALL (SELECT ",
    matching!("NOT NULL", "created_at"),
    " LIMIT $22) LIMIT $22) AS counted"
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
    let rows = link
        .read_costly(cost(&query.filter, query.order), || {
            page_statement(&page, &query.filter, query.order, &link.keyring)
        })
        .await?;
    Ok(page.in_order(listed_with_deleted(rows, query.order, &link.keyring)))
}

/// Returns the statement of a page.
pub(super) fn page_statement<'q>(
    page: &Page,
    filter: &Filter,
    order: Order,
    keys: &EncryptionKeys,
) -> Statement<'q, MaybeDeletedRow> {
    let pages = if order.is_by_schedule() {
        BY_SCHEDULE
    } else {
        BY_CREATION
    };
    let statements = match filter.deleted {
        Deleted::Without => pages[0],
        Deleted::Only => pages[1],
        Deleted::With => pages[2],
    };
    let statement = filtered(statements[page.direction as usize], page.window, filter);
    searched(statement, filter, keys)
        .bind(page.limit)
        .bind(page.offset)
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
        .read_costly(cost(filter, Order::default()), || {
            let statement = filtered::<(i64,)>(statement, Window::of(filter), filter);
            searched(statement, filter, &link.keyring).bind(limit)
        })
        .await?;
    let (found,) = only(rows)?;
    Ok(counted(found, at_most))
}

/// Returns the cost of a page: without a filter it is read along the indexes, and with one it may read every row.
fn cost(filter: &Filter, order: Order) -> Cost {
    let mut all = Filter {
        deleted: filter.deleted,
        ..Filter::default()
    };
    if order.is_by_schedule() {
        // The index of schedules has no deleted payouts.
        all.deleted = Deleted::Without;
        (all.scheduled_after, all.scheduled_before) = (filter.scheduled_after, filter.scheduled_before);
    }
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
    statement
        .bind(accounts)
        .bind(names)
        .bind(from)
        .bind(to)
        .bind(filter.created_after.map(within))
        .bind(filter.created_before.map(within))
}
