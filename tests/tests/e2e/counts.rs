//! `GET /api/payouts/`: the count.

use payout_tests::app::App;
use payout_tests::body::payout_with;
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;

use crate::support::{State, on_each_backend, serving};

on_each_backend!(counts_are_exact_up_to_ten_thousand);

/// Copies a payout at rest, so that one statement makes a long list.
async fn multiply(app: &App, times: u32) {
    const DETAILS: &str = "created_at, deleted_at, amount, currency, recipient_account, recipient_name, \
        recipient_name_folded, description, created_by";
    const STATES: &str = "generation, claims, fence, version, updated_at, due_at, first_submitted_at, claimed_at, \
        quiet_at, deleted_at, needs_review, status, failure_code, failure_message, provider_reference";
    let (id, numbers) = match app.store().backend() {
        Backend::Sqlite => (
            "randomblob(16)",
            format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) SELECT i FROM n)"
            ),
        ),
        Backend::Postgres => ("gen_random_uuid()", format!("generate_series(1, {times})")),
    };
    let copy = format!(
        "INSERT INTO payout_details (id, {DETAILS})
        SELECT {id}, {DETAILS} FROM payout_details, {numbers} AS numbers;
        INSERT INTO payout_states (id, created_at, {STATES})
        SELECT copy.id, copy.created_at, state.*
        FROM (SELECT {STATES} FROM payout_states) AS state, payout_details AS copy
        WHERE copy.id NOT IN (SELECT id FROM payout_states)"
    );
    app.store().execute(copy).await;
}

async fn counts_are_exact_up_to_ten_thousand(backend: Backend) {
    let app = serving(backend).await;
    State::Cancelled.payout(&app).await;
    multiply(&app, 9_999).await;
    let count = async |query: &str| {
        let list = app.payout(&format!("{PAYOUTS}?page_size=1&{query}")).await;
        (
            list["count"].as_u64().unwrap(),
            list["count_exact"].as_bool().unwrap(),
        )
    };
    assert_eq!(count("").await, (10_000, true));
    app.create(payout_with("currency", "EUR")).await;
    assert_eq!(count("").await, (10_000, false));
    assert_eq!(count("status=cancelled").await, (10_000, true));
    assert_eq!(count("currency=EUR").await, (1, true));
    assert_eq!(count("count=exact").await, (10_001, true));
    // Numbered pages end there, and the last one continues by cursor.
    let refused = app
        .get(&format!("{PAYOUTS}?page_size=200&page=51"))
        .await
        .problem(404);
    assert!(refused.detail.contains("cursor"), "{refused:?}");
    let last = app.payout(&format!("{PAYOUTS}?page_size=200&page=50")).await;
    let next = last["next"].as_str().unwrap();
    assert!(next.contains("cursor=") && !next.contains("page=5"), "{next}");
    let deep = app.payout(&next[next.find("/api/").unwrap()..]).await;
    assert_eq!(
        deep["results"].as_array().unwrap().len(),
        1,
        "and the count is no end of the list"
    );
}
