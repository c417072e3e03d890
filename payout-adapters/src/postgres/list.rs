//! Pages and counts.
//!
//! Every page is bounded by places in the order `(created_at, id)` and read along an index in that order, so that it
//! costs the same at any depth. A prepared statement is soon planned once for all values, so each of the two shapes that
//! most pages have is a statement of its own that only one index fits. All else is planned anew each time, with the
//! values at hand: conditions on absent parameters then vanish, and the planner sees how common a prefix or a status is.

use payout_core::payout::Status;
use payout_core::ports::{Count, Deleted, Filter, ListQuery, Listed, RepositoryError, Search};

use super::deleted;
use super::link::{Link, Statement, only};
use crate::reads::Cost;
use crate::seal::Keyring;
use crate::sql::recipient::Wanted;
use crate::sql::row::{PayoutRow, listed, payout_columns};
use crate::sql::window::{NameRange, Page, Shape, Window, counted};

/// The longest page of the prepared statements. Their constant limit tells the planner that few rows are wanted; the
/// parameter alone would not.
const LONGEST_PREPARED_PAGE: i64 = 1000;

/// A pair of statements, by [`Direction`](crate::sql::window::Direction).
macro_rules! both_directions {
    ($statement:ident) => {
        [$statement!("DESC", "DESC"), $statement!("ASC", "ASC")]
    };
}

macro_rules! prepared_page {
    ($condition:literal, $at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM (
                SELECT * FROM payouts
                WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)",
            $condition,
            " ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT 1000
            ) AS page ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $5"
        )
    };
}

macro_rules! page_of_all {
    ($at:literal, $id:literal) => {
        prepared_page!("", $at, $id)
    };
}

macro_rules! page_of_status {
    ($at:literal, $id:literal) => {
        prepared_page!(" AND status = $6", $at, $id)
    };
}

/// What is left of a filter once its times and its search are taken care of.
macro_rules! window_and_filter {
    () => {
        "deleted_at IS NULL
            AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)
            AND (cardinality($5::text[]) = 0 OR status = ANY ($5))
            AND ($6::text IS NULL OR currency = $6)
            AND ($7::boolean IS NULL OR needs_review = $7)"
    };
}

macro_rules! page_of_any {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM payouts WHERE ",
            window_and_filter!(),
            " ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 OFFSET $9"
        )
    };
}

/// The two ways to match, each along its own index and no further than the page, then merged. In one condition the two
/// would have to be found whole and sorted.
macro_rules! page_of_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM ((
                SELECT * FROM payouts WHERE ",
            window_and_filter!(),
            " AND recipient_account = $10
                ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 + $9
            ) UNION ALL (
                SELECT * FROM payouts WHERE ",
            window_and_filter!(),
            " AND ((recipient_name_folded >= $11 AND recipient_name_folded < $12)
                    OR (recipient_name_folded >= $13 AND recipient_name_folded < $14)
                    OR (recipient_name_folded >= $15 AND recipient_name_folded < $16))
                AND recipient_account <> $10
                ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 + $9
            )) AS page ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 OFFSET $9"
        )
    };
}

/// The same where payouts are sealed, by digests: a payout is found under each of the keys, and each walks the index in
/// order.
macro_rules! page_of_sealed_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM ((
                SELECT found.* FROM unnest($10::text[]) AS wanted CROSS JOIN LATERAL (
                    SELECT * FROM payouts WHERE ",
            window_and_filter!(),
            " AND recipient_account = wanted
                    ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 + $9
                ) AS found
            ) UNION ALL (
                SELECT found.* FROM unnest($11::text[]) AS wanted CROSS JOIN LATERAL (
                    SELECT * FROM payouts WHERE ",
            window_and_filter!(),
            " AND recipient_name_folded = wanted AND recipient_account <> ALL ($10)
                    ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 + $9
                ) AS found
            )) AS page ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $8 OFFSET $9"
        )
    };
}

const PAGE_OF_ALL: [&str; 2] = both_directions!(page_of_all);
const PAGE_OF_STATUS: [&str; 2] = both_directions!(page_of_status);
const PAGE_OF_ANY: [&str; 2] = both_directions!(page_of_any);
const PAGE_OF_SEARCH: [&str; 2] = both_directions!(page_of_search);
const PAGE_OF_SEALED_SEARCH: [&str; 2] = both_directions!(page_of_sealed_search);

/// Counting stops at the limit; without one (NULL) it goes to the end. The order keeps it to the index that has it,
/// whatever the statistics say.
const COUNT_ALL: &str = "
    SELECT count(*)
    FROM (SELECT FROM payouts WHERE deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT $1) AS counted";

const COUNT_ANY: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM payouts WHERE ",
    window_and_filter!(),
    " LIMIT $8) AS counted"
);

