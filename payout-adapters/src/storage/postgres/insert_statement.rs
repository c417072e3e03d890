//! The statement that inserts a batch of payouts, with the columns that the batch has and no others.
//!
//! Most payouts have neither a key nor a reference nor a batch. A statement with all columns costs the server a third
//! more for each of them.

use payout_core::ports::RepositoryError;
use sqlx::encode::Encode;
use sqlx::postgres::{PgArguments, PgHasArrayType, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Type};
use uuid::Uuid;

use super::columns::Columns;
use super::link::Statement;
use super::totals::HOLDERS;
use crate::storage::sql::error::refused;
use crate::storage::sql::stored::StoredTime;

/// One of these: a payout's id and the time when it was stored; a spent provider key; a payout's id and, unless the
/// payout's key has a record, the other payout that has its external id.
pub(super) type WrittenRow = (Option<Uuid>, Option<StoredTime>, Option<Uuid>, Option<Uuid>);

/// A column of a table, the value that is inserted, and the column of the batch without which it keeps its default.
type Value = (&'static str, &'static str, Option<&'static str>);

const fn is(column: &'static str, value: &'static str) -> Value {
    (column, value, None)
}

/// A column of the batch under the same name.
const fn each(column: &'static str) -> Value {
    (column, column, None)
}

/// A column of the batch under the same name, which only some batches have.
const fn optional(column: &'static str) -> Value {
    (column, column, Some(column))
}

/// A value that only some batches have.
const fn with(needed: &'static str, column: &'static str, value: &'static str) -> Value {
    (column, value, Some(needed))
}

const DETAILS: [Value; 24] = [
    each("id"),
    is("created_at", "now()"),
    each("amount"),
    each("currency"),
    each("recipient_account"),
    each("recipient_name"),
    each("recipient_name_folded"),
    each("description"),
    is("created_by", "actor"),
    with("request_id", "created_in", "request_id"),
    with("reason", "created_because", "reason"),
    optional("sealed"),
    optional("recipient_details"),
    optional("provider_key"),
    optional("mac"),
    with("mac", "changed_version", "CASE WHEN mac IS NOT NULL THEN 1 END"),
    optional("external_id"),
    with("metadata", "metadata", "metadata::jsonb"),
    optional("statement_text"),
    optional("scheduled_at"),
    optional("batch_id"),
    optional("recipient_id"),
    optional("created_person"),
    with(
        "approvals_required",
        "created_status",
        "CASE WHEN approvals_required > 0 THEN 'awaiting_approval' END",
    ),
];

const STATES: [Value; 12] = [
    each("id"),
    is("created_at", "now()"),
    is("generation", "0"),
    is("claims", "0"),
    is("fence", "0"),
    is("version", "1"),
    is("updated_at", "now()"),
    is("needs_review", "false"),
    each("provider"),
    optional("batch_id"),
    optional("approvals_required"),
    optional("approval_reasons"),
];

/// The rows of a batch as an UNNEST of the columns that any of its payouts has.
#[derive(Default)]
struct Incoming {
    names: Vec<&'static str>,
    arrays: Vec<String>,
    arguments: PgArguments,
}

impl Incoming {
    /// Adds a column that each payout has.
    fn column<'t, T>(
        &mut self,
        name: &'static str,
        array: &'static str,
        values: Vec<T>,
    ) -> Result<(), RepositoryError>
    where
        T: Encode<'t, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        if values.is_empty() {
            return Ok(());
        }
        let number = self.argument(values)?;
        self.names.push(name);
        self.arrays.push(format!("${number}::{array}"));
        Ok(())
    }

    /// Adds a column unless none of the payouts has it.
    fn optional<'t, T>(
        &mut self,
        name: &'static str,
        array: &'static str,
        values: Vec<Option<T>>,
    ) -> Result<(), RepositoryError>
    where
        Option<T>: Encode<'t, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        if values.iter().all(Option::is_none) {
            return Ok(());
        }
        self.column(name, array, values)
    }

    /// Adds a parameter, and returns its number.
    fn argument<'t, T>(&mut self, values: Vec<T>) -> Result<usize, RepositoryError>
    where
        T: Encode<'t, Postgres> + Type<Postgres> + PgHasArrayType,
    {
        self.arguments.add(values).map_err(refused)?;
        Ok(self.arguments.len())
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// Returns the parameter of a column.
    fn parameter(&self, name: &str) -> Option<&str> {
        let place = self.names.iter().position(|known| *known == name)?;
        Some(&self.arrays[place])
    }

    /// Returns the columns of a table that the batch has, and their values.
    fn list(&self, values: &[Value]) -> (Vec<&'static str>, Vec<&'static str>) {
        let present = values
            .iter()
            .filter(|(_, _, needed)| needed.is_none_or(|name| self.has(name)));
        present.map(|(column, value, _)| (*column, *value)).unzip()
    }
}

