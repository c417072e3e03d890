//! Re-encryption, and the keys that the database is encrypted with.

use payout_core::payout::PayoutId;
use payout_core::ports::RepositoryError;
use uuid::Uuid;

use super::link::{Link, only};
use super::state_of_payout;
use crate::encryption::{KeyCheck, KnownKey, Proof, ReencryptedBatch};
use crate::storage::sql::error::refused;
use crate::storage::sql::reseal::{
    RecipientRow, StoredAnswerRow, checked, new_answer, new_recipient, recipient_columns,
};

/// Reads payouts to re-encrypt. Deleted ones are included, since their rows stay.
const PAYOUTS: &str = concat!(
    "SELECT ",
    recipient_columns!(),
    " FROM payout_details AS payout ",
    state_of_payout!(),
    " WHERE payout.id > $1 ORDER BY payout.id LIMIT $2"
);

const ANSWERS: &str = "
    SELECT key, payout_id, fingerprint, snapshot, sealed FROM idempotency_keys WHERE key > $1 ORDER BY key LIMIT $2";

/// Re-encrypts payouts. Rows are locked in the order of their ids, as in every statement. Each is written only while it
/// is unchanged since it was read. A row that another session holds is skipped, and the next pass finds it stale.
const RESEAL_PAYOUTS: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST(
            $1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::bytea[],
            $9::bytea[], $10::bigint[], $11::bytea[], $12::bigint[], $13::text[], $14::text[]
        ) AS row (
            id, was_account, was_name, was_sealed, account, name, name_folded, sealed, was_mac, was_version, mac,
            changed_version, was_details, details
        )
    ), locked AS (
        SELECT id, recipient_account, recipient_name, recipient_details, sealed, mac, version
        FROM payout_states JOIN payout_details USING (id)
        WHERE id = ANY ($1)
        ORDER BY id
        FOR UPDATE SKIP LOCKED
    ), resealed AS (
        UPDATE payout_details AS payout
        SET recipient_account = incoming.account,
            recipient_name = incoming.name,
            recipient_name_folded = incoming.name_folded,
            recipient_details = incoming.details,
            sealed = incoming.sealed,
            mac = incoming.mac,
            changed_version = incoming.changed_version
        FROM incoming JOIN locked USING (id)
        WHERE payout.id = incoming.id
            AND locked.recipient_account = was_account
            AND locked.recipient_name = was_name
            AND locked.recipient_details IS NOT DISTINCT FROM was_details
            AND locked.sealed IS NOT DISTINCT FROM was_sealed
            AND locked.mac IS NOT DISTINCT FROM was_mac
            -- Without a MAC, only the version shows that an amount was changed meanwhile.
            AND (was_mac IS NOT NULL OR locked.version = was_version)
        RETURNING payout.id
    )
    SELECT count(*) FROM resealed";

const RESEAL_ANSWERS: &str = "
    WITH incoming AS (
        SELECT * FROM UNNEST($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::bytea[])
            AS row (key, was_snapshot, was_sealed, fingerprint, snapshot, sealed)
    ), locked AS (
        SELECT key, snapshot, sealed FROM idempotency_keys WHERE key = ANY ($1) ORDER BY key
        FOR UPDATE SKIP LOCKED
    ), resealed AS (
        UPDATE idempotency_keys
        SET fingerprint = incoming.fingerprint, snapshot = incoming.snapshot, sealed = incoming.sealed
        FROM incoming JOIN locked USING (key)
        WHERE idempotency_keys.key = incoming.key
            AND locked.snapshot = was_snapshot
            AND locked.sealed IS NOT DISTINCT FROM was_sealed
        RETURNING idempotency_keys.key
    )
    SELECT count(*) FROM resealed";

const KNOWN_KEYS: &str = "SELECT id, proof, protected FROM sealing_keys ORDER BY id";

/// Registers a key. If a database has no payout when its first key is registered, none of its payouts will ever lack a
/// MAC.
const KNOW_KEY: &str = "
    INSERT INTO sealing_keys (id, proof, first_used_at, protected)
    SELECT $1, $2, now(), CASE
        WHEN NOT EXISTS (SELECT FROM payout_details) AND NOT EXISTS (SELECT FROM recipients)
            AND NOT EXISTS (SELECT FROM sealing_keys) THEN $3::bytea END
    ON CONFLICT (id) DO NOTHING
    RETURNING id";

/// Records that every row has a MAC of this key.
const PROTECTED: &str = "UPDATE sealing_keys SET protected = $2 WHERE id = $1 RETURNING id";

const FORGET_KEYS: &str = "DELETE FROM sealing_keys WHERE id <> $1 RETURNING id";