const COUNT_SEARCH: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM payouts WHERE ",
    window_and_filter!(),
    " AND (recipient_account = $9
        OR (recipient_name_folded >= $10 AND recipient_name_folded < $11)
        OR (recipient_name_folded >= $12 AND recipient_name_folded < $13)
        OR (recipient_name_folded >= $14 AND recipient_name_folded < $15))
    LIMIT $8) AS counted"
);

const COUNT_SEALED_SEARCH: &str = concat!(
    "SELECT count(*) FROM (SELECT FROM payouts WHERE ",
    window_and_filter!(),
    " AND (recipient_account = ANY ($9) OR recipient_name_folded = ANY ($10))
    LIMIT $8) AS counted"
);

/// No text has a NUL, and PostgreSQL takes none as a parameter: a search for one finds nothing.
fn finds_nothing(filter: &Filter) -> bool {
    filter
        .search
        .as_ref()
        .is_some_and(|search| search.account().contains('\0'))
}

pub(super) async fn list(link: &Link, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    if finds_nothing(&query.filter) {
        return Ok(Vec::new());
    }
    if query.filter.deleted != Deleted::Without {
        return deleted::list(link, query).await;
    }
    let mut page = Page::of(query);
    // The inner limits are limit + offset, which must not overflow.
    page.offset = page.offset.min(i64::MAX - page.limit);
    let cost = Shape::of(&query.filter).cost();
    let rows = link
        .read_costly(cost, || page_statement(&page, &query.filter, &link.keyring))
        .await?;
    Ok(page.in_order(listed(rows, &link.keyring)))
}

fn page_statement<'q>(page: &Page, filter: &'q Filter, keys: &Keyring) -> Statement<'q, PayoutRow> {
    let direction = page.direction as usize;
    let is_prepared = page.offset == 0 && page.limit <= LONGEST_PREPARED_PAGE;
    match Shape::of(filter) {
        Shape::All if is_prepared => within(PAGE_OF_ALL[direction], page.window).bind(page.limit),
        Shape::Status(status) if is_prepared => within(PAGE_OF_STATUS[direction], page.window)
            .bind(page.limit)
            .bind(status.as_str()),
        Shape::All | Shape::Status(_) | Shape::Other => {
            let statement = filtered(PAGE_OF_ANY[direction], page.window, filter);
            statement.bind(page.limit).bind(page.offset)
        }
        Shape::Search(search) if !keys.is_empty() || search.is_iban() => {
            let wanted = Wanted::of(search, keys);
            let statement = filtered(PAGE_OF_SEALED_SEARCH[direction], page.window, filter);
            let statement = statement.bind(page.limit).bind(page.offset);
            statement.bind(wanted.accounts).bind(wanted.names)
        }
        Shape::Search(search) => {
            let statement = filtered(PAGE_OF_SEARCH[direction], page.window, filter);
            let statement = statement.bind(page.limit).bind(page.offset);
            searching(statement, search)
        }
    }
}

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
    // One more than asked for tells whether there are more.
    let limit = at_most.map(|at_most| i64::try_from(at_most).unwrap_or(i64::MAX).saturating_add(1));
    let is_unfiltered = *filter == Filter::default();
    let cost = at_most.map_or(Cost::Dear, |_| Shape::of(filter).cost());
    let rows = link
        .read_costly(cost, || {
            if is_unfiltered {
                return sqlx::query_as::<_, (i64,)>(COUNT_ALL).bind(limit);
            }
            let window = Window::of(filter);
            match Shape::of(filter) {
                Shape::All | Shape::Status(_) | Shape::Other => {
                    filtered(COUNT_ANY, window, filter).bind(limit)
                }
                Shape::Search(search) if !link.keyring.is_empty() || search.is_iban() => {
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

/// The account, and the ranges of names; those that there are not are NULL, and vanish from the plan.
fn searching<'q, Row>(statement: Statement<'q, Row>, search: &Search) -> Statement<'q, Row>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let mut names = NameRange::of(search).into_iter();
    let mut statement = statement.bind(search.account().to_owned());
    for _ in 0..NameRange::MOST {
        let (from, to) = names.next().map(|range| (range.from, range.to)).unzip();
        statement = statement.bind(from).bind(to);
    }
    statement
}

fn within<'q, Row>(statement: &'static str, window: Window) -> Statement<'q, Row>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let (above, below) = (window.above, window.below);
    sqlx::query_as(statement)
        .bind(above.0)
        .bind(above.1)
        .bind(below.0)
        .bind(below.1)
}

pub(super) fn filtered<'q, Row>(
    statement: &'static str,
    window: Window,
    filter: &Filter,
) -> Statement<'q, Row>
where
    Row: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    within(statement, window)
        .bind(filter.statuses.iter().copied().map(Status::as_str).collect::<Vec<_>>())
        .bind(filter.currency.map(|currency| currency.code()))
        .bind(filter.needs_review)
        // Planned with the values at hand.
        .persistent(false)
}