/// Returns the statement for a batch.
///
/// - A single payout is not written if another has its external id. The statement returns that other payout. Rows with an
///   external id are inserted in the order of these, so that two batches which share some wait for each other in one
///   direction only.
/// - A payout is written if it has no idempotency key, or won it. Keys are taken in their order, so that two batches
///   which share some wait for each other in one direction only. Of two rows with one key, the first in the batch wins.
/// - A key in the scope of an API key cannot be won while a record without an API key exists for it.
/// - Once an API key exists, no record is written without one: a process that still does so has not read the API keys
///   yet.
/// - A payout is not written if its provider keys would begin like those of a request whose record was forgotten. The
///   statement returns these spent keys, and the caller runs it again without them.
/// - A payout of a batch waits in the queue of its batch (migration 0017).
pub(super) fn statement<'q>(columns: Columns<'_>) -> Result<Statement<'q, WrittenRow>, RepositoryError> {
    let mut incoming = Incoming::default();
    incoming.column("id", "uuid[]", columns.ids)?;
    incoming.column("amount", "numeric[]", columns.amounts)?;
    incoming.column("currency", "text[]", columns.currencies)?;
    incoming.column("recipient_account", "text[]", columns.accounts)?;
    incoming.column("recipient_name", "text[]", columns.names)?;
    incoming.column("recipient_name_folded", "text[]", columns.folded_names)?;
    incoming.column("description", "text[]", columns.descriptions)?;
    incoming.column("actor", "text[]", columns.actors)?;
    incoming.column("provider", "text[]", columns.providers)?;
    incoming.optional("request_id", "text[]", columns.request_ids)?;
    incoming.optional("reason", "text[]", columns.reasons)?;
    incoming.optional("scheduled_at", "timestamptz[]", columns.scheduled)?;
    incoming.optional("key", "text[]", columns.keys)?;
    incoming.optional("fingerprint", "bytea[]", columns.fingerprints)?;
    incoming.optional("snapshot", "text[]", columns.snapshots)?;
    incoming.optional("sealed_answer", "bytea[]", columns.sealed_answers)?;
    incoming.optional("provider_key", "uuid[]", columns.provider_keys)?;
    incoming.optional("sealed", "bytea[]", columns.sealed)?;
    incoming.optional("mac", "bytea[]", columns.macs)?;
    incoming.optional("recipient_details", "text[]", columns.recipient_details)?;
    incoming.optional("external_id", "text[]", columns.external_ids)?;
    incoming.optional("metadata", "text[]", columns.metadata)?;
    incoming.optional("statement_text", "text[]", columns.statement_texts)?;
    incoming.optional("batch_id", "uuid[]", columns.batches)?;
    incoming.optional("recipient_id", "uuid[]", columns.recipient_ids)?;
    incoming.optional("created_person", "text[]", columns.created_people)?;
    incoming.column("approvals_required", "smallint[]", columns.approvals_required)?;
    incoming.optional("approval_reasons", "text[]", columns.approval_reasons)?;
    let unscoped = match incoming.has("key") {
        true => Some(incoming.argument(columns.unscoped_keys)?),
        false => None,
    };
    let sql = assemble(&incoming, unscoped);
    Ok(sqlx::query_as_with(AssertSqlSafe(sql), incoming.arguments))
}

