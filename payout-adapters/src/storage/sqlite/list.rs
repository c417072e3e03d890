//! Pages of lists in the order of creation; `count` has the counts.
//!
//! Every page is bounded by places in the order `(created_at, id)` and read along an index in that order. SQLite plans
//! a statement before it knows the parameters. So each condition that has an index of its own has a statement of its
//! own; the other conditions filter the rows on the way.

use payout_core::Timestamp;
use payout_core::batch::BatchId;
use payout_core::payout::Status;
use payout_core::ports::{Deleted, Filter, ListQuery, Listed, RepositoryError, Search};
use payout_core::stored_recipient::RecipientId;

use super::deleted;
use super::store::{Statement, Store, json};
use crate::encryption::EncryptionKeys;
use crate::storage::sql::recipient::Wanted;
use crate::storage::sql::row::{PayoutRow, listed, payout_columns};
use crate::storage::sql::window::{NameRange, Page, Shape, Window, cost, within};

/// Builds a pair of statements, indexed by [`Direction`](crate::storage::sql::window::Direction).
macro_rules! both_directions {
    ($statement:ident) => {
        [$statement!("DESC", "DESC"), $statement!("ASC", "ASC")]
    };
}

/// Conditions of a filter on details alone, without its times of creation and its search. The metadata come as a JSON
/// list of names and values.
macro_rules! of_details {
    () => {
        " AND (?6 IS NULL OR payout.currency = ?6)
            AND (?8 IS NULL OR payout.external_id = ?8)
            AND (?9 = '[]' OR NOT EXISTS (
                SELECT 1 FROM jsonb_each(?9) AS wanted
                WHERE NOT EXISTS (
                    SELECT 1 FROM json_each(payout.metadata) AS entry
                    WHERE entry.key = wanted.value ->> 0 AND entry.value = wanted.value ->> 1)))
            AND (?10 IS NULL OR payout.created_by = ?10)
            AND (?11 IS NULL OR payout.batch_id = ?11)
            AND (?12 IS NULL OR payout.scheduled_at >= ?12)
            AND (?13 IS NULL OR payout.scheduled_at < ?13)
            AND (?15 IS NULL OR payout.recipient_id = ?15)"
    };
}

