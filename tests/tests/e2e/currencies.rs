//! Currencies come and go: a payout in a currency that was withdrawn remains a payout.

use payout_tests::app::path_of;
use payout_tests::body::{payout, payout_with};
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{declining, on_each_backend};

on_each_backend!(a_payout_in_a_withdrawn_currency_stays_a_payout);

async fn a_payout_in_a_withdrawn_currency_stays_a_payout(backend: Backend) {
    let app = declining(backend).await;
    let body = payout();
    let keyed = || app.post(PAYOUTS).header("idempotency-key", "before").json(&body);
    let path = path_of(&keyed().await.expect(201).json());
    app.until(&path, "failed").await;
    app.store()
        .execute("UPDATE payout_details SET currency = 'BGN'")
        .await;
    app.store()
        .execute("UPDATE idempotency_keys SET snapshot = replace(snapshot, '\"USD\"', '\"BGN\"')")
        .await;

    let read = app.payout(&path).await;
    assert_eq!(read["currency"], "BGN");
    let listed = app.payout(&format!("{PAYOUTS}?currency=bgn")).await;
    assert_eq!(listed["results"], json!([read]));
    assert_eq!(app.payout(&format!("{PAYOUTS}?currency=HRK")).await["count"], 0);
    let replayed = keyed().await.expect(201);
    assert_eq!(replayed.json()["currency"], "BGN", "the record is read too");
    // A payout that was accepted once may be retried: only the provider can say whether it can still be paid.
    let _ = app.post(&format!("{path}retry/")).await.expect(202);
    app.until(&path, "failed").await;
    let reconciled = app.launch().finish(&["reconcile", "--since", "1d"]).await;
    let printed = reconciled.printed();
    assert!(
        !printed.contains("BGN is not") && !printed.contains("refused"),
        "{printed}"
    );

    let problem = app
        .post(PAYOUTS)
        .json(payout_with("currency", "BGN"))
        .await
        .problem(400);
    assert_eq!(problem.fields(), ["currency"]);
}
