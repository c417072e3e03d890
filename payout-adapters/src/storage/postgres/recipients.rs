//! Stored recipients.

use async_trait::async_trait;
use payout_core::payout::ExternalId;
use payout_core::ports::{
    Archived, ListedRecipient, RecipientQuery, RecipientRepository, RecipientRepositoryError, RepositoryError,
};
use payout_core::stored_recipient::{NewStoredRecipient, RecipientChange, RecipientId, StoredRecipient};
use uuid::Uuid;

use super::PostgresRepository;
use super::link::{Link, Statement};
use crate::encryption::ReencryptedBatch;
use crate::storage::reads::Cost;
use crate::storage::sql::error::{breaks_constraint, refused};
use crate::storage::sql::reseal::checked;
use crate::storage::sql::stored_recipients::{
    RecipientColumns, StoredRecipientRow, stored_recipient_columns,
};

const INSERT: &str = concat!(
    "INSERT INTO recipients (id, external_id, account, name, details, sealed, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, 1, now(), now())
    RETURNING ",
    stored_recipient_columns!()
);

const CHANGE: &str = concat!(
    "UPDATE recipients
    SET external_id = $3, account = $4, name = $5, details = $6, sealed = $7, version = version + 1,
        updated_at = now(), archived_at = CASE WHEN $8 THEN COALESCE(archived_at, now()) END
    WHERE id = $1 AND version = $2
    RETURNING ",
    stored_recipient_columns!()
);

const FIND: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id = $1"
);

const FIND_MANY: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id = ANY ($1)"
);

const LIST: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients
    WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2))
        AND ($3::text IS NULL OR external_id = $3)
        AND ($4::boolean IS NULL OR (archived_at IS NOT NULL) = $4)
    ORDER BY created_at DESC, id DESC LIMIT $5"
);

const HOLDER: &str = "SELECT id FROM recipients WHERE external_id = $1";

const SEALED: &str = concat!(
    "SELECT ",
    stored_recipient_columns!(),
    " FROM recipients WHERE id > $1 ORDER BY id LIMIT $2"
);

/// Re-encrypts a recipient, unless it was changed since it was read. No version increases.
const RESEAL: &str = "
    UPDATE recipients SET account = $3, name = $4, details = $5, sealed = $6
    WHERE id = $1 AND version = $2 AND sealed IS NOT DISTINCT FROM $7
    RETURNING id";

#[async_trait]
impl RecipientRepository for PostgresRepository {
    async fn insert_recipient(
        &self,
        new: &NewStoredRecipient,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        let id = new.id.as_uuid();
        let columns = RecipientColumns::of(id, &new.recipient, &self.link.keyring)?;
        let statement = sqlx::query_as::<_, StoredRecipientRow>(INSERT).bind(id);
        let statement = described(statement, new.external_id.as_ref(), columns);
        let row = write(&self.link, statement, new.external_id.as_ref()).await?;
        let row = row.ok_or_else(|| refused("the insert did not answer for a recipient"))?;
        Ok(row.restore(&self.link.keyring)?)
    }

    async fn change_recipient(
        &self,
        change: &RecipientChange,
    ) -> Result<StoredRecipient, RecipientRepositoryError> {
        let id = change.id.as_uuid();
        let columns = RecipientColumns::of(id, &change.recipient, &self.link.keyring)?;
        let expected = i64::try_from(change.expected_version).map_err(refused)?;
        let statement = sqlx::query_as::<_, StoredRecipientRow>(CHANGE)
            .bind(id)
            .bind(expected);
        let statement = described(statement, change.external_id.as_ref(), columns).bind(change.archived);
        let row = write(&self.link, statement, change.external_id.as_ref()).await?;
        let row = row.ok_or(RecipientRepositoryError::VersionConflict)?;
        Ok(row.restore(&self.link.keyring)?)
    }

