//! Pages of lists in the order of creation; `count` has the counts.
//!
//! Every page is bounded by places in the order `(created_at, id)` and read along an index in that order, so that it
//! costs the same at any depth.
//!
//! The server soon keeps one plan of a prepared statement for all values. So each of the two shapes that most pages
//! have is a statement of its own that only one index fits. All other statements are planned again each time, with
//! their actual values: conditions on absent parameters then vanish, and the planner sees how common a prefix or a
//! status is.

use std::collections::{BTreeMap, HashSet};

use payout_core::batch::BatchId;
use payout_core::payout::Status;
use payout_core::ports::{Deleted, Filter, ListQuery, Listed, RepositoryError, Search};
use payout_core::stored_recipient::RecipientId;

use super::link::{Link, Statement};
use super::{deleted, payout_of_state, state_of_payout};
use crate::encryption::EncryptionKeys;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{PayoutRow, listed, payout_columns};
use crate::storage::sql::window::{NameRange, Page, Shape, Window, cost, within};

/// The longest page of the prepared statements. Their constant limit shows the planner that few rows are wanted, which
/// a parameter alone would not.
const LONGEST_PREPARED_PAGE: i64 = 1000;

/// Builds a pair of statements, indexed by [`Direction`](crate::storage::sql::window::Direction).
macro_rules! both_directions {
    ($statement:ident) => {
        [$statement!("DESC", "DESC"), $statement!("ASC", "ASC")]
    };
}

/// Builds a page that walks an index of one table and joins each row with its row in the other table.
macro_rules! prepared_page {
    ($table:literal, $alias:literal, $join:ident, $condition:literal, $at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM (
                SELECT * FROM ",
            $table,
            " WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) AND (created_at, id) < ($3, $4)",
            $condition,
            " ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT 1000
            ) AS ",
            $alias,
            " ",
            $join!(),
            " ORDER BY ",
            $alias,
            ".created_at ",
            $at,
            ", ",
            $alias,
            ".id ",
            $id,
            " LIMIT $5"
        )
    };
}

macro_rules! page_of_all {
    ($at:literal, $id:literal) => {
        prepared_page!("payout_details", "payout", state_of_payout, "", $at, $id)
    };
}

macro_rules! page_of_status {
    ($at:literal, $id:literal) => {
        prepared_page!(
            "payout_states",
            "state",
            payout_of_state,
            " AND status = $6",
            $at,
            $id
        )
    };
}

/// Conditions of a filter on details alone, without its times of creation and its search.
macro_rules! of_details {
    () => {
        " AND ($6::text IS NULL OR payout.currency = $6)
            AND ($8::text IS NULL OR payout.external_id = $8)
            AND ($9::text IS NULL OR payout.metadata @> $9::text::jsonb)
            AND ($10::text IS NULL OR payout.created_by = $10)
            AND ($11::uuid IS NULL OR payout.batch_id = $11)
            AND ($12::timestamptz IS NULL OR payout.scheduled_at >= $12)
            AND ($13::timestamptz IS NULL OR payout.scheduled_at < $13)
            AND ($15::uuid IS NULL OR payout.recipient_id = $15)"
    };
}

