//! An online copy of the file.

use std::path::Path;

use payout_core::ports::RepositoryError;

use super::store::Store;
use crate::storage::sql::error::{refused, repository_error};

/// Copies the database as of one moment, whole and compact; other processes can write meanwhile.
const COPY: &str = "VACUUM INTO ?1";

pub(super) async fn copy(store: &Store, to: &Path) -> Result<(), RepositoryError> {
    let to = to
        .to_str()
        .ok_or_else(|| refused("the name of the copy is not UTF-8 text"))?;
    let copy = sqlx::query(COPY).bind(to.to_owned());
    let mut writer = store.writer().await.map_err(repository_error)?;
    copy.execute(&mut *writer).await.map_err(repository_error)?;
    writer.give_back();
    Ok(())
}
