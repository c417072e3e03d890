//! Amounts: strings or numbers, greater than zero, at most 18 digits, no finer than the currency.

use payout_tests::app::path_of;
use payout_tests::body::payout_with_raw_amount;
use payout_tests::client::PAYOUTS;
use payout_tests::store::Backend;

use crate::support::{on_each_backend, serving};

on_each_backend!(
    amounts_are_answered_with_the_decimals_of_their_currency,
    what_is_no_amount_is_refused,
    amounts_finer_than_their_currency_are_refused,
);

async fn amounts_are_answered_with_the_decimals_of_their_currency(backend: Backend) {
    let app = serving(backend).await;
    for (given, currency, answered) in [
        ("1", "USD", "1.00"),
        ("1.5", "USD", "1.50"),
        ("\"1.50\"", "USD", "1.50"),
        ("\"0.01\"", "USD", "0.01"),
        ("0.10", "USD", "0.10"),
        ("\"007\"", "USD", "7.00"),
        ("1e2", "USD", "100.00"),
        ("\"1E+2\"", "USD", "100.00"),
        ("1050e-2", "USD", "10.50"),
        ("1000", "JPY", "1000"),
        ("\"1\"", "JPY", "1"),
        ("\"1.005\"", "BHD", "1.005"),
        ("2.5", "BHD", "2.500"),
        // 18 digits, more than a float can hold.
        ("9999999999999999.99", "USD", "9999999999999999.99"),
        ("\"999999999999999999\"", "JPY", "999999999999999999"),
        ("999999999999999999", "JPY", "999999999999999999"),
        ("123456789012345.678", "BHD", "123456789012345.678"),
        ("9007199254740993", "JPY", "9007199254740993"),
    ] {
        let body = payout_with_raw_amount(given, currency);
        let created = app.post(PAYOUTS).text(body).await.expect(201).json();
        assert_eq!(created["amount"], answered, "{given} {currency}");
        let read = app.payout(&path_of(&created)).await;
        assert_eq!(read["amount"], answered, "{given} {currency}, read");
    }
}

async fn what_is_no_amount_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for amount in [
        "0",
        "0.00",
        "\"0\"",
        "-0",
        "-1",
        "\"-0.01\"",
        "\"\"",
        "\" \"",
        "null",
        "true",
        "false",
        "[]",
        "[1]",
        "{}",
        "{\"a\": 1}",
        "\"NaN\"",
        "\"nan\"",
        "\"Infinity\"",
        "\"-Infinity\"",
        "\"inf\"",
        "\"1,5\"",
        "\"1_000\"",
        "\"1.2.3\"",
        "\"1.\"",
        "\".5\"",
        "\"+1\"",
        "\"0x10\"",
        "\"١\"",
        "\"１\"",
        "\"1e\"",
        "\"1 000\"",
        "\"ten\"",
        "\"1\\u0000\"",
        "1e400",
        "1e-400",
        "\"1e999999999999999999999\"",
        "1e99999999999999999999",
        "1234567890123456789",
        "\"1234567890123456789\"",
        "1e18",
        "12345678901234567.89",
        // 18 digits, which become 19 with the currency's decimals.
        "12345678901234567.8",
        "123456789012345678",
        "99999999999999999999999999999999999999999",
    ] {
        let problem = app
            .post(PAYOUTS)
            .text(payout_with_raw_amount(amount, "USD"))
            .await
            .problem(400);
        assert_eq!(problem.fields(), ["amount"], "{amount}");
    }
    // These are not JSON.
    for amount in [
        "NaN",
        "Infinity",
        "-Infinity",
        "+1",
        ".5",
        "1.",
        "01",
        "0x10",
        "1e",
        "'1'",
        "1_000",
    ] {
        let problem = app
            .post(PAYOUTS)
            .text(payout_with_raw_amount(amount, "USD"))
            .await
            .problem(400);
        assert!(
            problem.errors.is_empty() && problem.detail.contains("JSON"),
            "{amount}: {problem:?}"
        );
    }
}

async fn amounts_finer_than_their_currency_are_refused(backend: Backend) {
    let app = serving(backend).await;
    for (amount, currency) in [
        ("10.5", "JPY"),
        ("\"10.5\"", "JPY"),
        ("\"1.0\"", "JPY"),
        ("1.005", "USD"),
        ("\"1.001\"", "EUR"),
        ("1.0005", "BHD"),
        ("1e-3", "USD"),
    ] {
        let problem = app
            .post(PAYOUTS)
            .text(payout_with_raw_amount(amount, currency))
            .await
            .problem(400);
        assert_eq!(problem.fields(), ["amount"], "{amount} {currency}");
        assert!(problem.of("amount")[0].contains(currency), "{problem:?}");
    }
}
