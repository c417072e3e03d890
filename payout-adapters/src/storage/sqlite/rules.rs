//! The operator's rules, as the latest server had them.

use payout_core::ports::RepositoryError;

use super::store::{Store, Write, run_detached};
use crate::storage::sql::error::repository_error;

const RECORDED: &str = "SELECT rules FROM operator_rules";

/// Writes the rules unless they are there already.
const RECORD: &str = "
    INSERT INTO operator_rules (is_only, rules, changed_at) VALUES (1, ?1, ?2)
    ON CONFLICT (is_only) DO UPDATE SET rules = excluded.rules, changed_at = excluded.changed_at
    WHERE operator_rules.rules <> excluded.rules";

pub(super) async fn record(store: &Store, rules: &str) -> Result<Option<String>, RepositoryError> {
    let (store, rules) = (store.clone(), rules.to_owned());
    run_detached(async move {
        let Write { mut transaction, now } = store.begin().await.map_err(repository_error)?;
        let before = sqlx::query_as::<_, (String,)>(RECORDED)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(repository_error)?;
        sqlx::query(RECORD)
            .bind(rules)
            .bind(now.timestamp_micros())
            .execute(&mut *transaction)
            .await
            .map_err(repository_error)?;
        transaction.commit().await.map_err(repository_error)?;
        Ok(before.map(|(rules,)| rules))
    })
    .await
}

pub(super) async fn recorded(store: &Store) -> Result<Option<String>, RepositoryError> {
    let recorded: Vec<(String,)> = store.read(sqlx::query_as(RECORDED)).await?;
    Ok(recorded.into_iter().next().map(|(rules,)| rules))
}
