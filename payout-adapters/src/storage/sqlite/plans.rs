//! Tests of the index that serves each statement: SQLite decides before it knows the parameters, so its plans can be
//! read.

use sqlx::{Connection, SqliteConnection};

use super::{batch_completions, claim, count, deleted, duplicates, list, payout_stats, rechecks, schema};

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
            count::COUNT_SEALED_SEARCH,
            "payout_details_by_account (recipient_account=?",
        ),
        (
            deleted::BY_CREATION[1][0],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (
            deleted::BY_CREATION[1][1],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (deleted::BY_CREATION[2][0], "USING INDEX payout_details_by_age"),
        (
            deleted::BY_CREATION[2][0],
            "USING INDEX payout_details_deleted_by_age",
        ),
        (
            deleted::BY_SCHEDULE[0][0],
            "USING INDEX payout_details_by_schedule ((scheduled_at,id)>",
        ),
        (
            deleted::BY_SCHEDULE[0][1],
            "USING INDEX payout_details_by_schedule ((scheduled_at,id)>",
        ),
        (
            list::PAGE_OF_EXTERNAL_ID[0],
            "USING INDEX payout_details_external_id (external_id=?)",
        ),
        (
            list::PAGE_OF_BATCH[0],
            "USING INDEX payout_details_by_batch (batch_id=? AND",
        ),
        (
            list::PAGE_OF_RECIPIENT[0],
            "USING INDEX payout_details_by_recipient (recipient_id=? AND",
        ),
        (
            list::PAGE_OF_METADATA[0],
            "SEARCH tagged USING PRIMARY KEY (name=? AND value=? AND",
        ),
        (
            count::COUNT_EXTERNAL_ID,
            "USING INDEX payout_details_external_id (external_id=?)",
        ),
        (
            count::COUNT_BATCH,
            "USING INDEX payout_details_by_batch (batch_id=? AND",
        ),
        (
            count::COUNT_RECIPIENT,
            "USING INDEX payout_details_by_recipient (recipient_id=? AND",
        ),
        (
            count::COUNT_METADATA,
            "SEARCH tagged USING PRIMARY KEY (name=? AND value=? AND",
        ),
        (
            count::COUNT_SCHEDULED,
            "USING INDEX payout_details_by_schedule (scheduled_at>?",
        ),
        (
            payout_stats::OPEN,
            "USING INDEX payout_states_by_status (status=?)",
        ),
        (
            payout_stats::SAMPLED,
            "SEARCH payout USING INTEGER PRIMARY KEY (rowid=?)",
        ),
        (
            count::COUNT_APPROVABLE,
            "USING INDEX payout_states_by_status (status=? AND",
        ),
        (
            duplicates::FIND,
            "payout_details_by_account (recipient_account=? AND",
        ),
        (
            batch_completions::FIND,
            "SEARCH state USING INDEX payout_states_by_status (status=? AND created_at=?)",
        ),
        (batch_completions::FIND, "batch USING INDEX payout_batches_open"),
        (
            batch_completions::COUNT,
            "SEARCH state USING INDEX payout_states_by_status (status=? AND created_at=?)",
        ),
        (
            rechecks::HINT,
            "SEARCH keyed USING INDEX payout_details_by_provider_key (provider_key=?)",
        ),
        (count::COUNT_STATUS, "payout_states_by_status (status=?"),
        (
            count::COUNT_SEARCH,
            "payout_details_by_account (recipient_account=?",
        ),
    ] {
        let plan = plan(&mut connection, statement).await;
        assert!(plan.contains(step), "{statement}\n{plan}");
        for table in ["payout", "state", "payout_details", "payout_states"] {
            assert!(!plan.contains(&format!("SCAN {table}\n")), "{statement}\n{plan}");
        }
    }
    let pages = [
        list::PAGE_OF_ANY,
        list::PAGE_OF_STATUS,
        list::PAGE_OF_BATCH,
        list::PAGE_OF_RECIPIENT,
        list::PAGE_OF_METADATA,
        deleted::BY_SCHEDULE[0],
    ];
    for page in pages.concat() {
        let plan = plan(&mut connection, page).await;
        assert!(
            !plan.contains("TEMP B-TREE"),
            "a page is not sorted: {page}\n{plan}"
        );
    }
}
