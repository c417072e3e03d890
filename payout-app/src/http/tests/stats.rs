//! Statistics: counts, sums and times to pay.

use payout_core::contract::build;

use super::*;

async fn create(bench: &Bench, amount: &str, currency: &str) {
    let mut body = new_payout();
    body["amount"] = json!(amount);
    body["currency"] = json!(currency);
    let reply = bench.write(Method::POST, "/api/payouts/", &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn payouts_are_counted_and_summed_by_group() {
    let bench = Bench::new();
    create(&bench, "1.50", "EUR").await;
    bench.settle(build::completed("ref")).await;
    create(&bench, "2.25", "EUR").await;
    create(&bench, "1000", "JPY").await;

    let stats = bench.get("/api/stats/").await.json();
    assert_eq!(stats["total"]["payouts"], 3);
    assert_eq!(
        stats["total"]["sums"],
        json!([
            {"currency": "EUR", "payouts": 2, "amount": "3.75"},
            {"currency": "JPY", "payouts": 1, "amount": "1000"},
        ])
    );
    assert!(stats["total"]["time_to_pay"]["p95"].as_f64().unwrap() > 0.0);
    assert_eq!(stats["groups"], json!([]));

    let by_status = bench.get("/api/stats/?by=status").await.json();
    let keys: Vec<_> = by_status["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["key"], &group["payouts"]))
        .collect();
    assert_eq!(
        keys,
        [(&json!("pending"), &json!(2)), (&json!("completed"), &json!(1))]
    );
    assert_eq!(by_status["groups"][0]["time_to_pay"], Value::Null);
    let by_provider = bench.get("/api/stats/?by=provider").await.json();
    assert_eq!(by_provider["groups"][0]["key"], Value::Null);
    let by_day = bench.get("/api/stats/?by=day").await.json();
    assert_eq!(by_day["groups"][0]["key"], stats["to"]);
}

#[tokio::test]
async fn days_without_payouts_are_empty() {
    let bench = Bench::new();
    create(&bench, "1.50", "EUR").await;
    let stats = bench
        .get("/api/stats/?from=2020-01-01&to=2020-12-31&by=day")
        .await
        .json();
    assert_eq!(
        stats,
        json!({
            "from": "2020-01-01",
            "to": "2020-12-31",
            "total": {"payouts": 0, "sums": [], "time_to_pay": null},
            "groups": [],
        })
    );
}

#[tokio::test]
async fn a_period_is_days_in_their_order_and_at_most_a_year() {
    let bench = Bench::new();
    for (query, name) in [
        ("from=2026-02-01&to=2026-01-31", "to"),
        ("from=2025-01-01&to=2026-01-02", "to"),
        ("from=9999-01-01", "from"),
        ("from=2020-01-01", "from"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("by=week", "by"),
    ] {
        let problem = bench
            .get(&format!("/api/stats/?{query}"))
            .await
            .problem(400, "invalid-request");
        let errors = problem["errors"].as_object().unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), [name], "{query}: {problem}");
    }
}
