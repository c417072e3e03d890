//! Payouts that other people must approve, whichever way they come.

use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{launch, on_each_backend};

on_each_backend!(a_file_that_is_imported_awaits_approval_like_any_other_payout);

const FILE: &str =
    "amount,currency,recipient_account,recipient_name\n10.00,EUR,account-1,Ada\n20.00,EUR,account-2,Bob\n";

async fn a_file_that_is_imported_awaits_approval_like_any_other_payout(backend: Backend) {
    let launch = launch(backend).await.set("PAYOUT_APPROVALS", "*=0:1");
    launch.migrate().await;
    std::fs::write(launch.store().folder().join("friday.csv"), FILE).unwrap();
    let imported = launch.finish(&["import", "friday.csv"]).await;
    let app = launch.run().await;
    let page = app.payout(&format!("{PAYOUTS}?status=awaiting_approval")).await;
    assert_eq!(page["count"], 2, "{}", imported.log());
    assert_eq!(page["results"][0]["approval"]["required"], json!(1));
}
