//! Re-encryption, and the keys that the database is encrypted with.

use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;
use serde::Serialize;
use uuid::Uuid;

use super::store::{Store, Write, hex, json, run_detached};
use crate::encryption::{KeyCheck, KnownKey, Proof, ReencryptedBatch};
use crate::storage::sql::error::{refused, repository_error};
use crate::storage::sql::reseal::{
    RecipientRow, StoredAnswerRow, checked, new_answer, new_recipient, recipient_columns,
};

/// Reads payouts to re-encrypt. Deleted ones are included, since their rows stay.
const PAYOUTS: &str = concat!(
    "SELECT ",
    recipient_columns!(),
    " FROM payout_details AS payout CROSS JOIN payout_states AS state ON state.id = payout.id
    WHERE payout.id > ?1 ORDER BY payout.id LIMIT ?2"
);

const ANSWERS: &str = "
    SELECT key, payout_id, fingerprint, snapshot, sealed FROM idempotency_keys WHERE key > ?1 ORDER BY key LIMIT ?2";

/// Re-encrypts payouts. Each row is written only while it is unchanged since it was read.
const RESEAL_PAYOUTS: &str = "
    UPDATE payout_details
    SET recipient_account = value ->> 'account',
        recipient_name = value ->> 'name',
        recipient_name_folded = value ->> 'name_folded',
        recipient_details = value ->> 'details',
        sealed = unhex(value ->> 'sealed'),
        mac = unhex(value ->> 'mac'),
        changed_version = value ->> 'changed_version'
    FROM jsonb_each(?1)
    WHERE payout_details.id = unhex(value ->> 'id')
        AND recipient_account = value ->> 'was_account'
        AND recipient_name = value ->> 'was_name'
        AND recipient_details IS value ->> 'was_details'
        AND payout_details.sealed IS unhex(value ->> 'was_sealed')
        AND payout_details.mac IS unhex(value ->> 'was_mac')
        -- Without a MAC, only the version shows that an amount was changed meanwhile.
        AND (value ->> 'was_mac' IS NOT NULL OR value ->> 'was_version' =
            (SELECT version FROM payout_states WHERE payout_states.id = payout_details.id))";

const RESEAL_ANSWERS: &str = "
    UPDATE idempotency_keys
    SET fingerprint = unhex(value ->> 'fingerprint'),
        snapshot = value ->> 'snapshot',
        sealed = unhex(value ->> 'sealed')
    FROM jsonb_each(?1) AS incoming
    WHERE idempotency_keys.key = value ->> 'name'
        AND idempotency_keys.snapshot = value ->> 'was_snapshot'
        AND idempotency_keys.sealed IS unhex(value ->> 'was_sealed')";

const KNOWN_KEYS: &str = "SELECT id, proof, protected FROM sealing_keys ORDER BY id";

/// Registers a key. If a database has no payout when its first key is registered, none of its payouts will ever lack a
/// MAC.
const KNOW_KEY: &str = "
    INSERT INTO sealing_keys (id, proof, first_used_at, protected)
    SELECT ?1, ?2, ?3, CASE
        WHEN NOT EXISTS (SELECT 1 FROM payout_details) AND NOT EXISTS (SELECT 1 FROM recipients)
            AND NOT EXISTS (SELECT 1 FROM sealing_keys) THEN ?4 END
    WHERE true
    ON CONFLICT (id) DO NOTHING";

/// Records that every row has a MAC of this key.
const PROTECTED: &str = "UPDATE sealing_keys SET protected = ?2 WHERE id = ?1";

const FORGET_KEYS: &str = "DELETE FROM sealing_keys WHERE id <> ?1 RETURNING id";

#[derive(Serialize)]
struct Recipient {
    id: String,
    was_account: String,
    was_name: String,
    was_details: Option<String>,
    was_sealed: Option<String>,
    account: String,
    name: String,
    name_folded: String,
    details: Option<String>,
    sealed: Option<String>,
    was_mac: Option<String>,
    was_version: i64,
    mac: Option<String>,
    changed_version: Option<i64>,
}

#[derive(Serialize)]
struct Answer {
    name: String,
    was_snapshot: String,
    was_sealed: Option<String>,
    fingerprint: String,
    snapshot: String,
    sealed: Option<String>,
}

pub(super) async fn payouts(
    store: &Store,
    after: Option<PayoutId>,
    limit: u32,
) -> Result<ReencryptedBatch<PayoutId>, RepositoryError> {
    let statement = sqlx::query_as::<_, RecipientRow>(PAYOUTS)
        .bind(after.map_or(Uuid::nil(), PayoutId::as_uuid))
        .bind(checked(limit)?);
    let rows = store.read(statement).await?;
    let last = rows.last().map(|row| PayoutId::from(row.id));
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| new_recipient(row, &store.keyring), |row| row.id);
    let batch: Vec<Recipient> = stale
        .into_iter()
        .map(|one| Recipient {
            id: hex(one.row.id.as_bytes()),
            was_account: one.row.recipient_account,
            was_name: one.row.recipient_name,
            was_details: one.row.recipient_details,
            was_sealed: one.row.sealed.as_deref().map(hex),
            account: one.new.account,
            name: one.new.name,
            name_folded: one.new.name_folded,
            details: one.new.details,
            sealed: one.new.sealed.as_deref().map(hex),
            was_mac: one.row.mac.as_deref().map(hex),
            was_version: one.row.version,
            mac: one.new.mac.as_deref().map(hex),
            changed_version: one.new.changed_version,
        })
        .collect();
    stretch.sealed = write(store, RESEAL_PAYOUTS, &batch).await?;
    Ok(stretch)
}