pub(super) async fn payouts(
    link: &Link,
    after: Option<PayoutId>,
    limit: u32,
) -> Result<ReencryptedBatch<PayoutId>, RepositoryError> {
    let (after, rows) = (after.map_or(Uuid::nil(), PayoutId::as_uuid), checked(limit)?);
    let rows = link
        .read(|| sqlx::query_as::<_, RecipientRow>(PAYOUTS).bind(after).bind(rows))
        .await?;
    let last = rows.last().map(|row| PayoutId::from(row.id));
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| new_recipient(row, &link.keyring), |row| row.id);
    if !stale.is_empty() {
        let statement = sqlx::query_as::<_, (i64,)>(RESEAL_PAYOUTS)
            .bind(stale.iter().map(|one| one.row.id).collect::<Vec<_>>())
            .bind(column(&stale, |one| &one.row.recipient_account))
            .bind(column(&stale, |one| &one.row.recipient_name))
            .bind(column(&stale, |one| &one.row.sealed))
            .bind(column(&stale, |one| &one.new.account))
            .bind(column(&stale, |one| &one.new.name))
            .bind(column(&stale, |one| &one.new.name_folded))
            .bind(column(&stale, |one| &one.new.sealed))
            .bind(column(&stale, |one| &one.row.mac))
            .bind(column(&stale, |one| &one.row.version))
            .bind(column(&stale, |one| &one.new.mac))
            .bind(column(&stale, |one| &one.new.changed_version))
            .bind(column(&stale, |one| &one.row.recipient_details))
            .bind(column(&stale, |one| &one.new.details));
        let (sealed,) = only(link.write(statement).await?)?;
        stretch.sealed = sealed.unsigned_abs();
    }
    Ok(stretch)
}

pub(super) async fn answers(
    link: &Link,
    after: Option<&str>,
    limit: u32,
) -> Result<ReencryptedBatch<String>, RepositoryError> {
    let (after, rows) = (after.unwrap_or_default(), checked(limit)?);
    let rows = link
        .read(|| {
            sqlx::query_as::<_, StoredAnswerRow>(ANSWERS)
                .bind(after)
                .bind(rows)
        })
        .await?;
    let last = rows.last().map(|row| row.key.clone());
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| new_answer(row, &link.keyring), |row| row.payout_id);
    if !stale.is_empty() {
        let statement = sqlx::query_as::<_, (i64,)>(RESEAL_ANSWERS)
            .bind(column(&stale, |one| &one.row.key))
            .bind(column(&stale, |one| &one.row.snapshot))
            .bind(column(&stale, |one| &one.row.sealed))
            .bind(stale.iter().map(|one| one.new.fingerprint).collect::<Vec<_>>())
            .bind(column(&stale, |one| &one.new.snapshot))
            .bind(column(&stale, |one| &one.new.sealed));
        let (sealed,) = only(link.write(statement).await?)?;
        stretch.sealed = sealed.unsigned_abs();
    }
    Ok(stretch)
}

fn column<'a, One, Value: Clone + 'a>(rows: &'a [One], of: impl Fn(&'a One) -> &'a Value) -> Vec<Value> {
    rows.iter().map(of).cloned().collect()
}

pub(super) async fn check_keys(link: &Link) -> Result<KeyCheck, RepositoryError> {
    let known = known_keys(link).await?;
    let proof = link.keyring.proof().map_err(refused)?;
    match (link.keyring.check(&known), proof) {
        // Registered before it encrypts anything. Of two processes that register at once, one is checked against the
        // other.
        (KeyCheck::Fits, Some(Proof { id, proof, protected }))
            if known.iter().all(|(known, _, _)| known != id) =>
        {
            let statement = sqlx::query_as::<_, (String,)>(KNOW_KEY)
                .bind(id)
                .bind(proof)
                .bind(protected);
            link.write(statement).await?;
            Ok(link.keyring.check(&known_keys(link).await?))
        }
        (check, _) => Ok(check),
    }
}

pub(super) async fn compare_keys(link: &Link) -> Result<KeyCheck, RepositoryError> {
    Ok(link.keyring.check(&known_keys(link).await?))
}

async fn known_keys(link: &Link) -> Result<Vec<KnownKey>, RepositoryError> {
    link.read(|| sqlx::query_as(KNOWN_KEYS)).await
}

pub(super) async fn forget_other_keys(link: &Link) -> Result<Vec<String>, RepositoryError> {
    let Some(Proof { id, protected, .. }) = link.keyring.proof().map_err(refused)? else {
        return Err(refused("without a key there is none to keep"));
    };
    // Written first, so that at every moment some key has the mark.
    let mark = sqlx::query_as::<_, (String,)>(PROTECTED).bind(id).bind(protected);
    link.write(mark).await?;
    link.keyring.become_strict();
    let statement = sqlx::query_as::<_, (String,)>(FORGET_KEYS).bind(id);
    let forgotten = link.write(statement).await?;
    Ok(forgotten.into_iter().map(|(id,)| id).collect())
}