/// Condition that this person may approve the payout.
macro_rules! approvable {
    () => {
        approvable!("?14")
    };
    ($person:literal) => {
        concat!(
            "
            AND (",
            $person,
            " IS NULL OR (state.status = 'awaiting_approval'
                AND payout.created_person IS NOT ",
            $person,
            " AND payout.edited_person IS NOT ",
            $person,
            "
                AND NOT EXISTS (SELECT 1 FROM payout_approvals AS given
                    WHERE given.payout_id = state.id AND given.round = state.approval_round AND given.person = ",
            $person,
            ")))"
        )
    };
}

/// Conditions of the window, and of a filter without its times and its search. Statuses come as a JSON list, since
/// SQLite has no arrays.
///
/// `payout`, `state` or `tagged` is the table whose index is walked.
macro_rules! window_and_filter {
    ("tagged") => {
        concat!(
            "tagged.name = ?18 AND tagged.value = ?19 AND payout.deleted_at IS NULL AND ",
            window_and_filter!(@ "tagged")
        )
    };
    ($walked:literal) => {
        concat!($walked, ".deleted_at IS NULL AND ", window_and_filter!(@ $walked))
    };
    (@ $walked:literal) => {
        concat!(
            "(",
            $walked,
            ".created_at, ",
            $walked,
            ".id) > (?1, ?2) AND (",
            $walked,
            ".created_at, ",
            $walked,
            ".id) < (?3, ?4)
            AND (?5 = '[]' OR state.status IN (SELECT value FROM jsonb_each(?5)))
            AND (?7 IS NULL OR state.needs_review = ?7)",
            of_details!(),
            approvable!()
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

/// The metadata in the order of a list, each with its payout.
macro_rules! metadata_first {
    () => {
        "payout_metadata AS tagged CROSS JOIN payout_details AS payout ON payout.id = tagged.id
            CROSS JOIN payout_states AS state ON state.id = payout.id"
    };
}

macro_rules! page {
    ($tables:expr, $walked:tt, $condition:literal, $at:literal, $id:literal, $limit:literal) => {
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
        page!(
            details_first!(""),
            "payout",
            "",
            $at,
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

macro_rules! page_of_status {
    ($at:literal, $id:literal) => {
        page!(
            states_first!(),
            "state",
            " AND state.status = ?18",
            $at,
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

macro_rules! page_of_external_id {
    ($at:literal, $id:literal) => {
        page!(
            details_first!("INDEXED BY payout_details_external_id"),
            "payout",
            " AND payout.external_id = ?8",
            $at,
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

macro_rules! page_of_batch {
    ($at:literal, $id:literal) => {
        page!(
            details_first!("INDEXED BY payout_details_by_batch"),
            "payout",
            " AND payout.batch_id = ?11",
            $at,
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

macro_rules! page_of_recipient {
    ($at:literal, $id:literal) => {
        page!(
            details_first!("INDEXED BY payout_details_by_recipient"),
            "payout",
            " AND payout.recipient_id = ?15",
            $at,
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

macro_rules! page_of_metadata {
    ($at:literal, $id:literal) => {
        page!(metadata_first!(), "tagged", "", $at, $id, " LIMIT ?16 OFFSET ?17")
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
                " AND payout.recipient_account = ?18",
                $at,
                $id,
                " LIMIT ?16 + ?17"
            ),
            ") UNION ALL SELECT * FROM (",
            page!(
                concat!(
                    "(SELECT value ->> 0 AS low, value ->> 1 AS high FROM jsonb_each(?19)) AS names CROSS JOIN ",
                    details_first!("INDEXED BY payout_details_by_name")
                ),
                "payout",
                " AND payout.recipient_name_folded >= low AND payout.recipient_name_folded < high
                    AND payout.recipient_account <> ?18",
                $at,
                $id,
                " LIMIT ?16 + ?17"
            ),
            ")) ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT ?16 OFFSET ?17"
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
                " AND payout.recipient_account IN (SELECT value FROM jsonb_each(?18))",
                $at,
                $id,
                " LIMIT ?16 + ?17"
            ),
            ") UNION ALL SELECT * FROM (",
            page!(
                details_first!("INDEXED BY payout_details_by_name"),
                "payout",
                " AND payout.recipient_name_folded IN (SELECT value FROM jsonb_each(?19))
                    AND payout.recipient_account NOT IN (SELECT value FROM jsonb_each(?18))",
                $at,
                $id,
                " LIMIT ?16 + ?17"
            ),
            ")) ORDER BY created_at ",
            $at,
            ", id ",
            $id,
            " LIMIT ?16 OFFSET ?17"
        )
    };
}

pub(super) use {approvable, details_first, metadata_first, of_details, states_first, window_and_filter};

pub(super) const PAGE_OF_ANY: [&str; 2] = both_directions!(page_of_any);
pub(super) const PAGE_OF_STATUS: [&str; 2] = both_directions!(page_of_status);
pub(super) const PAGE_OF_EXTERNAL_ID: [&str; 2] = both_directions!(page_of_external_id);
pub(super) const PAGE_OF_BATCH: [&str; 2] = both_directions!(page_of_batch);
pub(super) const PAGE_OF_RECIPIENT: [&str; 2] = both_directions!(page_of_recipient);
pub(super) const PAGE_OF_METADATA: [&str; 2] = both_directions!(page_of_metadata);
pub(super) const PAGE_OF_SEARCH: [&str; 2] = both_directions!(page_of_search);
pub(super) const PAGE_OF_SEALED_SEARCH: [&str; 2] = both_directions!(page_of_sealed_search);

pub(super) async fn list(store: &Store, query: &ListQuery) -> Result<Vec<Listed>, RepositoryError> {
    if query.filter.deleted != Deleted::Without || query.order.is_by_schedule() {
        return deleted::list(store, query).await;
    }
    let page = Page::of(query);
    let statement = page_statement(&page, &query.filter, &store.keyring)?;
    let rows: Vec<PayoutRow> = store.read_costly(cost(&query.filter), statement).await?;
    Ok(page.in_order(listed(rows, &store.keyring)))
}

/// Returns the statement of a page.
pub(super) fn page_statement<'q>(
    page: &Page,
    filter: &Filter,
    keys: &EncryptionKeys,
) -> Result<Statement<'q, PayoutRow>, RepositoryError> {
    let direction = page.direction as usize;
    // The inner limits are limit + offset, which must not overflow.
    let offset = page.offset.min(i64::MAX - page.limit);
    let paged = |statement| {
        Ok::<_, RepositoryError>(
            filtered(statement, page.window, filter)?
                .bind(page.limit)
                .bind(offset),
        )
    };
    Ok(match Shape::of(filter) {
        Shape::Other if filter.approvable_by.is_some() => {
            paged(PAGE_OF_STATUS[direction])?.bind(Status::AwaitingApproval.as_str())
        }
        Shape::All | Shape::Other => paged(PAGE_OF_ANY[direction])?,
        Shape::Status(status) => paged(PAGE_OF_STATUS[direction])?.bind(status.as_str()),
        Shape::ExternalId => paged(PAGE_OF_EXTERNAL_ID[direction])?,
        Shape::Batch => paged(PAGE_OF_BATCH[direction])?,
        Shape::Recipient => paged(PAGE_OF_RECIPIENT[direction])?,
        Shape::Metadata(entry) => paged(PAGE_OF_METADATA[direction])?
            .bind(entry.name().to_owned())
            .bind(entry.value().to_owned()),
        Shape::Search(search) if !keys.is_empty() || search.has_spellings() => {
            let wanted = Wanted::of(search, keys);
            let statement = paged(PAGE_OF_SEALED_SEARCH[direction])?;
            statement.bind(json(&wanted.accounts)?).bind(json(&wanted.names)?)
        }
        Shape::Search(search) => {
            let statement = paged(PAGE_OF_SEARCH[direction])?;
            statement
                .bind(search.account().to_owned())
                .bind(json(&name_ranges(search))?)
        }
    })
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
    let metadata = filter.metadata.iter().map(|entry| [entry.name(), entry.value()]);
    let metadata: Vec<[&str; 2]> = metadata.collect();
    let micros = |at: Timestamp| within(at).timestamp_micros();
    Ok(sqlx::query_as(statement)
        .bind(above.0.timestamp_micros())
        .bind(above.1)
        .bind(below.0.timestamp_micros())
        .bind(below.1)
        .bind(json(&statuses)?)
        .bind(filter.currency.map(|currency| currency.code()))
        .bind(filter.needs_review)
        .bind(filter.external_id.as_ref().map(|id| id.as_str().to_owned()))
        .bind(json(&metadata)?)
        .bind(filter.created_by.as_ref().map(|actor| actor.as_str().to_owned()))
        .bind(filter.batch.map(BatchId::as_uuid))
        .bind(filter.scheduled_after.map(micros))
        .bind(filter.scheduled_before.map(micros))
        .bind(
            filter
                .approvable_by
                .as_ref()
                .map(|person| person.as_str().to_owned()),
        )
        .bind(filter.recipient_id.map(RecipientId::as_uuid)))
}