pub(super) async fn answers(
    store: &Store,
    after: Option<&str>,
    limit: u32,
) -> Result<ReencryptedBatch<String>, RepositoryError> {
    let statement = sqlx::query_as::<_, StoredAnswerRow>(ANSWERS)
        .bind(after.unwrap_or_default())
        .bind(checked(limit)?);
    let rows = store.read(statement).await?;
    let last = rows.last().map(|row| row.key.clone());
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| new_answer(row, &store.keyring), |row| row.payout_id);
    let batch: Vec<Answer> = stale
        .into_iter()
        .map(|one| Answer {
            name: one.row.key,
            was_snapshot: one.row.snapshot,
            was_sealed: one.row.sealed.as_deref().map(hex),
            fingerprint: hex(&one.new.fingerprint),
            snapshot: one.new.snapshot,
            sealed: one.new.sealed.as_deref().map(hex),
        })
        .collect();
    stretch.sealed = write(store, RESEAL_ANSWERS, &batch).await?;
    Ok(stretch)
}

async fn write<Row: Serialize>(
    store: &Store,
    statement: &'static str,
    batch: &[Row],
) -> Result<u64, RepositoryError> {
    if batch.is_empty() {
        return Ok(0);
    }
    let (store, batch) = (store.clone(), json(&batch)?);
    run_detached(async move {
        let Write { mut transaction, .. } = store.begin().await.map_err(repository_error)?;
        let written = sqlx::query(statement)
            .bind(batch)
            .execute(&mut *transaction)
            .await;
        let rows = written.map_err(repository_error)?.rows_affected();
        transaction.commit().await.map_err(repository_error)?;
        Ok(rows)
    })
    .await
}

pub(super) async fn check_keys(store: &Store) -> Result<KeyCheck, RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        // A writer from the start: of two processes that register a key at once, one is checked against the other.
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let known = sqlx::query_as(KNOWN_KEYS).fetch_all(&mut *transaction).await;
        let mut known: Vec<KnownKey> = known.map_err(repository_error)?;
        let proof = store.keyring.proof().map_err(refused)?;
        let check = store.keyring.check(&known);
        if let (KeyCheck::Fits, Some(Proof { id, proof, protected })) = (&check, proof) {
            let statement = sqlx::query(KNOW_KEY)
                .bind(id.to_owned())
                .bind(proof)
                .bind(now.timestamp_micros())
                .bind(protected);
            statement
                .execute(&mut *transaction)
                .await
                .map_err(repository_error)?;
            let again = sqlx::query_as(KNOWN_KEYS).fetch_all(&mut *transaction).await;
            known = again.map_err(repository_error)?;
        }
        let check = store.keyring.check(&known);
        transaction.commit().await.map_err(repository_error)?;
        Ok(check)
    })
    .await
}

pub(super) async fn compare_keys(store: &Store) -> Result<KeyCheck, RepositoryError> {
    let known: Vec<KnownKey> = store.read(sqlx::query_as(KNOWN_KEYS)).await?;
    Ok(store.keyring.check(&known))
}

pub(super) async fn forget_other_keys(store: &Store) -> Result<Vec<String>, RepositoryError> {
    let Some(Proof { id, protected, .. }) = store.keyring.proof().map_err(refused)? else {
        return Err(refused("without a key there is none to keep"));
    };
    let (current, store) = (id.to_owned(), store.clone());
    run_detached(async move {
        let Write { mut transaction, .. } = store.begin().await.map_err(repository_error)?;
        let mark = sqlx::query(PROTECTED).bind(current.clone()).bind(protected);
        mark.execute(&mut *transaction).await.map_err(repository_error)?;
        let statement = sqlx::query_as::<_, (String,)>(FORGET_KEYS).bind(current);
        let forgotten = statement
            .fetch_all(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        store.keyring.become_strict();
        Ok(forgotten.into_iter().map(|(id,)| id).collect())
    })
    .await
}

/// Rewrites the file and truncates its log: overwritten values stay in neither.
pub(super) async fn compact(store: &Store) -> Result<(), RepositoryError> {
    let store = store.clone();
    run_detached(async move {
        let mut writer = store.writer().await.map_err(repository_error)?;
        sqlx::query("VACUUM")
            .execute(&mut *writer)
            .await
            .map_err(repository_error)?;
        let checkpoint = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(TRUNCATE)");
        let (busy, _, _) = checkpoint
            .fetch_one(&mut *writer)
            .await
            .map_err(repository_error)?;
        writer.give_back();
        if busy != 0 {
            return Err(crate::storage::sql::error::unavailable(
                "another process reads the log of the database",
            ));
        }
        Ok(())
    })
    .await
}