/// Assembles the statement. `unscoped` is the parameter with the keys in their form without an API key.
fn assemble(incoming: &Incoming, unscoped: Option<usize>) -> String {
    let names = incoming.names.join(", ");
    let mut ctes = vec![format!(
        "incoming AS (SELECT * FROM UNNEST({}) WITH ORDINALITY AS row ({names}, place))",
        incoming.arrays.join(", ")
    )];
    let mut conditions = Vec::new();
    let mut answers =
        vec!["SELECT id, created_at, NULL::uuid AS spent, NULL::uuid AS holder FROM stored".to_owned()];
    let is_free = "(external_id IS NULL OR external_id <> ALL (ARRAY(SELECT external_id FROM taken)))";
    let external_ids = incoming.parameter("external_id");
    // A batch with an external id that is taken is not stored at all, and the index says so. A look-up while the batch
    // is stored would depend on statistics that do not know its rows.
    let sought = external_ids.filter(|_| !incoming.has("batch_id"));
    if let Some(parameter) = sought {
        ctes.push(format!("taken AS ({})", HOLDERS.replace("$1::text[]", parameter)));
    }
    let provider_keys = incoming.parameter("provider_key");
    if let Some(parameter) = provider_keys {
        ctes.push(format!(
            "spent AS (SELECT provider_key FROM spent_provider_keys WHERE provider_key = ANY ({parameter}))"
        ));
        answers.push("SELECT NULL, NULL, provider_key, NULL FROM spent".to_owned());
    }
    if let Some(unscoped) = unscoped {
        ctes.push(format!(
            "answered AS (SELECT key FROM idempotency_keys WHERE key = ANY (${unscoped}))"
        ));
        let mut winning = vec![
            "key IS NOT NULL",
            "CASE position(' ' IN key) WHEN 0 THEN NOT EXISTS (SELECT FROM api_keys)
                ELSE split_part(key, ' ', 2) <> ALL (ARRAY(SELECT key FROM answered)) END",
        ];
        if provider_keys.is_some() {
            winning.push(
                "(provider_key IS NULL OR provider_key <> ALL (ARRAY(SELECT provider_key FROM spent)))",
            );
        }
        winning.extend(sought.map(|_| is_free));
        let sealed = if incoming.has("sealed_answer") {
            "sealed_answer"
        } else {
            "NULL"
        };
        ctes.push(format!(
            "won AS (
                INSERT INTO idempotency_keys (key, created_at, payout_id, fingerprint, snapshot, sealed)
                SELECT key, now(), id, fingerprint, snapshot, {sealed} FROM incoming WHERE {}
                ORDER BY key COLLATE \"C\", place
                ON CONFLICT (key) DO NOTHING
                RETURNING payout_id)",
            winning.join(" AND ")
        ));
        conditions.push("(key IS NULL OR id IN (SELECT payout_id FROM won))".to_owned());
    }
    if provider_keys.is_some() {
        // A payout with a key was checked when it won that.
        let keyed = if unscoped.is_some() {
            "key IS NOT NULL OR "
        } else {
            ""
        };
        conditions.push(format!(
            "({keyed}provider_key IS NULL OR provider_key <> ALL (ARRAY(SELECT spent.provider_key FROM spent)))"
        ));
    }
    if sought.is_some() {
        conditions.push(is_free.to_owned());
        // A request whose key has a record is answered by that.
        let holder = if unscoped.is_some() {
            "CASE WHEN NOT EXISTS (
                SELECT FROM idempotency_keys AS known
                WHERE known.key = ANY (ARRAY[incoming.key, split_part(incoming.key, ' ', 2)])
            ) THEN holder END"
        } else {
            "holder"
        };
        answers.push(format!(
            "SELECT id, NULL, NULL, {holder} FROM taken JOIN incoming USING (external_id)"
        ));
    }
    let chosen = if conditions.is_empty() {
        "incoming"
    } else {
        ctes.push(format!(
            "chosen AS (SELECT * FROM incoming WHERE {})",
            conditions.join(" AND ")
        ));
        "chosen"
    };
    let (mut columns, mut values) = incoming.list(&DETAILS);
    if incoming.has("scheduled_at") {
        columns.push("created_scheduled_at");
        values.push(match incoming.has("approvals_required") {
            true => "CASE WHEN approvals_required = 0 AND scheduled_at > now() THEN scheduled_at END",
            false => "CASE WHEN scheduled_at > now() THEN scheduled_at END",
        });
    }
    let order = external_ids.map_or("", |_| "ORDER BY external_id COLLATE \"C\"");
    ctes.push(format!(
        "stored AS (INSERT INTO payout_details ({}) SELECT {} FROM {chosen} {order} RETURNING id, created_at)",
        columns.join(", "),
        values.join(", ")
    ));
    let (columns, values) = incoming.list(&STATES);
    let (states, state_values) = queue(incoming);
    ctes.push(format!(
        "standing AS (INSERT INTO payout_states ({}, {states}) SELECT {}, {state_values} FROM {chosen})",
        columns.join(", "),
        values.join(", ")
    ));
    format!("WITH {} {}", ctes.join(", "), answers.join(" UNION ALL "))
}

/// Returns the columns that say when a payout is due, and their values. A payout that requires approval is not due, and
/// one of a batch is due in the queue of that.
fn queue(incoming: &Incoming) -> (&'static str, String) {
    let start = match incoming.has("scheduled_at") {
        true => "GREATEST(scheduled_at, now())",
        false => "now()",
    };
    let (held, status) = match incoming.has("approvals_required") {
        true => (
            "approvals_required > 0",
            "CASE WHEN approvals_required > 0 THEN 'awaiting_approval' ELSE 'pending' END",
        ),
        false => ("false", "'pending'"),
    };
    if incoming.has("batch_id") {
        (
            "status, due_at, batch_due_at",
            format!(
                "{status}, CASE WHEN {held} THEN NULL WHEN batch_id IS NULL THEN {start} ELSE '9999-01-01 UTC' END,
                CASE WHEN batch_id IS NOT NULL AND NOT {held} THEN {start} END"
            ),
        )
    } else {
        (
            "status, due_at",
            format!("{status}, CASE WHEN {held} THEN NULL ELSE {start} END"),
        )
    }
}
