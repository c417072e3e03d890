//! Tests of the index that serves each statement: SQLite decides before it knows the parameters, so its plans can be
//! read.

use sqlx::{Connection, SqliteConnection};

use super::{claim, deleted, list, payout_stats, schema};

/// Returns the plan of a statement, one step a line.
async fn plan(connection: &mut SqliteConnection, statement: &'static str) -> String {
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(connection).await.unwrap();
    steps.into_iter().map(|(_, _, _, step)| step + "\n").collect()
}

#[tokio::test]
async fn every_statement_walks_the_index_made_for_it() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    schema::MIGRATIONS.run(&mut connection).await.unwrap();
    for (statement, step) in [
        (claim::SWEEP, "USING INDEX payout_states_due"),
        (claim::BY_ID, "payout_states USING PRIMARY KEY (id=?)"),
        (list::PAGE_OF_ANY[0], "USING INDEX payout_details_by_age"),
        (list::PAGE_OF_ANY[1], "USING INDEX payout_details_by_age"),
        (
            list::PAGE_OF_STATUS[0],
            "USING INDEX payout_states_by_status (status=? AND",
        ),
        (
            list::PAGE_OF_STATUS[1],
            "USING INDEX payout_states_by_status (status=? AND",
        ),
        (
            list::PAGE_OF_SEARCH[0],
            "USING INDEX payout_details_by_account (recipient_account=? AND",
        ),
        (
            list::PAGE_OF_SEARCH[0],
            "USING INDEX payout_details_by_name (recipient_name_folded>? AND",
        ),
        (
            list::PAGE_OF_SEALED_SEARCH[0],
            "USING INDEX payout_details_by_account (recipient_account=?",
        ),
        (
            list::PAGE_OF_SEALED_SEARCH[0],
            "USING INDEX payout_details_by_name (recipient_name_folded=?",
        ),
        (
            list::COUNT_SEALED_SEARCH,
            "payout_details_by_account (recipient_account=?",
        ),
        (
            deleted::PAGE_OF_DELETED[0],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (
            deleted::PAGE_OF_DELETED[1],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (deleted::PAGE_WITH_DELETED[0], "USING INDEX payout_details_by_age"),
        (
            deleted::PAGE_WITH_DELETED[0],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (
            payout_stats::OPEN,
            "USING INDEX payout_states_by_status (status=?)",
        ),
        (
            payout_stats::SAMPLED,
            "SEARCH payout USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (list::COUNT_STATUS, "payout_states_by_status (status=?"),
        (
            list::COUNT_SEARCH,
            "payout_details_by_account (recipient_account=?",
        ),
    ] {
        let plan = plan(&mut connection, statement).await;
        assert!(plan.contains(step), "{statement}\n{plan}");
        for table in ["payout", "state", "payout_details", "payout_states"] {
            assert!(!plan.contains(&format!("SCAN {table}\n")), "{statement}\n{plan}");
        }
    }
    for page in [list::PAGE_OF_ANY, list::PAGE_OF_STATUS].concat() {
        let plan = plan(&mut connection, page).await;
        assert!(
            !plan.contains("TEMP B-TREE"),
            "a page is not sorted: {page}\n{plan}"
        );
    }
}
