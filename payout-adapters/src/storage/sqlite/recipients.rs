//! Stored recipients.

use async_trait::async_trait;
use payout_core::payout::ExternalId;
use payout_core::ports::{
    Archived, ListedRecipient, RecipientQuery, RecipientRepository, RecipientRepositoryError, RepositoryError,
};
use payout_core::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};
use uuid::Uuid;

use super::SqliteRepository;
use super::store::{Statement, Store, Write};
use super::writer::Transaction;
use crate::encryption::ReencryptedBatch;
use crate::storage::reads::Cost;
use crate::storage::sql::error::{refused, repository_error};
use crate::storage::sql::reseal::checked;
use crate::storage::sql::stored_recipients::{
    RecipientColumns, StoredRecipientRow, stored_recipient_columns,
};

const INSERT: &str = concat!(
    "INSERT INTO recipients (id, external_id, account, name, details, sealed, version, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)
    RETURNING ",
    stored_recipient_columns!()
);

const CHANGE: &str = concat!(
    "UPDATE recipients
    SET external_id = ?2, account = ?3, name = ?4, details = ?5, sealed = ?6, version = version + 1,
        updated_at = ?7, archived_at = CASE WHEN ?8 THEN coalesce(archived_at, ?7) END
    WHERE id = ?1 AND version = ?9
    RETURNING ",
    stored_recipient_columns!()
);

const FIND: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id = ?1"
);

const FIND_MANY: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id IN (SELECT unhex(value) FROM jsonb_each(?1))"
);

const LIST: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients
    WHERE (created_at, id) < (?1, ?2)
        AND (?3 IS NULL OR (archived_at IS NOT NULL) = ?3)
    ORDER BY created_at DESC, id DESC LIMIT ?4"
);

const LIST_BY_EXTERNAL_ID: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients
    WHERE (created_at, id) < (?1, ?2)
        AND (?3 IS NULL OR (archived_at IS NOT NULL) = ?3)
        AND external_id = ?5 LIMIT ?4"
);

const HOLDER: &str = "SELECT id FROM recipients WHERE external_id = ?1 AND id <> ?2";

const SEALED: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id > ?1 ORDER BY id LIMIT ?2"
);

/// Re-encrypts a recipient, unless it was changed since it was read. No version increases.
const RESEAL: &str = "
    UPDATE recipients SET account = ?3, name = ?4, details = ?5, sealed = ?6
    WHERE id = ?1 AND version = ?2 AND sealed IS ?7";

#[async_trait]
impl RecipientRepository for SqliteRepository {
    async fn insert_recipient(
        &self,
        new: &NewStoredRecipient,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        let id = new.id.as_uuid();
        let columns = RecipientColumns::of(id, &new.recipient, &self.store.keyring)?;
        let mut write = self.begin(id, new.external_id.as_ref()).await?;
        let now = write.now.timestamp_micros();
        let statement = described(sqlx::query_as(INSERT), id, new.external_id.as_ref(), columns).bind(now);
        let row = statement
            .fetch_one(&mut *write.transaction)
            .await
            .map_err(repository_error)?;
        self.commit(write, &row).await
    }

    async fn change_recipient(
        &self,
        change: &RecipientChange,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        let id = change.id.as_uuid();
        let columns = RecipientColumns::of(id, &change.recipient, &self.store.keyring)?;
        let expected = i64::try_from(change.expected_version).map_err(refused)?;
        let mut write = self.begin(id, change.external_id.as_ref()).await?;
        let now = write.now.timestamp_micros();
        let statement = described(sqlx::query_as(CHANGE), id, change.external_id.as_ref(), columns)
            .bind(now)
            .bind(change.archived)
            .bind(expected);
        let row = statement
            .fetch_optional(&mut *write.transaction)
            .await
            .map_err(repository_error)?;
        match row {
            Some(row) => self.commit(write, &row).await,
            None => {
                write.transaction.rollback().await.map_err(repository_error)?;
                Err(RecipientRepositoryError::VersionConflict)
            }
        }
    }

    async fn find_recipient(&self, id: RecipientId) -> Result<Option<StoredRecipient>, RepositoryError> {
        let statement = sqlx::query_as::<_, StoredRecipientRow>(FIND).bind(id.as_uuid());
        let rows = self.store.read(statement).await?;
        let found = rows.first();
        found.map(|row| row.restore(&self.store.keyring)).transpose()
    }