/// Condition that this person may approve the payout.
macro_rules! approvable {
    () => {
        approvable!("$14")
    };
    ($person:literal) => {
        concat!(
            "
            AND (",
            $person,
            "::text IS NULL OR (state.status = 'awaiting_approval'
                AND payout.created_person IS DISTINCT FROM ",
            $person,
            " AND payout.edited_person IS DISTINCT FROM ",
            $person,
            "
                AND NOT EXISTS (SELECT FROM payout_approvals AS given
                    WHERE given.payout_id = state.id AND given.round = state.approval_round AND given.person = ",
            $person,
            ")))"
        )
    };
}

/// Conditions of the window, and of a filter without its search, by the table whose index is walked: `payout` or
/// `state`.
macro_rules! window_and_filter {
    ($walked:literal) => {
        concat!(
            $walked,
            ".deleted_at IS NULL AND (",
            $walked,
            ".created_at, ",
            $walked,
            ".id) > ($1, $2) AND (",
            $walked,
            ".created_at, ",
            $walked,
            ".id) < ($3, $4)
            AND (cardinality($5::text[]) = 0 OR state.status = ANY ($5))
            AND ($7::boolean IS NULL OR state.needs_review = $7)",
            of_details!(),
            approvable!()
        )
    };
}

macro_rules! page_along {
    ($tables:expr, $walked:literal, $at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM ",
            $tables,
            " WHERE ",
            window_and_filter!($walked),
            " ORDER BY ",
            $walked,
            ".created_at ",
            $at,
            ", ",
            $walked,
            ".id ",
            $id,
            " LIMIT $16 OFFSET $17"
        )
    };
}

macro_rules! details_first {
    () => {
        concat!("payout_details AS payout ", state_of_payout!())
    };
}

macro_rules! states_first {
    () => {
        concat!("payout_states AS state ", payout_of_state!())
    };
}

macro_rules! page_of_any {
    ($at:literal, $id:literal) => {
        page_along!(details_first!(), "payout", $at, $id)
    };
}

macro_rules! page_of_standing {
    ($at:literal, $id:literal) => {
        page_along!(states_first!(), "state", $at, $id)
    };
}

/// Builds a page of the two ways to match, account and name. Each is read along its own index and no further than the
/// page, then merged. A single condition would make the server find all matches of both and sort them.
macro_rules! page_of_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT * FROM ((",
            found_page!(details_first!(), "payout.recipient_account = $18", $at, $id),
            ") UNION ALL (",
            found_page!(
                details_first!(),
                "((payout.recipient_name_folded >= $19 AND payout.recipient_name_folded < $20)
                    OR (payout.recipient_name_folded >= $21 AND payout.recipient_name_folded < $22)
                    OR (payout.recipient_name_folded >= $23 AND payout.recipient_name_folded < $24))
                AND payout.recipient_account <> $18",
                $at,
                $id
            ),
            ")) AS page ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $16 OFFSET $17"
        )
    };
}

macro_rules! found_page {
    ($tables:expr, $condition:literal, $at:literal, $id:literal) => {
        concat!(
            "SELECT ",
            payout_columns!(),
            " FROM ",
            $tables,
            " WHERE ",
            window_and_filter!("payout"),
            " AND ",
            $condition,
            " ORDER BY payout.created_at ",
            $at,
            ", payout.id ",
            $id,
            " LIMIT $16 + $17"
        )
    };
}

/// Builds a page of a search among encrypted payouts, by digests. A payout is found under each of the keys, and each
/// lookup walks the index in order.
macro_rules! page_of_sealed_search {
    ($at:literal, $id:literal) => {
        concat!(
            "SELECT * FROM ((
                SELECT found.* FROM unnest($18::text[]) AS wanted CROSS JOIN LATERAL (",
            found_page!(details_first!(), "payout.recipient_account = wanted", $at, $id),
            ") AS found
            ) UNION ALL (
                SELECT found.* FROM unnest($19::text[]) AS wanted CROSS JOIN LATERAL (",
            found_page!(
                details_first!(),
                "payout.recipient_name_folded = wanted AND payout.recipient_account <> ALL ($18)",
                $at,
                $id
            ),
            ") AS found
            )) AS page ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT $16 OFFSET $17"
        )
    };
}

pub(super) use {approvable, details_first, of_details, states_first, window_and_filter};

const PAGE_OF_ALL: [&str; 2] = both_directions!(page_of_all);
const PAGE_OF_STATUS: [&str; 2] = both_directions!(page_of_status);
const PAGE_OF_ANY: [&str; 2] = both_directions!(page_of_any);
const PAGE_OF_STANDING: [&str; 2] = both_directions!(page_of_standing);
const PAGE_OF_SEARCH: [&str; 2] = both_directions!(page_of_search);
const PAGE_OF_SEALED_SEARCH: [&str; 2] = both_directions!(page_of_sealed_search);

/// Returns whether a filter has conditions on states, so that an index of states serves it.
pub(super) fn asks_for_states(filter: &Filter) -> bool {
    !filter.statuses.is_empty() || filter.needs_review.is_some() || filter.approvable_by.is_some()
}

/// Returns whether a filter has conditions on details that an index of details serves.
pub(super) fn has_an_index_of_details(filter: &Filter) -> bool {
    filter.external_id.is_some()
        || !filter.metadata.is_empty()
        || filter.batch.is_some()
        || filter.recipient_id.is_some()
        || filter.scheduled_after.is_some()
        || filter.scheduled_before.is_some()
}

