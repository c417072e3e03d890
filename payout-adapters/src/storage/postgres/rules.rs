//! The operator's rules, as the latest server had them.

use payout_core::ports::RepositoryError;

use super::link::Link;

/// Writes the rules unless they are there already, and returns those that were there when the statement began.
const RECORD: &str = "
    WITH before AS (SELECT rules FROM operator_rules), written AS (
        INSERT INTO operator_rules (rules) VALUES ($1)
        ON CONFLICT (is_only) DO UPDATE SET rules = excluded.rules, changed_at = now()
        WHERE operator_rules.rules <> excluded.rules
    )
    SELECT (SELECT rules FROM before)";

const RECORDED: &str = "SELECT rules FROM operator_rules";

pub(super) async fn record(link: &Link, rules: &str) -> Result<Option<String>, RepositoryError> {
    let statement = sqlx::query_as::<_, (Option<String>,)>(RECORD).bind(rules);
    let before = link.write(statement).await?.into_iter().next();
    Ok(before.and_then(|(rules,)| rules))
}

pub(super) async fn recorded(link: &Link) -> Result<Option<String>, RepositoryError> {
    let recorded = link.read(|| sqlx::query_as::<_, (String,)>(RECORDED)).await?;
    Ok(recorded.into_iter().next().map(|(rules,)| rules))
}
