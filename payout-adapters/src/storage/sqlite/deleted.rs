//! Lists and counts that ask for deleted payouts, alone or beside the others, and lists in the order of schedules.
//!
//! Deleted payouts have an index of their own in the order of a list, and so do the others. A query walks each index no
//! further than the page and merges the two.

use payout_core::Timestamp;
use payout_core::payout::PayoutId;
use payout_core::ports::{Count, Deleted, DeletedPayout, Filter, ListQuery, Listed, Order, RepositoryError};

use super::list::{approvable, filtered, name_ranges, of_details};
use super::store::{Statement, Store, json};
use crate::encryption::EncryptionKeys;
use crate::storage::reads::Cost;
use crate::storage::sql::error::refused;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{MaybeDeletedRow, listed_with_deleted, payout_columns};
use crate::storage::sql::window::{Page, Window, counted, within};

/// Conditions for one kind of payout, deleted or not, and for a whole filter.
macro_rules! matching {
    ($index:literal, $deleted:literal, $time:literal) => {
        concat!(
            "FROM payout_details AS payout INDEXED BY ",
            $index,
            " CROSS JOIN payout_states AS state ON state.id = payout.id
            WHERE payout.deleted_at IS ",
            $deleted,
            " AND payout.",
            $time,
            " IS NOT NULL AND (payout.",
            $time,
            ", payout.id) > (?1, ?2) AND (payout.",
            $time,
            ", payout.id) < (?3, ?4)
            AND (?5 = '[]' OR state.status IN (SELECT value FROM jsonb_each(?5)))
            AND (?7 IS NULL OR state.needs_review = ?7)",
            of_details!(),
            approvable!(),
            " AND (?19 IS NULL OR payout.created_at >= ?19)
            AND (?20 IS NULL OR payout.created_at < ?20)
            AND (?16 IS NULL OR payout.recipient_account IN (SELECT value FROM jsonb_each(?16))
                OR payout.recipient_name_folded IN (SELECT value FROM jsonb_each(?17))
                OR EXISTS (SELECT 1 FROM jsonb_each(?18)
                    WHERE payout.recipient_name_folded >= value ->> 0 AND payout.recipient_name_folded < value ->> 1))"
        )
    };
}

macro_rules! part {
    ($index:literal, $deleted:literal, $time:literal, $way:literal) => {
        concat!(
            "SELECT * FROM (SELECT ",
            payout_columns!(),
            ", payout.deleted_at ",
            matching!($index, $deleted, $time),
            " ORDER BY payout.",
            $time,
            " ",
            $way,
            ", payout.id ",
            $way,
            " LIMIT ?21 + ?22)"
        )
    };
}

macro_rules! page {
    ($time:literal $way:literal: $($parts:tt)*) => {
        concat!(
            "SELECT * FROM (",
            $($parts)*,
            ") ORDER BY ",
            $time,
            " ",
            $way,
            ", id ",
            $way,
            " LIMIT ?21 OFFSET ?22"
        )
    };
}

macro_rules! deleted_part {
    ($time:literal, $way:literal) => {
        part!("payout_details_deleted_by_age", "NOT NULL", $time, $way)
    };
}

/// Builds the pages in the order of one time: of payouts that are not deleted, of deleted ones, and of both. `$index` has
/// those that are not deleted in this order.
macro_rules! pages {
    ($time:literal, $index:literal) => {
        [
            [
                page!($time "DESC": part!($index, "NULL", $time, "DESC")),
                page!($time "ASC": part!($index, "NULL", $time, "ASC")),
            ],
            [
                page!($time "DESC": deleted_part!($time, "DESC")),
                page!($time "ASC": deleted_part!($time, "ASC")),
            ],
            [
                page!($time "DESC": concat!(
                    part!($index, "NULL", $time, "DESC"), " UNION ALL ", deleted_part!($time, "DESC"))),
                page!($time "ASC": concat!(
                    part!($index, "NULL", $time, "ASC"), " UNION ALL ", deleted_part!($time, "ASC"))),
            ],
        ]
    };
}

/// Pages by which payouts are deleted and by [`Direction`](crate::storage::sql::window::Direction).
pub(super) const BY_CREATION: [[&str; 2]; 3] = pages!("created_at", "payout_details_by_age");
pub(super) const BY_SCHEDULE: [[&str; 2]; 3] = pages!("scheduled_at", "payout_details_by_schedule");

/// Counts deleted payouts; a limit of -1 counts to the end.
const COUNT_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 ",
    matching!("payout_details_deleted_by_age", "NOT NULL", "created_at"),
    " LIMIT ?21)"
);
const COUNT_WITH_DELETED: &str = concat!(
    "SELECT count(*) FROM (SELECT 1 ",
    matching!("payout_details_by_age", "NULL", "created_at"),
    " UNION ALL SELECT 1 ",
    matching!("payout_details_deleted_by_age", "NOT NULL", "created_at"),
    " LIMIT ?21)"
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
    let statement = page_statement(&page, &query.filter, query.order, &store.keyring)?;
    let rows = store
        .read_costly(cost(&query.filter, query.order), statement)
        .await?;
    Ok(page.in_order(listed_with_deleted(rows, query.order, &store.keyring)))
}

/// Returns the statement of a page.
pub(super) fn page_statement<'q>(
    page: &Page,
    filter: &Filter,
    order: Order,
    keys: &EncryptionKeys,
) -> Result<Statement<'q, MaybeDeletedRow>, RepositoryError> {
    // The inner limits are limit + offset, which must not overflow.
    let offset = page.offset.min(i64::MAX - page.limit);
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
    let statement = filtered(statements[page.direction as usize], page.window, filter)?;
    let statement = searched(statement, filter, keys)?;
    Ok(statement.bind(page.limit).bind(offset))
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
        .read_costly(
            cost(filter, Order::default()),
            searched(statement, filter, &store.keyring)?.bind(limit),
        )
        .await?;
    let (found,) = rows
        .into_iter()
        .next()
        .ok_or_else(|| refused("a count without an answer"))?;
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
) -> Result<Statement<'q, Row>, RepositoryError> {
    let (accounts, names, ranges) = match &filter.search {
        None => (None, None, None),
        Some(search) if keys.is_empty() => {
            let accounts = search.accounts();
            (Some(accounts), None, Some(name_ranges(search)))
        }
        Some(search) => {
            let Wanted { accounts, names } = Wanted::of(search, keys);
            (Some(accounts), Some(names), None)
        }
    };
    let micros = |at: Timestamp| within(at).timestamp_micros();
    let list = |texts: Option<Vec<String>>| texts.map(|texts| json(&texts)).transpose();
    Ok(statement
        .bind(list(accounts)?)
        .bind(list(names)?)
        .bind(ranges.map(|ranges| json(&ranges)).transpose()?)
        .bind(filter.created_after.map(micros))
        .bind(filter.created_before.map(micros)))
}