/// Returns whether a filter has conditions on details.
pub(super) fn asks_for_details(filter: &Filter) -> bool {
    filter.currency.is_some()
        || filter.created_by.is_some()
        || filter.approvable_by.is_some()
        || has_an_index_of_details(filter)
}

/// Returns whether a filter finds nothing: it asks for two values of one entry of the metadata, or its search has a NUL,
/// which no stored text has and PostgreSQL refuses as a parameter.
pub(super) fn finds_nothing(filter: &Filter) -> bool {
    let mut names = HashSet::new();
    let search = filter.search.as_ref();
    search.is_some_and(|search| search.account().contains('\0'))
        || filter.metadata.iter().any(|entry| !names.insert(entry.name()))
}

pub(super) async fn list(link: &Link, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    if finds_nothing(&query.filter) {
        return Ok(Vec::new());
    }
    if query.filter.deleted != Deleted::Without || query.order.is_by_schedule() {
        return deleted::list(link, query).await;
    }
    let mut page = Page::of(query);
    // The inner limits are limit + offset, which must not overflow.
    page.offset = page.offset.min(i64::MAX - page.limit);
    let rows = link
        .read_costly(cost(&query.filter), || {
            page_statement(&page, &query.filter, &link.keyring)
        })
        .await?;
    Ok(page.in_order(listed(rows, &link.keyring)))
}

/// Returns the statement of a page. The inner limits are limit + offset, which must not overflow.
pub(super) fn page_statement<'q>(
    page: &Page,
    filter: &'q Filter,
    keys: &EncryptionKeys,
) -> Statement<'q, PayoutRow> {
    let direction = page.direction as usize;
    let is_prepared = page.offset == 0 && page.limit <= LONGEST_PREPARED_PAGE;
    match Shape::of(filter) {
        Shape::All if is_prepared => windowed(PAGE_OF_ALL[direction], page.window).bind(page.limit),
        Shape::Status(status) if is_prepared => windowed(PAGE_OF_STATUS[direction], page.window)
            .bind(page.limit)
            .bind(status.as_str()),
        Shape::All
        | Shape::Status(_)
        | Shape::ExternalId
        | Shape::Batch
        | Shape::Recipient
        | Shape::Metadata(_)
        | Shape::Other => {
            let pages = if asks_for_states(filter) && !has_an_index_of_details(filter) {
                PAGE_OF_STANDING
            } else {
                PAGE_OF_ANY
            };
            let statement = filtered(pages[direction], page.window, filter);
            statement.bind(page.limit).bind(page.offset)
        }
        Shape::Search(search) if !keys.is_empty() || search.has_spellings() => {
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

/// Binds the account and the ranges of names. Absent ones are NULL, and vanish from the plan.
pub(super) fn searching<'q, Row>(statement: Statement<'q, Row>, search: &Search) -> Statement<'q, Row>
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

pub(super) fn windowed<'q, Row>(statement: &'static str, window: Window) -> Statement<'q, Row>
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
    windowed(statement, window)
        .bind(filter.statuses.iter().copied().map(Status::as_str).collect::<Vec<_>>())
        .bind(filter.currency.map(|currency| currency.code()))
        .bind(filter.needs_review)
        .bind(filter.external_id.as_ref().map(|id| id.as_str().to_owned()))
        .bind(wanted_metadata(filter))
        .bind(filter.created_by.as_ref().map(|actor| actor.as_str().to_owned()))
        .bind(filter.batch.map(BatchId::as_uuid))
        .bind(filter.scheduled_after.map(within))
        .bind(filter.scheduled_before.map(within))
        .bind(filter.approvable_by.as_ref().map(|person| person.as_str().to_owned()))
        .bind(filter.recipient_id.map(RecipientId::as_uuid))
        // Planned again with the actual values.
        .persistent(false)
}

/// Returns the entries of the metadata that a filter asks for, as a JSON object.
fn wanted_metadata(filter: &Filter) -> Option<String> {
    let entries = filter.metadata.iter();
    let entries: BTreeMap<&str, &str> = entries.map(|entry| (entry.name(), entry.value())).collect();
    // A map of texts always has a form in JSON.
    (!entries.is_empty()).then(|| serde_json::to_string(&entries).unwrap_or_default())
}