    async fn find_recipients(&self, ids: &[RecipientId]) -> Result<Vec<StoredRecipient>, RepositoryError> {
        let ids = super::claim::hexes(ids.iter().copied().map(RecipientId::as_uuid))?;
        let find = sqlx::query_as::<_, StoredRecipientRow>(FIND_MANY).bind(ids);
        let rows = self.store.read(find).await?;
        let restored = rows.iter().map(|row| row.restore(&self.store.keyring));
        Ok(restored.filter_map(Result::ok).collect())
    }

    async fn list_recipients(&self, query: &RecipientQuery) -> Result<Vec<ListedRecipient>, RepositoryError> {
        let archived = match query.archived {
            Archived::Without => Some(false),
            Archived::Only => Some(true),
            Archived::With => None,
        };
        let place = query.after.map_or((i64::MAX, Uuid::max()), |place| {
            (place.created_at.timestamp_micros(), place.id.as_uuid())
        });
        let text = if query.external_id.is_some() {
            LIST_BY_EXTERNAL_ID
        } else {
            LIST
        };
        let statement = sqlx::query_as::<_, StoredRecipientRow>(text)
            .bind(place.0)
            .bind(place.1)
            .bind(archived)
            .bind(i64::from(query.limit));
        let statement = match &query.external_id {
            Some(external_id) => statement.bind(external_id.as_str().to_owned()),
            None => statement,
        };
        let rows = self.store.read_costly(Cost::Light, statement).await?;
        Ok(rows.iter().map(|row| row.listed(&self.store.keyring)).collect())
    }
}

impl SqliteRepository {
    /// Begins a write, unless another recipient has the external id. Use cases run writes in tasks of their own, so
    /// that none is dropped midway.
    async fn begin(
        &self,
        id: Uuid,
        external_id: Option<&ExternalId>,
    ) -> Result<Write, RecipientRepositoryError> {
        let mut write = self.store.begin().await.map_err(repository_error)?;
        let Some(external_id) = external_id else {
            return Ok(write);
        };
        match holder(&mut write.transaction, id, external_id).await? {
            None => Ok(write),
            Some(holder) => {
                write.transaction.rollback().await.map_err(repository_error)?;
                Err(RecipientRepositoryError::ExternalIdTaken(holder))
            }
        }
    }

    async fn commit(
        &self,
        write: Write,
        row: &StoredRecipientRow,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        write.transaction.commit().await.map_err(repository_error)?;
        Ok(row.restore(&self.store.keyring)?)
    }
}

async fn holder(
    transaction: &mut Transaction,
    id: Uuid,
    external_id: &ExternalId,
) -> Result<Option<RecipientId>, RepositoryError> {
    let holder: Option<(Uuid,)> = sqlx::query_as(HOLDER)
        .bind(external_id.as_str())
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await
        .map_err(repository_error)?;
    Ok(holder.map(|(id,)| RecipientId::from(id)))
}

/// Binds the id and the columns that a client describes.
fn described<'q>(
    statement: Statement<'q, StoredRecipientRow>,
    id: Uuid,
    external_id: Option<&ExternalId>,
    columns: RecipientColumns,
) -> Statement<'q, StoredRecipientRow> {
    statement
        .bind(id)
        .bind(external_id.map(|id| id.as_str().to_owned()))
        .bind(columns.account)
        .bind(columns.name)
        .bind(columns.details)
        .bind(columns.sealed)
}

/// Re-encrypts stored recipients.
pub(super) async fn reseal(
    store: &Store,
    after: Option<RecipientId>,
    limit: u32,
) -> Result<ReencryptedBatch<RecipientId>, RepositoryError> {
    let (after, rows) = (after.map_or(Uuid::nil(), RecipientId::as_uuid), checked(limit)?);
    let statement = sqlx::query_as::<_, StoredRecipientRow>(SEALED)
        .bind(after)
        .bind(rows);
    let rows = store.read(statement).await?;
    let last = rows.last().map(|row| RecipientId::from(row.id));
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| row.resealed(&store.keyring), |row| row.id);
    if stale.is_empty() {
        return Ok(stretch);
    }
    let store = store.clone();
    let sealed = super::store::run_detached(async move {
        let Write { mut transaction, .. } = store.begin().await.map_err(repository_error)?;
        let mut sealed = 0;
        for one in stale {
            let statement = sqlx::query(RESEAL)
                .bind(one.row.id)
                .bind(one.row.version)
                .bind(one.new.account)
                .bind(one.new.name)
                .bind(one.new.details)
                .bind(one.new.sealed)
                .bind(one.row.sealed);
            let done = statement.execute(&mut *transaction).await;
            sealed += done.map_err(repository_error)?.rows_affected();
        }
        transaction.commit().await.map_err(repository_error)?;
        Ok(sealed)
    })
    .await?;
    stretch.sealed = sealed;
    Ok(stretch)
}