    async fn find_recipient(&self, id: RecipientId) -> Result<Option<StoredRecipient>, RepositoryError> {
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, StoredRecipientRow>(FIND).bind(id.as_uuid()))
            .await?;
        let found = rows.first();
        found.map(|row| row.restore(&self.link.keyring)).transpose()
    }

    async fn find_recipients(&self, ids: &[RecipientId]) -> Result<Vec<StoredRecipient>, RepositoryError> {
        let ids: Vec<Uuid> = ids.iter().copied().map(RecipientId::as_uuid).collect();
        let rows = self
            .link
            .read(|| sqlx::query_as::<_, StoredRecipientRow>(FIND_MANY).bind(&ids))
            .await?;
        let restored = rows.iter().map(|row| row.restore(&self.link.keyring));
        Ok(restored.filter_map(Result::ok).collect())
    }

    async fn list_recipients(&self, query: &RecipientQuery) -> Result<Vec<ListedRecipient>, RepositoryError> {
        let archived = match query.archived {
            Archived::Without => Some(false),
            Archived::Only => Some(true),
            Archived::With => None,
        };
        let rows = self
            .link
            .read_costly(Cost::Light, || {
                sqlx::query_as::<_, StoredRecipientRow>(LIST)
                    .bind(query.after.map(|place| place.created_at))
                    .bind(query.after.map(|place| place.id.as_uuid()))
                    .bind(query.external_id.as_ref().map(ExternalId::as_str))
                    .bind(archived)
                    .bind(i64::from(query.limit))
                    // Planned again with the actual values.
                    .persistent(false)
            })
            .await?;
        Ok(rows.iter().map(|row| row.listed(&self.link.keyring)).collect())
    }
}

/// Binds the columns that a client describes.
fn described<'q>(
    statement: Statement<'q, StoredRecipientRow>,
    external_id: Option<&ExternalId>,
    columns: RecipientColumns,
) -> Statement<'q, StoredRecipientRow> {
    statement
        .bind(external_id.map(|id| id.as_str().to_owned()))
        .bind(columns.account)
        .bind(columns.name)
        .bind(columns.details)
        .bind(columns.sealed)
}

/// Writes a row, and finds the recipient that has its external id if that is taken.
async fn write(
    link: &Link,
    statement: Statement<'_, StoredRecipientRow>,
    external_id: Option<&ExternalId>,
) -> Result<Option<StoredRecipientRow>, RecipientRepositoryError> {
    match link.write(statement).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if breaks_constraint(&error, "recipients_external_id") => {
            let taken = external_id.map(ExternalId::as_str).unwrap_or_default();
            let holder = link
                .read(|| sqlx::query_as::<_, (Uuid,)>(HOLDER).bind(taken))
                .await?;
            Err(match holder.first() {
                Some((holder,)) => RecipientRepositoryError::ExternalIdTaken(RecipientId::from(*holder)),
                None => RecipientRepositoryError::Store(error),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Re-encrypts stored recipients.
pub(super) async fn reseal(
    link: &Link,
    after: Option<RecipientId>,
    limit: u32,
) -> Result<ReencryptedBatch<RecipientId>, RepositoryError> {
    let (after, rows) = (after.map_or(Uuid::nil(), RecipientId::as_uuid), checked(limit)?);
    let rows = link
        .read(|| {
            sqlx::query_as::<_, StoredRecipientRow>(SEALED)
                .bind(after)
                .bind(rows)
        })
        .await?;
    let last = rows.last().map(|row| RecipientId::from(row.id));
    let mut stretch = ReencryptedBatch::of(rows.len(), limit, last);
    let stale = stretch.reseal(rows, |row| row.resealed(&link.keyring), |row| row.id);
    for one in stale {
        let statement = sqlx::query_as::<_, (Uuid,)>(RESEAL)
            .bind(one.row.id)
            .bind(one.row.version)
            .bind(one.new.account)
            .bind(one.new.name)
            .bind(one.new.details)
            .bind(one.new.sealed)
            .bind(one.row.sealed);
        stretch.sealed += link.write(statement).await?.len() as u64;
    }
    Ok(stretch)
}
